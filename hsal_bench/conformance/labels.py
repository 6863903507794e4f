"""What the order of an image's labels does to an update: information, not a rule."""

from __future__ import annotations

import torch
from torch import Tensor

from hsal_bench.conformance.layers import held
from hsal_bench.conformance.trial import Trial
from hsal_bench.method.contract import Batch, Method
from hsal_bench.metrics.multiset import label_order


def check_label_order(trial: Trial) -> str:
    """Say whether an update depends on the order of an image's labels.

    Never a failure: a method may depend on it on purpose.
    """
    loss, gradient = label_order_effect(trial)
    if loss == gradient == 0.0:
        return "reversed within each image: the same loss and gradient"
    return (
        f"reversed within each image: relative difference {loss:.2g} of the loss, {gradient:.2g} "
        "of the gradient (allowed, where it is meant)"
    )


def label_order_effect(trial: Trial) -> tuple[float, float]:
    """Return the relative differences of the loss and the gradient of a new method's first update.

    Between a batch and `reversed_labels` of it. The gradient is what the update leaves
    in `.grad` of the parameters of the method's modules, clipped where the method clips it; without
    any its difference is 0.
    """
    (batch,) = trial.tiny.batches(1)
    one, other = (_first_update(trial, labels) for labels in (batch, reversed_labels(batch)))
    return _relative(one[0], other[0]), _relative(one[1], other[1])


def reversed_labels(batch: Batch) -> Batch:
    """Return a training batch with each image's labels, and their boxes, in reverse order."""
    assert batch.labels is not None
    assert batch.boxes is not None
    places = torch.arange(batch.labels.shape[1], device=batch.labels.device)
    order = label_order(batch.labels, -places.float().expand(batch.labels.shape))
    boxes = batch.boxes.gather(1, order[:, :, None].expand(-1, -1, 4))
    return Batch(batch.inputs, batch.counts, batch.labels.gather(1, order), boxes)


def _first_update(trial: Trial, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the loss [1] and the gradient [parameters] of a new method's update."""
    method = trial.made()
    loss = trial.scalars(method, batch)["loss"].detach()
    return loss.reshape(1), _gradient(method, loss)


def _gradient(method: Method, like: Tensor) -> Tensor:
    gradients = [
        parameter.grad.flatten()
        for module in held(method).values()
        for parameter in module.parameters()
        if parameter.grad is not None
    ]
    return torch.cat(gradients) if gradients else torch.zeros_like(like).reshape(1)


def _relative(one: Tensor, other: Tensor) -> float:
    """Return |other - one| / |one|, 0 where they are equal."""
    difference = (other.double() - one.double()).norm()
    return float(difference / one.double().norm()) if difference > 0 else 0.0
