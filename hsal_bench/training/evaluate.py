"""Predicting and scoring a split."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hsal_bench.method.contract import Batch, Method, Prediction
from hsal_bench.method.validate import check_confidence, check_counts, check_prediction
from hsal_bench.metrics import scores as metrics
from hsal_bench.metrics.attention import AttentionSums, attention_sums
from hsal_bench.training import checkpoint, states
from hsal_bench.training import device as devices
from hsal_bench.training.batches import ExampleSet, evaluation_batches

BATCH_SIZE, IMAGES = 512, 64
"""Batch sizes for activations, and for images, which are slow with a backbone on a CPU."""
KEEP_AFTER = 1.0
"""Seconds: the results of a slower batch are saved to disk at once."""
ON_CPU = "use --device cpu, which can resume the run"


@dataclass(frozen=True)
class Evaluation:
    """A split's predictions and their scores.

    counts: int64 [N, classes]. confidence: float32 [N]; None if the method gives none.
    metrics: all of `metrics.score`, and those of `attention` if the method has a trace.
    seconds: spent in `predict`.
    """

    counts: np.ndarray
    confidence: np.ndarray | None
    metrics: dict[str, float]
    seconds: float


def evaluate(
    method: Method,
    examples: ExampleSet,
    folder: Path | None = None,
    identity: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Predict every example of a split, in the file's order, and score the predictions.

    Slow batches are saved in `folder` until the split is done: after an interruption the same call
    resumes after the last one. `identity` names the evaluation, as plain JSON values; batches of a
    different evaluation are discarded.

    Raises:
        Breach: the method returns something that violates the contract.
    """
    kept = folder / checkpoint.EVALUATION if folder else None
    key = json.dumps(identity, sort_keys=True)
    done = _resumed(kept, key)
    size = IMAGES if examples.inputs.dtype == torch.uint8 else BATCH_SIZE
    for start, batch in evaluation_batches(examples, size, sum(len(b["counts"]) for b in done)):
        done.append(_predict(method, batch, examples, start))
        if kept and done[-1]["seconds"] > KEEP_AFTER:
            states.write(kept, {"identity": key, "batches": done})
    result = _scored(method, examples, done)
    if kept:
        kept.unlink(missing_ok=True)
    return result


def _resumed(kept: Path | None, key: str) -> list[dict[str, Any]]:
    """Return the batches that an interrupted evaluation saved, as from `_predict`."""
    if kept is None or not kept.exists():
        return []
    try:
        state, _ = states.read(kept)
    except states.DamagedState:
        return []  # they are predicted again
    return state["batches"] if state.get("identity") == key else []


def _predict(method: Method, batch: Batch, examples: ExampleSet, start: int) -> dict[str, Any]:
    """Return a batch's counts, its seconds and, if available, confidence and attention sums."""
    started = time.perf_counter()
    with devices.enough_memory(f"predicting {len(batch.inputs)} images at once", ON_CPU):
        prediction = method.predict(batch, trace=True)
    check_prediction(method, prediction, len(batch.inputs), examples.counts.shape[1])
    result: dict[str, Any] = {"counts": prediction.counts.cpu()}
    result["seconds"] = time.perf_counter() - started
    if prediction.confidence is not None:
        result["confidence"] = prediction.confidence.float().cpu()
    if prediction.trace is not None:
        result["attention"] = _attention(prediction, examples, start)
    return result


def _scored(method: Method, examples: ExampleSet, batches: list[dict[str, Any]]) -> Evaluation:
    counts = check_counts(method, torch.cat([batch["counts"] for batch in batches]).numpy())
    truth = examples.counts.cpu().numpy()
    scores = metrics.score(truth, counts, examples.labels.shape[1])
    if attention := [batch["attention"] for batch in batches if "attention" in batch]:
        scores |= AttentionSums(*reduce(add, attention)).means()
    confidence = [batch["confidence"] for batch in batches if "confidence" in batch]
    sure = None
    if len(confidence) == len(batches):
        sure = check_confidence(method, torch.cat(confidence).numpy())
    return Evaluation(counts, sure, scores, sum(batch["seconds"] for batch in batches))


def _attention(prediction: Prediction, examples: ExampleSet, start: int) -> Tensor:
    """Return the fields of a batch's `AttentionSums`, in their order, on the CPU."""
    assert prediction.trace is not None
    rows = slice(start, start + len(prediction.counts))
    boxes, labels = examples.boxes[rows], examples.labels[rows]
    classes = examples.counts.shape[1]
    with torch.no_grad():
        sums = attention_sums(prediction.trace, boxes, labels, examples.image_size, classes)
    return torch.stack(list(vars(sums).values())).cpu()
