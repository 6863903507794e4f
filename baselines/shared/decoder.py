"""The plain recurrent decoder: a GRU that attends to V, predicts a class, and may stop.

All sequential methods except HSAL use it and choose their own loss and the label that is fed back.
The architecture is not from a paper: soft dot-product attention over the cells, as in image
captioning, and a separate Bernoulli stop before each label (arXiv 1711.05246).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from .recurrence import hidden_map, next_state
from .rows import by_image, row_plan, spread

Choose = Callable[[int, Tensor], Tensor]
"""(step t from 0, class scores [rows, classes]) -> the labels to execute and feed back [rows]."""


@dataclass(frozen=True)
class Decoded:
    """Scores and fed-back labels of T steps. stop: logits of stopping before the step's label.

    h: the states from which the scores are computed. y_hat: in 0..num_classes-1.
    """

    scores: Float[Tensor, "rows T classes"]
    stop: Float[Tensor, "rows T"]
    h: Float[Tensor, "rows T hidden"]
    y_hat: Int[Tensor, "rows T"]


@dataclass(frozen=True)
class LabelMaps:
    """Contributions of each label to the query and the GRU's gates, and the map of the context.

    They are computed once for every label; each step looks its labels up.
    """

    query: Float[Tensor, "labels hidden"]
    gates: Float[Tensor, "labels gates"]
    context: Float[Tensor, "C gates"]
    h: Float[Tensor, "hidden hidden"]


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
        self,
        V: Float[Tensor, "batch C h w"],
        T: int,
        choose: Choose,
        sequences: int = 1,
        m: Int[Tensor, " batch"] | None = None,
    ) -> Decoded:
        """Unroll T steps of `sequences` sequences per image: rows = batch x sequences.

        The rows of an image are adjacent, as `repeat_interleave` orders them. m: numbers of labels
        of the images; steps after m + 1 are skipped, and scores, h and y_hat are 0 there.
        """
        plan, maps = row_plan(len(V), T, sequences, m), self._label_maps()
        V = plan.sort_images(V.flatten(2).transpose(1, 2))
        # The sequences of an image are equal until their first label: one row represents them.
        h = self.start(V.mean(1)).tanh()
        # Before the first label, num_classes is fed, which is no class.
        y = torch.full((len(h),), self.num_classes, device=V.device)
        steps = []
        for t in range(T):
            if t > 0:
                h, y = plan.keep(h, t), plan.keep(y, t)
            h = self._step(V[: plan.images[t]], maps, y, h)
            if t == 0:
                h = spread(h, sequences)
            scores = self.classify(h)
            y = plan.choose(partial(choose, t), scores)
            steps.append((scores, h, y))
        scores, h, y_hat = (plan.stack(parts) for parts in zip(*steps, strict=True))
        return Decoded(scores, self.stop(h).squeeze(2), h, y_hat)

    def _label_maps(self) -> LabelMaps:
        embedding, hidden = self.embed.embedding_dim, self.gru.hidden_size
        of_h, of_label = self.query.weight.split([hidden, embedding], 1)
        to_gates, context = self.gru.weight_ih.t().split([embedding, self.key.in_features])
        labels = self.embed.weight
        return LabelMaps(
            functional.linear(labels, of_label, self.query.bias),
            torch.addmm(self.gru.bias_ih, labels, to_gates),
            context,
            of_h.t(),
        )

    def _step(
        self,
        V: Float[Tensor, "images cells C"],
        maps: LabelMaps,
        y: Int[Tensor, " rows"],
        h: Float[Tensor, "rows hidden"],
    ) -> Float[Tensor, "rows hidden"]:
        """Return the next state."""
        query = torch.addmm(functional.embedding(y, maps.query), h, maps.h) / h.shape[1] ** 0.5
        # q . (K v + b + p) = (K^T q) . v + q . (b + p): a few queries cost less than all keys.
        at_cells = query @ (self.key.bias + self.place).t()
        at_cells, to_V = (by_image(x, len(V)) for x in (at_cells, query @ self.key.weight))
        attention = torch.baddbmm(at_cells, to_V, V.transpose(1, 2)).softmax(2)
        context = torch.bmm(attention, V).flatten(0, 1)
        x = torch.addmm(functional.embedding(y, maps.gates), context, maps.context)
        return next_state(x, hidden_map(self.gru, h), h)
