"""What `check-method` asks of predictions: valid, repeatable, of each image alone, of it only."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch
from torch import Tensor

from hsal_bench.checking import Failed, Skipped
from hsal_bench.conformance.tiny_task import CLASSES, MAX_OBJECTS
from hsal_bench.conformance.trial import PREDICTED, Trial
from hsal_bench.method.contract import Batch, Prediction, Trace, Unsupported
from hsal_bench.metrics.multiset import counts_from_labels

MORE = 3
"""Objects more than the method was trained for."""

ROUNDING = 1e-3
"""Share by which a confidence may differ where a batch is of another size or order."""


def check_prediction(trial: Trial) -> str:
    """Without labels, predictions are whole counts of every class, and finite confidences."""
    found = trial.predicted(trial.made(), Batch(trial.tiny.inputs(PREDICTED)))
    many = int((found.counts.sum(1) > MAX_OBJECTS).sum())
    told = f"counts >= 0 [{PREDICTED}, {CLASSES}]"
    told += ", no confidence" if found.confidence is None else ", a finite confidence"
    # Allowed: what is too much costs the method its score, and no rule of the task forbids it.
    return f"{told}; untrained, more than {MAX_OBJECTS} objects in {many} images" if many else told


def check_twice(trial: Trial) -> str:
    """The same images give the same predictions, with the trace and without."""
    first = _predicted(trial)
    for told, other in (
        ("once more", _predicted(trial)),
        ("with trace=True", _predicted(trial, trace=True)),
    ):
        if found := trial.difference(first, other):
            trial.refuse_other(f"the same images predicted {told}: {found}")
    return "once more and with trace=True: the same"


def check_single(trial: Trial) -> str:
    """An image predicted alone gives what it gives in a batch."""
    method, inputs = trial.learned.method, trial.tiny.inputs(PREDICTED)
    ones = [
        trial.predicted(method, Batch(inputs[row : row + 1].clone())) for row in range(PREDICTED)
    ]
    if found := trial.difference(_predicted(trial), _joined(ones), ROUNDING):
        came = f"in a batch of {PREDICTED} and alone: {found}"
        trial.refuse_other(came, "is every layer in eval mode (self.network.eval())?")
    return f"{PREDICTED} images, alone and together: the same"


def check_order(trial: Trial) -> str:
    """Predictions follow the images when a batch is put in another order."""
    order = torch.arange(PREDICTED).flip(0)
    inputs = trial.tiny.inputs(PREDICTED)
    turned = trial.predicted(trial.learned.method, Batch(inputs[order.to(inputs.device)]))
    if found := trial.difference(_predicted(trial), _rows(turned, order), ROUNDING):
        came = f"in a batch and in the reversed one: {found}"
        trial.refuse("predict", came, "the same for each image")
    return "predictions follow the images of a reversed batch"


def check_labels_unread(trial: Trial) -> str:
    """Wrong labels in the batch change no prediction."""
    tiny = trial.tiny
    for labels in (torch.zeros(PREDICTED, MAX_OBJECTS), torch.full((PREDICTED, MAX_OBJECTS), -1)):
        labels = labels.long().to(trial.device)
        boxes = tiny.test.boxes[:PREDICTED]
        batch = Batch(tiny.inputs(PREDICTED), counts_from_labels(labels, CLASSES), labels, boxes)
        wrong = trial.predicted(trial.learned.method, batch)
        if found := trial.difference(_predicted(trial), wrong):
            came = f"without labels and with wrong ones: {found}"
            trial.refuse("predict", came, "the same: predict never reads batch.labels or .counts")
    return "without labels and with wrong ones: the same"


def check_trace(trial: Trial) -> str:
    """Where the method looked is told in the shapes and ranges of `Trace`."""
    found = _predicted(trial, trace=True)
    if found.trace is None:
        raise Skipped("the method gives none")
    trace: Trace = found.trace
    for problem in _trace_problems(trace, found):
        came, expected = problem
        trial.refuse("predict", f"trace.{came}", f"{expected}, as Trace says")
    _, steps, glimpses = trace.glimpses.shape
    h, w = trace.saliency.shape[1:]
    return f"{steps} steps of {glimpses} glimpses on {h} x {w} cells"


def _trace_problems(trace: Trace, found: Prediction) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a trace, and what was expected instead."""
    size = len(found.counts)
    saliency, glimpses = trace.saliency, trace.glimpses
    if saliency.ndim != 3 or len(saliency) != size:
        yield f"saliency has shape {list(saliency.shape)}", f"[{size}, h, w]"
        return
    if glimpses.ndim != 3 or len(glimpses) != size:
        yield f"glimpses has shape {list(glimpses.shape)}", f"[{size}, steps, k]"
        return
    h, w, steps = *saliency.shape[1:], glimpses.shape[1]
    for name in ("S_t", "masks", "priority"):
        part = getattr(trace, name)
        if list(part.shape) != [size, steps, h, w]:
            yield f"{name} has shape {list(part.shape)}", f"[{size}, {steps}, {h}, {w}]"
        else:
            yield from _outside(name, part, 0.0, 1.0)
    if list(trace.labels.shape) != [size, steps]:
        yield f"labels has shape {list(trace.labels.shape)}", f"[{size}, {steps}]"
        return
    yield from _outside("saliency", saliency, 0.0, torch.inf)
    yield from _outside("glimpses", glimpses, 0, h * w - 1)
    yield from _outside("labels", trace.labels, -1, CLASSES)
    counts = counts_from_labels(trace.labels.cpu(), CLASSES)
    if not torch.equal(counts, found.counts.long()):
        row = int(torch.nonzero((counts != found.counts).any(1))[0, 0])
        came, told = trace.labels[row].tolist(), found.counts[row].tolist()
        yield f"labels is {came} for image {row}", f"the labels of its counts {told}"


