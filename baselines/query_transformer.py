"""query-transformer: learned queries attend to the volume and each other and predict a class.

The decoder of DETR (arXiv 2005.12872) without encoder, boxes and auxiliary losses. Its layers
normalise first (pre-norm), which needs no learning-rate warm-up. A query may predict "no object".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hsal_bench.baselines.shared.layers import Cells
from hsal_bench.baselines.shared.set_matching import MatchingConfig, SetMatching
from hsal_bench.errors import UsageError
from hsal_bench.method.contract import Batch, Presets
from hsal_bench.options import option


@dataclass(frozen=True)
class QueryTransformerConfig(MatchingConfig):
    """Sizes of the decoder (DETR's are 256, 8 heads and 6 layers)."""

    hidden: int = option(256, "width of queries and cells", at_least=1)
    heads: int = option(8, "attention heads; must divide hidden", at_least=1)
    layers: int = option(2, "decoder layers", at_least=1)

    def __post_init__(self) -> None:
        if self.hidden % self.heads:
            raise UsageError(
                f"hidden={self.hidden} is not a multiple of heads={self.heads}: change one of them"
            )


class QueryDecoder(nn.Module):
    """Layers of self-attention among the queries, attention over the cells, and an MLP."""

    def __init__(
        self, input_shape: tuple[int, int, int], num_classes: int, config: QueryTransformerConfig
    ) -> None:
        super().__init__()
        hidden = config.hidden
        self.cells = Cells(input_shape, hidden)
        # Different from the start: equal queries would stay equal and give equal predictions.
        self.queries = nn.Parameter(torch.randn(config.queries, hidden))
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(
                hidden, config.heads, 4 * hidden, dropout=0.0, batch_first=True, norm_first=True
            )
            for _ in range(config.layers)
        )
        self.classify = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, num_classes + 1))

    def forward(self, V: Float[Tensor, "batch C h w"]) -> Float[Tensor, "batch queries choices"]:
        """Return the logits of each query."""
        cells, state = self.cells(V), self.queries.expand(len(V), -1, -1)
        for layer in self.layers:
            state = layer(state, cells)
        return self.classify(state)


class QueryTransformer(SetMatching):
    """A transformer decoder over learned queries, trained by matching (after DETR)."""

    Config: ClassVar[type] = QueryTransformerConfig
    presets: ClassVar[Presets] = {"quick": {"hidden": 64, "heads": 4, "learning_rate": 3e-3}}

    def build_network(self) -> nn.Module:
        """Return the decoder."""
        return QueryDecoder(self.task.input_shape, self.task.num_classes, self.config)

    def scores(self, batch: Batch) -> Float[Tensor, "batch queries choices"]:
        """Return the queries' logits."""
        return self.network(batch.inputs)
