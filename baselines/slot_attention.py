"""slot-attention: slots compete for the cells of the volume; each predicts a class or none.

Locatello et al. 2020 (arXiv 2006.15055, Algorithm 1), with the frozen volume in place of their
convolutional encoder. The labels are matched to the slots.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hsal_bench.baselines.shared.layers import Cells
from hsal_bench.baselines.shared.set_matching import MatchingConfig, SetMatching
from hsal_bench.method.contract import Batch, Presets
from hsal_bench.options import option

EPSILON = 1e-8


@dataclass(frozen=True)
class SlotAttentionConfig(MatchingConfig):
    """Sizes, and the start of the slots."""

    hidden: int = option(256, "width of slots and cells", at_least=1)
    iterations: int = option(3, "rounds of attention", at_least=1)
    sampled_slots: bool = option(
        False, "start slots from samples of one learned Gaussian, not from a learned value each"
    )


class LearnedStart(nn.Module):
    """Each slot starts from its own learned values, the same for every image."""

    def __init__(self, slots: int, d: int) -> None:
        super().__init__()
        self.slots = nn.Parameter(torch.randn(slots, d))

    def forward(
        self, batch: int, generator: torch.Generator | None
    ) -> Float[Tensor, "batch slots d"]:
        """Return the start of the slots of `batch` images."""
        return self.slots.expand(batch, -1, -1)


class SampledStart(nn.Module):
    """Slots start from samples of one learned Gaussian, as in the paper.

    Without a generator the samples are the same for every image and call: a prediction must not
    change when it is repeated or batched with other images.
    """

    noise: Tensor

    def __init__(self, slots: int, d: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.randn(d) / d**0.5)
        self.log_scale = nn.Parameter(torch.zeros(d))
        self.register_buffer("noise", torch.randn(slots, d))

    def forward(
        self, batch: int, generator: torch.Generator | None
    ) -> Float[Tensor, "batch slots d"]:
        """Return the start of the slots of `batch` images, sampled from the generator if given."""
        noise = self.noise.expand(batch, -1, -1)
        if generator is not None:
            noise = torch.randn(noise.shape, generator=generator, device=noise.device)
        return self.mean + self.log_scale.exp() * noise


class SlotNetwork(nn.Module):
    """Cells and slots, which attend to them iteratively."""

    def __init__(
        self, input_shape: tuple[int, int, int], num_classes: int, config: SlotAttentionConfig
    ) -> None:
        super().__init__()
        d = config.hidden
        self.iterations = config.iterations
        self.start = (SampledStart if config.sampled_slots else LearnedStart)(config.queries, d)
        self.cells = nn.Sequential(
            Cells(input_shape, d), nn.Linear(d, d), nn.ReLU(), nn.Linear(d, d), nn.LayerNorm(d)
        )
        self.key, self.value = nn.Linear(d, d, bias=False), nn.Linear(d, d, bias=False)
        self.query = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, d, bias=False))
        self.gru = nn.GRUCell(d, d)
        self.mlp = nn.Sequential(
            nn.LayerNorm(d), nn.Linear(d, 2 * d), nn.ReLU(), nn.Linear(2 * d, d)
        )
        self.classify = nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, num_classes + 1))

    def forward(
        self, V: Float[Tensor, "batch C h w"], generator: torch.Generator | None
    ) -> tuple[Float[Tensor, "batch slots choices"], Float[Tensor, "batch slots cells"]]:
        """Return the slots' logits and their shares of the cells in the last round.

        A cell's shares sum to 1 over the slots.
        """
        cells, slots = self.cells(V), self.start(len(V), generator)
        keys, values = self.key(cells).transpose(1, 2), self.value(cells)
        for _ in range(self.iterations):
            scores = self.query(slots) @ keys / keys.shape[1] ** 0.5
            shares = scores.softmax(1)
            weights = shares + EPSILON
            updates = weights / weights.sum(2, keepdim=True) @ values
            slots = self.gru(updates.flatten(0, 1), slots.flatten(0, 1)).view(slots.shape)
            slots = slots + self.mlp(slots)
        return self.classify(slots), shares


class SlotAttention(SetMatching):
    """Slots that compete for the cells by attention, trained by matching."""

    Config: ClassVar[type] = SlotAttentionConfig
    presets: ClassVar[Presets] = {"quick": {"hidden": 64, "learning_rate": 3e-3}}

    def build_network(self) -> nn.Module:
        """Return the slots' network."""
        return SlotNetwork(self.task.input_shape, self.task.num_classes, self.config)

    def scores(self, batch: Batch) -> Float[Tensor, "batch slots choices"]:
        """Return the slots' logits."""
        generator = self.generator if self.network.training else None
        scores, _ = self.network(batch.inputs, generator)
        return scores
