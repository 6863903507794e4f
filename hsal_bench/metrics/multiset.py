"""Multisets of labels as tensors: counts, padded labels, and available labels (P§4.2).

All functions are batched, work on any device and never synchronise with it. Class numbers are
0..num_classes-1; the number num_classes is "stop", and -1 pads.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def counts_from_labels(
    labels: Int[Tensor, "batch objects"], num_classes: int
) -> Int[Tensor, "batch classes"]:
    """Return the count of each class in each row (int64), without padding (< 0) and stop.

    Raises:
        RuntimeError: a label above num_classes (on a GPU: a failed device-side assertion).
    """
    counts = labels.new_zeros((len(labels), num_classes + 1), dtype=torch.int64)
    column = torch.where(labels < 0, num_classes, labels.long())
    counts.scatter_add_(1, column, torch.ones_like(column))
    return counts[:, :num_classes]


def labels_from_counts(
    counts: Int[Tensor, "batch classes"], max_objects: int
) -> Int[Tensor, "batch {max_objects}"]:
    """Return the labels of each row in ascending order (int64), padded with -1.

    The inverse of `counts_from_labels`, except for the order. Rows with more than `max_objects`
    objects keep those of the lowest classes: raising an error would synchronise with the device.
    """
    upto = counts.long().cumsum(1)
    place = torch.arange(max_objects, device=counts.device)
    # The label at a place is the number of classes with all objects before it.
    labels = (upto[:, None, :] <= place[None, :, None]).sum(2)
    return labels.masked_fill(labels == counts.shape[1], -1)


def label_order(
    labels: Int[Tensor, "batch objects"], keys: Float[Tensor, "batch objects"]
) -> Int[Tensor, "batch objects"]:
    """Return the places of each row's real labels in ascending order of their keys, then the rest.

    `labels.gather(1, order)` puts the labels in that order. With independent uniform keys every
    order is equally likely. Keys are finite; equal ones keep the order of the row.
    """
    return keys.masked_fill(labels < 0, torch.inf).argsort(dim=1, stable=True)


def available(
    counts: Int[Tensor, "batch classes"], y_hat: Int[Tensor, "batch steps"]
) -> Int[Tensor, "batch steps classes"]:
    """Return the labels still available before each step, A_t (P§4.2), int64.

    A prediction removes one copy of its label if there is one, so the remaining count of a class
    is its count minus the number of its predictions, at least zero. "Stop" (num_classes) removes
    nothing. y_hat is in 0..num_classes.
    """
    classes = counts.shape[1]
    predicted = functional.one_hot(y_hat, classes + 1)[:, :, :classes]
    before = predicted.cumsum(1) - predicted
    return (counts[:, None, :] - before).clamp_min(0)
