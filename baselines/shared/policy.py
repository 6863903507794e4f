"""Choosing actions by scores, and scaling advantages."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

MEMORY = 0.99
SMALLEST = 1e-3


def greedy(scores: Float[Tensor, "*rows choices"]) -> Int[Tensor, "*rows"]:
    """Return the best choice of each row."""
    return scores.argmax(-1)


def sample(
    scores: Float[Tensor, "*rows choices"], generator: torch.Generator
) -> Int[Tensor, "*rows"]:
    """Return a sample of softmax(scores) for each row, by the Gumbel trick."""
    uniform = torch.rand(scores.shape, generator=generator, device=scores.device)
    noise = -torch.log(-torch.log(uniform.clamp_min(1e-20)))
    return (scores.detach() + noise).argmax(-1)


class RunningScale(nn.Module):
    """Divides advantages by their running root mean square (not from the paper)."""

    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(()))

    def forward(
        self, advantage: Float[Tensor, "*steps"], counted: Bool[Tensor, "*steps"]
    ) -> Float[Tensor, "*steps"]:
        """Update the running scale with the advantages that count, and return all scaled."""
        advantage = advantage.detach()
        square = (advantage.square() * counted).sum() / counted.sum().clamp_min(1)
        self.scale.mul_(MEMORY).add_(square.sqrt(), alpha=1.0 - MEMORY)
        return advantage / self.scale.clamp_min(SMALLEST)
