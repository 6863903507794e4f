"""The rows that each step of an unrolling computes.

The losses of a sequential method read m + 1 steps of an image with m labels: steps after the last
label and the stop do not matter. With the images sorted by m, each step needs the first rows of the
previous step. The host must read how many, so an update captured as a CUDA graph computes every row
at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True)
class RowPlan:
    """Rows = images x copies, adjacent per image; step t computes the first `images[t]` images.

    copies: sequences per image. order: indices of the rows in the batch, those with most steps
    first; None if the batch keeps its order and every step computes every row.
    """

    images: tuple[int, ...]
    copies: int
    order: Int[Tensor, " rows"] | None = None

    def sort_images(self, x: Tensor) -> Tensor:
        """Return `x` [batch, ...] in the order of the plan."""
        return x if self.order is None else x[self.order[:: self.copies] // self.copies]

    def keep(self, x: Tensor, t: int) -> Tensor:
        """Return the rows of `x` that step t computes; x has the rows of the previous step."""
        rows = self.images[t] * self.copies
        return x if len(x) == rows else x[:rows]

    def choose(self, choose: Callable[[Tensor], Tensor], scores: Tensor) -> Tensor:
        """Return the choices by `choose` for the scores of a step's rows.

        `choose` sees all rows in batch order, so its samples do not depend on the plan. Scores of
        skipped rows are 0.
        """
        if self.order is None:
            return choose(scores)
        rows = self.order[: len(scores)]
        full = scores.new_zeros(len(self.order), scores.shape[1])
        return choose(full.index_copy_(0, rows, scores.detach()))[rows]

    def pick(self, x: Tensor, rows: int) -> Tensor:
        """Return the first `rows` rows of the plan of `x` [rows, ...], given in batch order."""
        return x if self.order is None else x[self.order[:rows]]

    def stack(self, steps: Sequence[Tensor]) -> Tensor:
        """Return the steps' rows as one [rows, T, ...] in batch order, 0 where skipped."""
        if self.order is None:
            return torch.stack(list(steps), 1)
        T, rows = len(steps), len(self.order)
        places = torch.cat([self.order[: len(step)] * T + t for t, step in enumerate(steps)])
        blank = steps[0].new_zeros(rows * T, *steps[0].shape[1:])
        return blank.index_copy(0, places, torch.cat(list(steps))).unflatten(0, (rows, T))


def row_plan(batch: int, T: int, copies: int, m: Int[Tensor, " batch"] | None) -> RowPlan:
    """Return the plan for T steps of images with m labels, m < T: m + 1 steps of each.

    Without `m` every step computes every row, and no tensor value is read.
    """
    if m is None:
        return RowPlan((batch,) * T, copies)
    later = (m[:, None] >= torch.arange(1, T, device=m.device)).sum(0).tolist()
    first = m.argsort(descending=True, stable=True)[:, None] * copies
    order = (first + torch.arange(copies, device=m.device)).flatten()
    return RowPlan((batch, *later), copies, order)


def spread(x: Tensor, copies: int) -> Tensor:
    """Return each row `copies` times in succession."""
    return x if copies == 1 else x.repeat_interleave(copies, 0)


def by_image(x: Tensor, images: int) -> Tensor:
    """Return `x` [rows, n] as [images, rows of an image, n]."""
    return x.reshape(images, len(x) // max(images, 1), x.shape[1])
