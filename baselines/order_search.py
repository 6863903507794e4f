"""Order search: training on the order of the labels that suits the decoder best.

aligned: predicted label alignment (arXiv 1911.09996). The decoder's own labels are fed back. Those
that are still available keep their steps; the other labels are assigned to the other steps at the
least loss. best and marginal: every distinct order is tried by teacher forcing, and the loss is
that of the best, min over pi of -log p(pi), or -log sum p(pi) (set probability, arXiv 1904.05829).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from hsal_bench.baselines.shared.assignment import assign, on_host
from hsal_bench.baselines.shared.decoder import Decoded
from hsal_bench.baselines.shared.orders import distinct_orders
from hsal_bench.baselines.shared.policy import greedy
from hsal_bench.baselines.shared.sequence import (
    SMALL,
    SequenceConfig,
    SequenceMethod,
    teacher_forced,
)
from hsal_bench.method.contract import Batch, Presets, Setup, Task, Unsupported
from hsal_bench.options import option

from .shared import losses

Search = Literal["aligned", "best", "marginal"]
MOST_EXACT = 5
"""Most objects whose orders are all tried in training: 5! = 120 sequences per image."""


@dataclass(frozen=True)
class OrderSearchConfig(SequenceConfig):
    """How the order is searched."""

    search: Search = option("aligned", "aligned to the predictions; best or marginal of all orders")


class OrderSearch(SequenceMethod):
    """Cross-entropy on an order that is searched during training."""

    Config: ClassVar[type] = OrderSearchConfig
    presets: ClassVar[Presets] = {"quick": {**SMALL, "learning_rate": 3e-3, "weight_decay": 0.01}}

    def __init__(self, task: Task, config: Any, setup: Setup) -> None:
        if config.search == "aligned" and on_host(task.max_objects):
            self.capturable = False  # type: ignore[misc]
        super().__init__(task, config, setup)

    def loss(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return the loss of the best order or orders.

        Raises:
            Unsupported: the task has too many objects to try every order.
        """
        return self._aligned(batch) if self.config.search == "aligned" else self._exact(batch)

    def _aligned(self, batch: Batch) -> Mapping[str, Tensor]:
        counts, labels = batch.truth()
        decoded = self.unroll_to_stop(batch, lambda t, scores: greedy(scores))
        log_p = decoded.scores[:, :-1].log_softmax(-1)
        hit = losses.sequence_reward(counts, decoded.y_hat)[:, :-1] > 0
        step = assign(alignment_cost(log_p.detach(), labels, decoded.y_hat[:, :-1], hit))
        of_label = log_p.gather(1, step[:, :, None].expand(-1, -1, log_p.shape[2]))
        per_label = losses.cross_entropy(of_label, labels.clamp_min(0))
        class_loss = losses.masked_sum(per_label, labels >= 0)
        stop_loss = losses.bernoulli_stop(decoded.stop, counts.sum(1)).mean()
        return {"loss": class_loss + stop_loss, "class_loss": class_loss, "stop_loss": stop_loss}

    def _exact(self, batch: Batch) -> Mapping[str, Tensor]:
        search, most = self.config.search, self.task.max_objects
        if most > MOST_EXACT:
            # Not checked when built: a method trained on fewer objects can predict on this task.
            raise Unsupported(
                f"search={search} tries every order of up to {MOST_EXACT} objects; the task has "
                f"{most}: use --set search=aligned"
            )
        _, labels = batch.truth()
        ordered, distinct = distinct_orders(labels)
        feed = functional.pad(ordered, (0, 1), value=-1).clamp_min(0).flatten(0, 1)
        decoded = self.unroll_to_stop(batch, teacher_forced(feed), ordered.shape[1])
        log_p = self._order_log_p(decoded, ordered.flatten(0, 1)).view_as(distinct)
        log_p = log_p.masked_fill(~distinct, -torch.inf)
        log_likelihood = log_p.logsumexp(1) if search == "marginal" else log_p.amax(1)
        return {"loss": -log_likelihood.mean()}

    def _order_log_p(self, decoded: Decoded, ordered: Tensor) -> Float[Tensor, " rows"]:
        """Return log p(order), including the stop."""
        real = functional.pad(ordered, (0, 1), value=-1) >= 0
        target = functional.pad(ordered, (0, 1)).clamp_min(0)
        per_step = losses.cross_entropy(decoded.scores.log_softmax(-1), target)
        return -(per_step * real).sum(1) - losses.bernoulli_stop(decoded.stop, real.sum(1))


def alignment_cost(
    log_p: Float[Tensor, "batch K classes"],
    labels: Int[Tensor, "batch K"],
    y_hat: Int[Tensor, "batch K"],
    hit: Bool[Tensor, "batch K"],
) -> Float[Tensor, "batch K K"]:
    """Return the cost of assigning each label (row) to each step (column).

    The cost is -log p of the label. It is much lower where the step predicted the label while it
    was available, so these pairs are kept, and much higher at steps after the last label. Padding
    costs nothing, so it takes the remaining steps.
    """
    K, m = labels.shape[1], (labels >= 0).sum(1)
    cost = -log_p.transpose(1, 2).gather(1, labels.clamp_min(0)[:, :, None].expand(-1, -1, K))
    # Just above the cost of a complete assignment: float32 must still resolve smaller costs.
    far = 1.0 + cost.amax((1, 2), keepdim=True) * K
    counted = losses.class_steps(m, K)
    predicted = (hit & counted)[:, None, :] & (labels[:, :, None] == y_hat[:, None, :])
    cost = cost - far * predicted + far * ~counted[:, None, :]
    return cost.masked_fill((labels < 0)[:, :, None], 0.0)
