"""Multisets of labels as tensors: counts, padded labels, and the paper's reward (P§4.2).

Everything is batched, works on any device and never waits for it. Class numbers are
0..num_classes-1; the number num_classes is "stop", and -1 pads.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def counts_from_labels(
    labels: Int[Tensor, "batch objects"], num_classes: int
) -> Int[Tensor, "batch classes"]:
    """Return how often each class occurs in each row (int64); padding (< 0) and stop are left out.

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

    The inverse of `counts_from_labels` but for the order. Of a row with more than `max_objects`
    objects the first, those of the lowest classes, are kept: raising would wait for the device.
    """
    upto = counts.long().cumsum(1)
    place = torch.arange(max_objects, device=counts.device)
    # The label at a place is the number of classes whose objects all lie before it.
    labels = (upto[:, None, :] <= place[None, :, None]).sum(2)
    return labels.masked_fill(labels == counts.shape[1], -1)


def shuffle_labels(
    labels: Int[Tensor, "batch objects"], keys: Float[Tensor, "batch objects"]
) -> Int[Tensor, "batch objects"]:
    """Return each row's real labels in ascending order of their keys, the padding behind them.

    With independent uniform keys every order is equally likely. Keys are finite; equal ones keep
    the order of the row.
    """
    keys = keys.masked_fill(labels < 0, torch.inf)
    return labels.gather(1, keys.argsort(dim=1, stable=True))


def step_reward(
    available: Int[Tensor, "batch classes"], y_hat: Int[Tensor, " batch"]
) -> tuple[Float[Tensor, " batch"], Int[Tensor, "batch classes"]]:
    """Return the reward of predicting `y_hat` and the labels that are still available after it.

    P§4.2: +1 if the label is available, which removes it once; else -1, and nothing is removed.
    Stop (num_classes) and padding (-1) are never available. The reward is float32, the counts
    keep their type.
    """
    classes = torch.arange(available.shape[1], device=available.device)
    taken = (y_hat[:, None] == classes) & (available > 0)
    reward = torch.where(taken.any(1), 1.0, -1.0)
    return reward, available - taken.to(available.dtype)


def sequence_reward(
    counts: Int[Tensor, "batch classes"], y_hat: Int[Tensor, "batch steps"]
) -> Float[Tensor, "batch steps"]:
    """Return the rewards of predicting y_hat_1, y_hat_2, ... of an image whose truth is `counts`.

    The same as `step_reward` step after step: the j-th prediction of a class is rewarded with +1
    (float32) as long as j is not above the class's count. The sum over the steps does not depend
    on their order. y_hat is in -1..num_classes.
    """
    same = y_hat[:, :, None] == y_hat[:, None, :]
    nth = same.tril().sum(2)
    # The last column is that of stop; -1 is sent there too.
    with_stop = torch.cat([counts, counts.new_zeros(len(counts), 1)], 1)
    column = torch.where(y_hat < 0, counts.shape[1], y_hat.long())
    return torch.where(nth <= with_stop.gather(1, column), 1.0, -1.0)
