"""Orders of the labels of a multiset for sequential methods (arXiv 1711.05246 §4)."""

from __future__ import annotations

from functools import cache
from itertools import permutations
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hsal_bench.method.contract import Batch, Task, Unsupported
from hsal_bench.metrics.multiset import label_order

Order = Literal["random", "fixed", "class", "frequency", "spatial", "row-major", "area"]
ORDERS: tuple[str, ...] = get_args(Order)
_TIE = 1e-4  # of a pixel: below any difference of columns or rows


def ordered_labels(
    batch: Batch, order: Order, ranks: Int[Tensor, " classes"] | None = None
) -> Int[Tensor, "batch objects"]:
    """Return the batch's labels in `order`, followed by the padding (-1).

    random: as shuffled in training. fixed: one random order per image, always the same (from a hash
    of its boxes). class: by class number. frequency: more frequent classes first (CNN-RNN, arXiv
    1604.04573), by their `ranks`. spatial: left to right; top to bottom for boxes with the same
    left edge. row-major: top to bottom; left to right for boxes with the same top edge. area:
    larger boxes first. Ties keep the random order.

    Raises:
        ValueError: the order needs boxes or ranks that are missing.
    """
    _, labels = batch.truth()
    if order == "random":
        return labels
    if order == "class":
        keys = labels.float()
    elif order == "frequency":
        if ranks is None:
            raise ValueError("the order 'frequency' needs the classes' ranks")
        keys = ranks[labels.clamp_min(0)].float()
    else:
        keys = _box_keys(batch, order)
    return labels.gather(1, label_order(labels, keys))


def class_ranks(order: Order, task: Task, device: torch.device) -> Int[Tensor, " classes"] | None:
    """Return the `frequency_ranks` if `order` needs them, else None.

    Raises:
        Unsupported: it needs them, but the task does not state the frequencies of its classes.
    """
    if order != "frequency":
        return None
    if task.class_objects is None:
        raise Unsupported("the task does not state the frequencies of its classes")
    return frequency_ranks(task.class_objects, device)


def frequency_ranks(
    class_objects: tuple[int, ...], device: torch.device
) -> Int[Tensor, " classes"]:
    """Return the rank of each class by its number of objects, 0 for the most frequent."""
    frequency = torch.tensor(class_objects, device=device)
    return frequency.argsort(descending=True, stable=True).argsort()


def distinct_orders(
    labels: Int[Tensor, "batch K"],
) -> tuple[Int[Tensor, "batch orders K"], Bool[Tensor, "batch orders"]]:
    """Return all K! orders of each row, and a mask that keeps each distinct order once.

    In a kept order, equal labels keep their relative order and the padding comes last.
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
    # Cached: a captured update must not copy from the host.
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
        case "fixed":
            return _hashed(batch.boxes)
        case _:
            return -(x1 - x0) * (y1 - y0)


def _hashed(boxes: Int[Tensor, "batch objects 4"]) -> Float[Tensor, "batch objects"]:
    """Return a pseudo-random key for each object, from its box and all boxes of its image."""
    x0, y0, x1, y1 = boxes.unbind(2)
    own = _mixed(x0 + (y0 << 16) + (x1 << 32) + (y1 << 48))
    # The sum does not depend on the order of the objects in the batch.
    return (_mixed(own + 3 * own.sum(1, keepdim=True)) & 0xFFFFFF).float()


def _mixed(x: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """Return SplitMix64's finaliser of int64 values, which wrap around."""
    x = (x ^ (x >> 30)) * (0xBF58476D1CE4E5B9 - 2**64)
    x = (x ^ (x >> 27)) * (0x94D049BB133111EB - 2**64)
    return x ^ (x >> 31)
