"""The multiset loss (arXiv 1711.05246): the policy imitates an oracle of the remaining labels.

The oracle pi* distributes its probability over the labels still available, n_t(c) of each class;
the loss of a step is the cross-entropy to it. An executed label is removed if it is available.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsal_bench.baselines.shared.decoder import Choose, Decoded
from hsal_bench.baselines.shared.policy import greedy, sample
from hsal_bench.baselines.shared.sequence import SMALL, ExecutedSequence, SequenceConfig
from hsal_bench.method.contract import Batch, Presets
from hsal_bench.metrics.multiset import available
from hsal_bench.options import option

from .shared import losses

Execution = Literal["greedy", "stochastic", "oracle"]


@dataclass(frozen=True)
class MultisetLossConfig(SequenceConfig):
    """Which labels are executed in training."""

    execution: Execution = option(
        "greedy", "greedy or stochastic: the policy's best label or its sample; oracle: pi*'s"
    )


class MultisetLoss(ExecutedSequence):
    """Cross-entropy to the labels still available, for any execution."""

    Config: ClassVar[type] = MultisetLossConfig
    presets: ClassVar[Presets] = {"quick": {**SMALL, "learning_rate": 3e-3}}
    per_step = staticmethod(losses.multiset_loss)

    def execution(self, batch: Batch) -> Choose:
        """Execute the policy's best labels, its samples, or the oracle's."""
        if self.config.execution == "greedy":
            return lambda t, scores: greedy(scores)
        if self.config.execution == "stochastic":
            return lambda t, scores: sample(scores, self.generator)
        counts, _ = batch.truth()
        return Oracle(counts, self.generator)

    def class_loss(self, decoded: Decoded, batch: Batch) -> Float[Tensor, " batch"]:
        """Return the sum over t <= m of each step's loss given the labels available there.

        The paper divides by abs(Y); here each label has the same weight, as in every sequential
        method.
        """
        counts, _ = batch.truth()
        counted = losses.class_steps(counts.sum(1), self.T)
        A_t = available(counts, decoded.y_hat)
        return (self.per_step(decoded.scores.log_softmax(-1), A_t) * counted).sum(1)


class Oracle:
    """Executes the remaining labels uniformly at random; then any class."""

    def __init__(self, counts: Int[Tensor, "batch classes"], generator: torch.Generator) -> None:
        self.left, self.generator = counts, generator

    def __call__(self, t: int, scores: Float[Tensor, "batch classes"]) -> Int[Tensor, " batch"]:
        """Return one of the remaining labels and remove it."""
        y = sample(self.left.to(scores.dtype).clamp_min(1e-9).log(), self.generator)
        self.left = (self.left - torch.nn.functional.one_hot(y, self.left.shape[1])).clamp_min(0)
        return y
