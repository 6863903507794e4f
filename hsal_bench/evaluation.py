"""Predicting a whole split and scoring it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from hsal_bench import metrics
from hsal_bench.loader import ExampleSet, evaluation_batches
from hsal_bench.method import Method, Trace

BATCH_SIZE = 512


@dataclass(frozen=True)
class Predictions:
    """A split's predictions: counts int64 [N, classes], confidence float32 [N] or None."""

    counts: np.ndarray
    confidence: np.ndarray | None
    seconds: float


def predict(method: Method, examples: ExampleSet) -> Predictions:
    """Predict every example of a split, in the file's order."""
    started = time.perf_counter()
    counts, confidence = [], []
    for batch in evaluation_batches(examples, BATCH_SIZE):
        prediction = method.predict(batch)
        counts.append(prediction.counts)
        confidence.append(prediction.confidence)
    stacked = torch.cat(counts).cpu().numpy()
    known = [part for part in confidence if part is not None]
    sure = torch.cat(known).float().cpu().numpy() if len(known) == len(confidence) else None
    return Predictions(stacked, sure, time.perf_counter() - started)


def traces(method: Method, examples: ExampleSet) -> Iterator[Trace]:
    """Yield the trace of every batch of a split, in order; nothing where a method has none."""
    for batch in evaluation_batches(examples, BATCH_SIZE):
        trace = method.predict(batch, trace=True).trace
        if trace is None:
            return
        yield trace


def score(method: Method, examples: ExampleSet) -> dict[str, float]:
    """Return every metric of a split (see `metrics.score`)."""
    predicted = predict(method, examples).counts
    return metrics.score(examples.counts.cpu().numpy(), predicted)
