"""Layers on the activation volume that several methods share."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Cells(nn.Module):
    """Cells of V as a sequence: projected to `width`, plus a learned position code, normalised."""

    def __init__(self, input_shape: tuple[int, int, int], width: int) -> None:
        super().__init__()
        C, h, w = input_shape
        self.project = nn.Linear(C, width)
        self.places = nn.Parameter(0.1 * torch.randn(h * w, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, V: Float[Tensor, "batch C h w"]) -> Float[Tensor, "batch cells width"]:
        """Return the cells, row by row of the volume."""
        return self.norm(self.project(V.flatten(2).transpose(1, 2)) + self.places)


def pooled_head(channels: int, hidden: int, outputs: int) -> nn.Sequential:
    """Return a network that averages V over its cells and applies one or two linear layers.

    V is [batch, channels, h, w], the output [batch, outputs]. hidden: units between the two layers;
    0: a single layer.
    """
    pool: list[nn.Module] = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if hidden:
        pool += [nn.Linear(channels, hidden), nn.ReLU()]
    return nn.Sequential(*pool, nn.Linear(hidden or channels, outputs))
