"""The head on the pooled volume: the network of the methods without attention and without order."""

from __future__ import annotations

from torch import nn


def pooled_head(channels: int, hidden: int, outputs: int) -> nn.Sequential:
    """Return what takes the mean of V over its cells, then a linear layer, or two of them.

    V is [batch, channels, h, w], what comes out [batch, outputs]. hidden: units between the two
    layers; 0: there is one layer.
    """
    pool: list[nn.Module] = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if hidden:
        pool += [nn.Linear(channels, hidden), nn.ReLU()]
    return nn.Sequential(*pool, nn.Linear(hidden or channels, outputs))
