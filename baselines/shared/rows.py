"""The rows that each step of an unrolling computes.

The losses of a sequential method read m + 1 steps of an image with m labels: what a decoder does
after its last label and the stop changes nothing. With the images sorted by m, the rows that a step
needs are the first ones of the step before. How many they are is a number that the host reads, so
an update captured as a CUDA graph computes every row at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True)
class RowPlan:
    """Rows = images x copies, those of an image together; step t computes the first `images[t]`.

    copies: sequences per image. order: the rows' numbers in the batch, those with most steps
    first; None where the batch keeps its order and every step computes every row.
    """

    images: tuple[int, ...]
    copies: int
    order: Int[Tensor, " rows"] | None = None

    def sort_images(self, x: Tensor) -> Tensor:
        """Return `x` [batch, ...] in the order of the plan."""
        return x if self.order is None else x[self.order[:: self.copies] // self.copies]

    def keep(self, x: Tensor, t: int) -> Tensor:
        """Return the rows of `x` that step t computes; x has the rows of the step before."""
        rows = self.images[t] * self.copies
        return x if len(x) == rows else x[:rows]

    def choose(self, choose: Callable[[Tensor], Tensor], scores: Tensor) -> Tensor:
        """Return what `choose` makes of the scores of a step's rows.

        It sees all rows in the batch's own order, so what it draws does not depend on the plan.
        The scores of rows that are left out are 0.
        """
        if self.order is None:
            return choose(scores)
        rows = self.order[: len(scores)]
        whole = scores.new_zeros(len(self.order), scores.shape[1])
        return choose(whole.index_copy_(0, rows, scores.detach()))[rows]

    def pick(self, x: Tensor, rows: int) -> Tensor:
        """Return the first `rows` rows of the plan of `x` [rows, ...], given in batch order."""
        return x if self.order is None else x[self.order[:rows]]

    def stack(self, steps: Sequence[Tensor]) -> Tensor:
        """Return the steps' rows as one [rows, T, ...] in the batch's order, 0 where left out."""
        if self.order is None:
            return torch.stack(list(steps), 1)
        T, rows = len(steps), len(self.order)
        places = torch.cat([self.order[: len(step)] * T + t for t, step in enumerate(steps)])
        blank = steps[0].new_zeros(rows * T, *steps[0].shape[1:])
        return blank.index_copy(0, places, torch.cat(list(steps))).unflatten(0, (rows, T))


def row_plan(batch: int, T: int, copies: int, m: Int[Tensor, " batch"] | None) -> RowPlan:
    """Return the plan for T steps of images with m labels, m < T: m + 1 steps of each.

    Without `m` every step computes every row, and no value is looked at.
    """
    if m is None:
        return RowPlan((batch,) * T, copies)
    later = (m[:, None] >= torch.arange(1, T, device=m.device)).sum(0).tolist()
    first = m.argsort(descending=True, stable=True)[:, None] * copies
    order = (first + torch.arange(copies, device=m.device)).flatten()
    return RowPlan((batch, *later), copies, order)


def spread(x: Tensor, copies: int) -> Tensor:
    """Return each row `copies` times, one after the other."""
    return x if copies == 1 else x.repeat_interleave(copies, 0)


def by_image(x: Tensor, images: int) -> Tensor:
    """Return `x` [rows, n] as [images, rows of an image, n]."""
    return x.reshape(images, len(x) // max(images, 1), x.shape[1])
