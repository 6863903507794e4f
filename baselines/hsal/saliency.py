"""The saliency map, its normalisation, its update, and the priority map (P§3, App. A)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

EPSILON = 1e-6


def saliency(V: Float[Tensor, "batch C h w"]) -> Float[Tensor, "batch cells"]:
    """Return the raw saliency map S = F(V) = sum over channels of V squared, >= 0 (P§3)."""
    return V.square().sum(1).flatten(1)


def min_max(x: Float[Tensor, "batch cells"]) -> Float[Tensor, "batch cells"]:
    """Return `x` rescaled to [0, 1] in each row; a constant row becomes zeros (App. A).

    The gradient flows through x, not through the minimum and the maximum.
    """
    low = x.detach().amin(1, keepdim=True)
    span = x.detach().amax(1, keepdim=True) - low
    return torch.where(span > EPSILON, (x - low) / span.clamp_min(EPSILON), 0.0)


def priority(
    M_t: Float[Tensor, "batch cells"], S_t: Float[Tensor, "batch cells"]
) -> Float[Tensor, "batch cells"]:
    """Return the priority map P_t = M_t * S_t, rescaled to [0, 1] (P§3 "Interface", App. A)."""
    return min_max(M_t * S_t)


def update(
    S_t: Float[Tensor, "batch cells"],
    M_t: Float[Tensor, "batch cells"],
    glimpses: Int[Tensor, "batch k"],
) -> Float[Tensor, "batch cells"]:
    """Return S_{t+1}: 0 at the glimpsed cells, max(S_t - M_t, 0) elsewhere (P§3 "Update").

    No gradient flows through the recursion.
    """
    suppressed = (S_t - M_t.detach()).clamp_min(0.0)
    return suppressed.scatter(1, glimpses, 0.0)
