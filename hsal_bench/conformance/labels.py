"""Effect of the order of an image's labels on an update: information, not a rule."""

from __future__ import annotations

import torch
from torch import Tensor

from hsal_bench.conformance.state import modules
from hsal_bench.conformance.trial import Trial
from hsal_bench.method.contract import Batch
from hsal_bench.metrics.multiset import label_order


def check_label_order(trial: Trial) -> str:
    """Report whether an update depends on the order of an image's labels.

    This never fails: a method may depend on it by design.
    """
    loss, gradient = label_order_effect(trial)
    if loss == gradient == 0.0:
        return "labels reversed within each image: same loss and gradient"
    return (
        f"labels reversed within each image: the loss differs by {loss:.2g}, the gradient by "
        f"{gradient:.2g} (relative; allowed by design)"
    )


def label_order_effect(trial: Trial) -> tuple[float, float]:
    """Return by how much a new method's first loss and gradient change if labels are reversed.

    Both differences are relative. The gradient is the one that the update leaves in `.grad` of the
    parameters, clipped if the method clips it; without any gradient its difference is 0.
    """
    (batch,) = trial.tiny.batches(1)
    given, turned = (_first_update(trial, b) for b in (batch, reversed_labels(batch)))
    return _relative(given[0], turned[0]), _relative(given[1], turned[1])


def reversed_labels(batch: Batch) -> Batch:
    """Return a training batch with each image's labels, and their boxes, in reverse order."""
    _, labels = batch.truth()
    assert batch.boxes is not None
    places = torch.arange(labels.shape[1], device=labels.device)
    order = label_order(labels, -places.float().expand(labels.shape))
    boxes = batch.boxes.gather(1, order[:, :, None].expand(-1, -1, 4))
    return Batch(batch.inputs, batch.counts, labels.gather(1, order), boxes)


def _first_update(trial: Trial, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the loss [1] and the gradient [parameters] of a new method's update."""
    method = trial.create()
    loss = trial.update(method, batch)["loss"].reshape(1)
    parameters = (p for module in modules(method).values() for p in module.parameters())
    gradients = [p.grad.flatten() for p in parameters if p.grad is not None]
    return loss, torch.cat([loss.new_zeros(1), *gradients])


def _relative(a: Tensor, b: Tensor) -> float:
    """Return |b - a| / |a|; 0 if they are equal."""
    difference = (b.double() - a.double()).norm()
    return float(difference / a.double().norm()) if difference > 0 else 0.0
