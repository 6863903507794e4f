"""The checks of predictions: valid, repeatable, independent of batch and labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch
from torch import Tensor

from hsal_bench.checking import Skipped
from hsal_bench.conformance.tiny_task import CLASSES, MAX_OBJECTS
from hsal_bench.conformance.trial import PREDICTED, Trial, Values, answers, in_context
from hsal_bench.method.contract import Batch, Trace, Unsupported
from hsal_bench.metrics.multiset import counts_from_labels

MORE = 3  # objects beyond the number the method was trained for
ROUNDING = 1e-3  # relative tolerance of confidences if the size or order of a batch changes


def check_untrained(trial: Trial) -> str:
    """Without labels, predictions are whole counts of every class, and finite confidences."""
    prediction = trial.predict(trial.create())
    confidence = "no" if prediction.confidence is None else "a finite"
    detail = f"counts >= 0 [{PREDICTED}, {CLASSES}], {confidence} confidence"
    # Allowed: too many objects lower the score, but no rule of the task forbids them.
    if many := int((prediction.counts.sum(1) > MAX_OBJECTS).sum()):
        images = f"{many} of {PREDICTED} images"
        detail += f"; untrained: more than {MAX_OBJECTS} objects predicted for {images}"
    return detail


def check_repeatable(trial: Trial) -> str:
    """The same images give the same predictions, with and without a trace."""
    again = answers(trial.predict(trial.learned))
    _compare(trial, again, "predicting the same images again differs")
    traced = answers(trial.predict(trial.learned, trace=True))
    _compare(trial, traced, "predicting with trace=True differs")
    return "same predictions again and with trace=True"


def check_single(trial: Trial) -> str:
    """An image gets the same prediction alone and in a batch."""
    alone: Values = {}
    for image, inputs in enumerate(trial.tiny.inputs(PREDICTED).split(1)):
        alone |= answers(trial.predict(trial.learned, Batch(inputs)), [image])
    _compare(trial, alone, f"a batch of {PREDICTED} images and each image alone differ", ROUNDING)
    return f"same predictions of {PREDICTED} images alone and in a batch"


def check_order(trial: Trial) -> str:
    """Reversing a batch reverses the predictions."""
    prediction = trial.predict(trial.learned, Batch(trial.tiny.inputs(PREDICTED).flip(0)))
    backwards = answers(prediction, range(PREDICTED)[::-1])
    _compare(trial, backwards, "a batch and the reversed batch differ", ROUNDING)
    return "same predictions in a reversed batch"


def check_labels_unread(trial: Trial) -> str:
    """Wrong labels in a batch change no prediction."""
    for label in (0, -1):
        labels = torch.full((PREDICTED, MAX_OBJECTS), label, device=trial.device)
        counts, boxes = counts_from_labels(labels, CLASSES), trial.tiny.test.boxes[:PREDICTED]
        batch = Batch(trial.tiny.inputs(PREDICTED), counts, labels, boxes)
        labelled = answers(trial.predict(trial.learned, batch))
        _compare(trial, labelled, "predicting without labels and with wrong labels differs")
    return "same predictions without labels and with wrong labels"


def _compare(trial: Trial, values: Values, message: str, tolerance: float = 0.0) -> None:
    """Compare values with the prediction of the first images in one batch."""
    batch = answers(trial.predict(trial.learned))
    trial.compare([batch], [values], "predict", message, tolerance)


def check_trace(trial: Trial) -> str:
    """The trace has the shapes and ranges of `Trace`, and labels that match the counts."""
    prediction = trial.predict(trial.learned, trace=True)
    trace = prediction.trace
    if trace is None:
        raise Skipped("the method has no trace")
    for problem in _trace_problems(trace, prediction.counts):
        trial.fail("predict", f"trace.{problem}")
    _, steps, glimpses = trace.glimpses.shape
    _, h, w = trace.saliency.shape
    return f"{steps} steps of {glimpses} glimpses on {h} x {w} cells"


def _trace_problems(trace: Trace, counts: Tensor) -> Iterator[str]:
    """Yield the problems of a trace; counts are [images, classes]."""
    size = len(counts)
    h, w = (1, 1, *trace.saliency.shape)[-2:]
    steps, glimpses = (1, 1, *trace.glimpses.shape)[-2:]
    expected: dict[str, tuple[list[int], float, float]] = {
        "saliency": ([size, h, w], 0, torch.inf),
        "glimpses": ([size, steps, glimpses], 0, h * w - 1),
        **dict.fromkeys(("S_t", "masks", "priority"), ([size, steps, h, w], 0, 1)),
        "labels": ([size, steps], -1, CLASSES),
    }
    for name, (shape, low, high) in expected.items():
        values = getattr(trace, name).double()
        if list(values.shape) != shape:
            yield f"{name} has shape {list(values.shape)}, expected {shape}"
        bad = ~torch.isfinite(values) | (values < low - 1e-5) | (values > high + 1e-5)
        if bad.any():
            yield f"{name} holds {values[bad][0]:g}, expected {low} to {high}"
    labelled = counts_from_labels(trace.labels.cpu(), CLASSES)
    for row in torch.nonzero((labelled != counts).any(1))[:, 0].tolist():
        labels = trace.labels[row].tolist()
        yield f"labels {labels} of image {row} do not match its counts {counts[row].tolist()}"


def check_more_objects(trial: Trial) -> str:
    """With `any_cardinality`, a trained state also works for more objects.

    Raises:
        Skipped: the method does not claim this, or not for so many objects.
    """
    if not getattr(trial.cls, "any_cardinality", False):
        raise Skipped(f"only for up to {MAX_OBJECTS} objects (any_cardinality is not True)")
    more = dataclasses.replace(trial.tiny.task, max_objects=MAX_OBJECTS + MORE)
    try:
        method = trial.create(more)
    except Unsupported as reason:
        raise Skipped(f"up to {more.max_objects} objects are unsupported: {reason}") from reason
    with in_context(f"with max_objects={more.max_objects}"):
        trial.load(method, trial.state(trial.learned))
        trial.predict(method)
    return f"trained with up to {MAX_OBJECTS} objects, predicts up to {more.max_objects}"
