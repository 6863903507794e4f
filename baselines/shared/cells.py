"""The volume as a row of cells that know where they lie: what queries and slots attend to."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Cells(nn.Module):
    """Each cell of V projected to `width`, plus a learned code of its place, normalised."""

    def __init__(self, input_shape: tuple[int, int, int], width: int) -> None:
        super().__init__()
        C, h, w = input_shape
        self.project = nn.Linear(C, width)
        self.places = nn.Parameter(0.1 * torch.randn(h * w, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, V: Float[Tensor, "batch C h w"]) -> Float[Tensor, "batch cells width"]:
        """Return the cells, row by row of the volume."""
        return self.norm(self.project(V.flatten(2).transpose(1, 2)) + self.places)
