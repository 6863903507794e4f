"""Predicting a whole split and scoring it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import torch

from hsal_bench import device as devices
from hsal_bench import metrics
from hsal_bench.attention import AttentionSums, attention_sums
from hsal_bench.contract import check_confidence, check_counts, check_prediction
from hsal_bench.loader import ExampleSet, evaluation_batches
from hsal_bench.method import Method, Prediction

BATCH_SIZE = 512
ON_CPU = "use --device cpu, which can resume the run"


@dataclass(frozen=True)
class Evaluation:
    """A split's predictions and their scores.

    counts: int64 [N, classes]. confidence: float32 [N], None where the method gives none.
    metrics: all of `metrics.score`, and those of `attention` where the method has a trace.
    seconds: spent in `predict`.
    """

    counts: np.ndarray
    confidence: np.ndarray | None
    metrics: dict[str, float]
    seconds: float


def evaluate(method: Method, examples: ExampleSet) -> Evaluation:
    """Predict every example of a split, in the file's order, and score the predictions.

    Raises:
        Breach: the method returns something other than the contract says.
    """
    counts, confidence, looks, seconds = [], [], [], 0.0
    classes = examples.counts.shape[1]
    for start, batch in evaluation_batches(examples, BATCH_SIZE):
        started = time.perf_counter()
        with devices.enough_memory(f"predicting {len(batch.inputs)} images at once", ON_CPU):
            prediction = method.predict(batch, trace=True)
        check_prediction(method, prediction, len(batch.inputs), classes)
        counts.append(prediction.counts.cpu().numpy())
        seconds += time.perf_counter() - started
        if prediction.confidence is not None:
            confidence.append(prediction.confidence.float().cpu().numpy())
        if prediction.trace is not None:
            looks.append(_attention(prediction, examples, start))
    predicted = check_counts(method, np.concatenate(counts))
    truth = examples.counts.cpu().numpy()
    scores = metrics.score(truth, predicted, examples.labels.shape[1])
    if looks:
        scores |= reduce(add, looks).means()
    sure = None
    if len(confidence) == len(counts):
        sure = check_confidence(method, np.concatenate(confidence))
    return Evaluation(predicted, sure, scores, seconds)


def _attention(prediction: Prediction, examples: ExampleSet, start: int) -> AttentionSums:
    assert prediction.trace is not None
    rows = slice(start, start + len(prediction.counts))
    boxes, labels = examples.boxes[rows], examples.labels[rows]
    classes = examples.counts.shape[1]
    with torch.no_grad():
        return attention_sums(prediction.trace, boxes, labels, examples.image_size, classes)
