"""Metrics of attention: the paper's saliency metric (P§5) and hits of the objects' boxes.

Only steps at which a class is predicted count, not stop and later steps. Every metric has a chance
level: the expectation for the same number of glimpses at uniformly random cells of the same images.
That of the saliency also counts cells that an earlier step has glimpsed.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hsal_bench.method.contract import Trace

Scalar = Float[Tensor, ""]


@dataclass(frozen=True)
class AttentionSums:
    """Sums over glimpses and objects (float64 scalars on the trace's device); add those of batches.

    saliency, hits, class_hits and their chance levels are sums over the counted `glimpses`;
    covered and its chance level are sums over the true `objects`.
    """

    glimpses: Scalar
    saliency: Scalar
    saliency_chance: Scalar
    hits: Scalar
    hits_chance: Scalar
    class_hits: Scalar
    class_hits_chance: Scalar
    objects: Scalar
    covered: Scalar
    covered_chance: Scalar

    def __add__(self, other: AttentionSums) -> AttentionSums:
        names = [field.name for field in dataclasses.fields(self)]
        return AttentionSums(*(getattr(self, name) + getattr(other, name) for name in names))

    def means(self) -> dict[str, float]:
        """Return the metrics by name (defined in `scores.MEANINGS`).

        NaN without glimpses, and for coverage without objects.
        """
        return {
            "attn_saliency": float(self.saliency / self.glimpses),
            "attn_saliency_chance": float(self.saliency_chance / self.glimpses),
            "pointing_hit": float(self.hits / self.glimpses),
            "pointing_hit_chance": float(self.hits_chance / self.glimpses),
            "class_hit": float(self.class_hits / self.glimpses),
            "class_hit_chance": float(self.class_hits_chance / self.glimpses),
            "coverage": float(self.covered / self.objects),
            "coverage_chance": float(self.covered_chance / self.objects),
        }


def attention_sums(
    trace: Trace,
    boxes: Int[Tensor, "batch objects 4"],
    labels: Int[Tensor, "batch objects"],
    image_size: tuple[int, int],
    num_classes: int,
) -> AttentionSums:
    """Return the sums of a batch; all tensors are on one device.

    `boxes` (x0, y0, x1, y1 in pixels, half-open) and `labels` are the truth, padded with -1, and
    `image_size` is (height, width) in the same pixels. A glimpse hits a box if the centre of its
    cell lies in it.

    The saliency of a glimpse is the raw S at its cell, or zero if an earlier step has glimpsed the
    cell; its chance level is the mean of S over all cells, nothing zeroed. All glimpses have the
    same weight.
    """
    h, w = trace.saliency.shape[1:]
    live = (trace.labels >= 0) & (trace.labels < num_classes)
    cells = trace.glimpses.long().masked_fill(~live[:, :, None], 0)
    inside = cells_in_boxes(boxes, image_size, (h, w))
    own = (trace.labels[:, :, None] == labels[:, None, :]) & live[:, :, None]

    glimpsed = _glimpsed(cells, live, h * w)
    earlier = glimpsed.cumsum(1) - glimpsed.int() > 0
    S = trace.saliency.flatten(1).double()[:, None]
    any_box = inside.any(1).double()[:, None]
    own_box = (own.double() @ inside.double()).clamp(max=1)
    return AttentionSums(
        live.sum().double() * cells.shape[2],
        _at_glimpses(S.masked_fill(earlier, 0), cells, live),
        _at_random(S, cells, live),
        _at_glimpses(any_box, cells, live),
        _at_random(any_box, cells, live),
        _at_glimpses(own_box, cells, live),
        _at_random(own_box, cells, live),
        *_coverage(inside, glimpsed.any(1), labels >= 0, live.sum(1) * cells.shape[2]),
    )


def cells_in_boxes(
    boxes: Int[Tensor, "batch objects 4"], image_size: tuple[int, int], grid: tuple[int, int]
) -> Bool[Tensor, "batch objects cells"]:
    """Return for each box which cells of the grid (rows, columns) have their centre in it.

    Cells are numbered row * columns + column; the centre of (r, c) is
    ((c + .5) W / columns, (r + .5) H / rows). No cell lies in a padding box.
    """
    (height, width), (rows, columns) = image_size, grid
    y = (torch.arange(rows, device=boxes.device) + 0.5) * (height / rows)
    x = (torch.arange(columns, device=boxes.device) + 0.5) * (width / columns)
    x0, y0, x1, y1 = boxes[..., None].unbind(2)
    inside_y, inside_x = (y0 <= y) & (y < y1), (x0 <= x) & (x < x1)
    return (inside_y[..., :, None] & inside_x[..., None, :]).flatten(2)


def _glimpsed(
    cells: Int[Tensor, "batch steps k"], live: Bool[Tensor, "batch steps"], number: int
) -> Bool[Tensor, "batch steps cells"]:
    glimpsed = torch.zeros((*live.shape, number), dtype=torch.bool, device=live.device)
    return glimpsed.scatter(2, cells, live[:, :, None].expand_as(cells))


def _at_glimpses(
    maps: Float[Tensor, "batch #steps cells"],
    cells: Int[Tensor, "batch steps k"],
    live: Bool[Tensor, "batch steps"],
) -> Scalar:
    values = maps.expand(-1, cells.shape[1], -1).gather(2, cells)
    return (values * live[:, :, None]).sum()


def _at_random(
    maps: Float[Tensor, "batch #steps cells"],
    cells: Int[Tensor, "batch steps k"],
    live: Bool[Tensor, "batch steps"],
) -> Scalar:
    return (maps.mean(2) * live).sum() * cells.shape[2]


def _coverage(
    inside: Bool[Tensor, "batch objects cells"],
    glimpsed: Bool[Tensor, "batch cells"],
    real: Bool[Tensor, "batch objects"],
    n: Int[Tensor, " batch"],
) -> tuple[Scalar, Scalar, Scalar]:
    """Return the numbers of objects and of covered objects, and the latter's expectation.

    n uniform glimpses miss a box with a share a of the cells with probability (1 - a)^n.
    """
    covered = (inside & glimpsed[:, None]).any(2)
    chance = 1 - (1 - inside.double().mean(2)) ** n[:, None]
    return real.sum().double(), covered.sum().double(), (chance * real).sum()
