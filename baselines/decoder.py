"""The plain recurrent decoder: one GRU that looks at V by attention, names a class, and may stop.

The network of every sequential method but HSAL. What they are trained on, and which label is fed
back, are theirs. Its shape is not from a paper: soft dot-product attention over the cells, as in
image captioning, and a Bernoulli stop of its own before each label (arXiv 1711.05246).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

Choose = Callable[[int, Tensor], Tensor]
"""(step t from 0, class scores [rows, classes]) -> the labels to execute and feed back [rows]."""


@dataclass(frozen=True)
class Decoded:
    """What T steps scored and fed back. `stop`: logits of stopping before the step's label.

    h: the states that the scores were read from. y_hat: in 0..num_classes-1.
    """

    scores: Float[Tensor, "rows T classes"]
    stop: Float[Tensor, "rows T"]
    h: Float[Tensor, "rows T hidden"]
    y_hat: Int[Tensor, "rows T"]


class RecurrentDecoder(nn.Module):
    """x_t = [y_{t-1}, context of h_{t-1} and y_{t-1}] -> GRU -> class scores and a stop."""

    def __init__(
        self, input_shape: tuple[int, int, int], num_classes: int, hidden: int, embedding: int
    ) -> None:
        super().__init__()
        C, h, w = input_shape
        self.num_classes = num_classes
        self.key = nn.Linear(C, hidden)
        self.place = nn.Parameter(0.1 * torch.randn(h * w, hidden))
        self.query = nn.Linear(hidden + embedding, hidden)
        self.start = nn.Linear(C, hidden)
        self.embed = nn.Embedding(num_classes + 1, embedding)
        self.gru = nn.GRUCell(embedding + C, hidden)
        self.classify = nn.Linear(hidden, num_classes)
        self.stop = nn.Linear(hidden, 1)

    def forward(
        self, V: Float[Tensor, "batch C h w"], T: int, choose: Choose, sequences: int = 1
    ) -> Decoded:
        """Unroll T steps of `sequences` sequences per image: rows = batch x sequences.

        The rows of an image lie together, as `repeat_interleave` puts them.
        """
        V = V.flatten(2).transpose(1, 2)
        keys = (self.key(V) + self.place).transpose(1, 2)
        h = self.start(V.mean(1)).tanh().repeat_interleave(sequences, 0)
        # Before the first label the number num_classes, that of no class, is fed.
        y = torch.full((len(h),), self.num_classes, device=V.device)
        steps = []
        for t in range(T):
            h = self._step(V, keys, y, h)
            scores = self.classify(h)
            y = choose(t, scores)
            steps.append((scores, self.stop(h).squeeze(1), h, y))
        return Decoded(*(torch.stack(part, 1) for part in zip(*steps, strict=True)))

    def _step(self, V: Tensor, keys: Tensor, y: Tensor, h: Tensor) -> Tensor:
        """Return the next state; V is [batch, cells, C], keys [batch, hidden, cells]."""
        embedded = self.embed(y)
        query = self.query(torch.cat([h, embedded], 1)).unflatten(0, (len(V), -1))
        attention = (query @ keys / query.shape[2] ** 0.5).softmax(2)
        context = (attention @ V).flatten(0, 1)
        return self.gru(torch.cat([embedded, context], 1), h)