def _outside(name: str, part: Tensor, low: float, high: float) -> Iterator[tuple[str, str]]:
    """Yield a value that is not finite or not within low and high, but for rounding."""
    values = part.double()
    bad = ~torch.isfinite(values) | (values < low - 1e-5) | (values > high + 1e-5)
    if bad.any():
        upper = "" if high == torch.inf else f" and <= {high:g}"
        yield f"{name} holds {values[bad][0]:g}", f"finite numbers >= {low:g}{upper}"


def check_more_objects(trial: Trial) -> str:
    """A method that says `any_cardinality` goes on in its trained state with more objects.

    Raises:
        Skipped: it does not say so, or cannot with so many.
    """
    if not getattr(trial.cls, "any_cardinality", False):
        raise Skipped(f"built for at most {MAX_OBJECTS} objects (any_cardinality is not True)")
    more = dataclasses.replace(trial.tiny.task, max_objects=MAX_OBJECTS + MORE)
    try:
        method = trial.made(more)
    except Unsupported as reason:
        raise Skipped(f"with up to {more.max_objects} it says it cannot: {reason}") from reason
    state = trial.state(trial.learned.method)
    try:
        trial.load(method, state)
    except Failed as failure:
        raise Failed(
            f"the state of {MAX_OBJECTS} objects does not fit a task of {more.max_objects}; "
            f"expected parameters that do not depend on max_objects: {failure}"
        ) from failure
    trial.predicted(method, Batch(trial.tiny.inputs(PREDICTED)))
    return f"trained with up to {MAX_OBJECTS}, predicts for up to {more.max_objects}"


def _predicted(trial: Trial, *, trace: bool = False) -> Prediction:
    batch = Batch(trial.tiny.inputs(PREDICTED))
    return trial.predicted(trial.learned.method, batch, trace=trace)


def _joined(parts: list[Prediction]) -> Prediction:
    sure = [part.confidence for part in parts if part.confidence is not None]
    counts = torch.cat([part.counts for part in parts])
    return Prediction(counts, torch.cat(sure) if len(sure) == len(parts) else None)


def _rows(found: Prediction, rows: Tensor) -> Prediction:
    sure = found.confidence
    return Prediction(found.counts[rows], None if sure is None else sure[rows])
