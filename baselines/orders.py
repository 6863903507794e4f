"""Orders in which a multiset's labels can be given to a sequential method (arXiv 1711.05246 §4)."""

from __future__ import annotations

from functools import cache
from itertools import permutations
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hsal_bench.method import Batch
from hsal_bench.multiset import label_order

Order = Literal["random", "frequency", "spatial", "row-major", "area"]
ORDERS: tuple[str, ...] = get_args(Order)
_TIE = 1e-4  # of a pixel: below any difference of columns or rows


def ordered_labels(
    batch: Batch, order: Order, ranks: Int[Tensor, " classes"] | None = None
) -> Int[Tensor, "batch objects"]:
    """Return the batch's labels in `order`, the padding (-1) behind them.

    random: as the harness shuffled them. frequency: classes with more training objects first
    (CNN-RNN, arXiv 1604.04573), by their `ranks`. spatial: from left to right, from top to bottom
    where two begin in the same column. row-major: from top to bottom, from left to right where two
    begin in the same row. area: larger boxes first. Ties keep the random order.

    Raises:
        ValueError: the order needs boxes or ranks, and there are none.
    """
    _, labels = batch.truth()
    if order == "random":
        return labels
    if order == "frequency":
        if ranks is None:
            raise ValueError("the order 'frequency' needs the classes' ranks")
        keys = ranks[labels.clamp_min(0)].float()
    else:
        keys = _box_keys(batch, order)
    return labels.gather(1, label_order(labels, keys))


def frequency_ranks(
    class_objects: tuple[int, ...], device: torch.device
) -> Int[Tensor, " classes"]:
    """Return each class's place among the classes by their objects, 0 for the most frequent."""
    frequency = torch.tensor(class_objects, device=device)
    return frequency.argsort(descending=True, stable=True).argsort()


def distinct_orders(
    labels: Int[Tensor, "batch K"],
) -> tuple[Int[Tensor, "batch orders K"], Bool[Tensor, "batch orders"]]:
    """Return all K! orders of each row, and which of them to keep: each distinct one once.

    Equal labels keep their order among each other, and the padding stays behind the labels.
    """
    K = labels.shape[1]
    orders = _permutations(K, labels.device)
    places = orders.argsort(1)
    equal = labels[:, :, None] == labels[:, None, :]
    later = torch.ones(K, K, dtype=torch.bool, device=labels.device).triu(1)
    crossed = places[:, :, None] > places[:, None, :]
    swapped = (equal & later)[:, None] & crossed
    ordered = labels[:, orders]
    resumed = (ordered[..., :-1] < 0) & (ordered[..., 1:] >= 0)
    return ordered, ~(swapped.any((2, 3)) | resumed.any(2))


@cache
def _permutations(K: int, device: torch.device) -> Int[Tensor, "orders K"]:
    # Kept: a captured update must not copy from the host.
    return torch.tensor(list(permutations(range(K))), device=device)


def _box_keys(batch: Batch, order: Order) -> Float[Tensor, "batch objects"]:
    if batch.boxes is None:
        raise ValueError(f"the order {order!r} needs the objects' boxes")
    x0, y0, x1, y1 = batch.boxes.float().unbind(2)
    match order:
        case "spatial":
            return x0 + _TIE * y0
        case "row-major":
            return y0 + _TIE * x0
        case _:
            return -(x1 - x0) * (y1 - y0)
