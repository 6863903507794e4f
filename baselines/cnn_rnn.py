"""CNN-RNN: cross-entropy on the labels in a chosen order, on the plain decoder (arXiv 1604.04573).

The field's usual approach to multisets: turn them into sequences. `order` selects how;
`teacher_forcing` selects whether the true or the sampled label is fed back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from hsal_bench.baselines.shared.decoder import Choose, Decoded
from hsal_bench.baselines.shared.orders import Order, class_ranks, ordered_labels
from hsal_bench.baselines.shared.policy import sample
from hsal_bench.baselines.shared.sequence import (
    SMALL,
    ExecutedSequence,
    SequenceConfig,
    teacher_forced,
)
from hsal_bench.method.contract import Batch, Presets, Setup, Task
from hsal_bench.options import option

from .shared import losses


@dataclass(frozen=True)
class CnnRnnConfig(SequenceConfig):
    """The order of the labels, and the label that is fed back."""

    order: Order = option("frequency", "order in which the labels are predicted")
    teacher_forcing: bool = option(True, "feed back true labels, not the model's samples")


class CnnRnn(ExecutedSequence):
    """Cross-entropy on labels in a fixed or random order."""

    Config: ClassVar[type] = CnnRnnConfig
    presets: ClassVar[Presets] = {"quick": {**SMALL, "weight_decay": 0.01}}

    def __init__(self, task: Task, config: Any, setup: Setup) -> None:
        self.ranks = class_ranks(config.order, task, setup.device)
        super().__init__(task, config, setup)

    def execution(self, batch: Batch) -> Choose:
        """Feed back the labels in their order, or samples."""
        if self.config.teacher_forcing:
            return teacher_forced(self._targets(batch))
        draw = partial(sample, generator=self.generator)
        return lambda t, scores: draw(scores)

    def class_loss(self, decoded: Decoded, batch: Batch) -> Float[Tensor, " batch"]:
        """Return -sum over t <= m of log p(label t of the order)."""
        counts, _ = batch.truth()
        counted = losses.class_steps(counts.sum(1), self.T)
        log_p = decoded.scores.log_softmax(-1)
        return (losses.cross_entropy(log_p, self._targets(batch)) * counted).sum(1)

    def _targets(self, batch: Batch) -> Int[Tensor, "batch T"]:
        """Return the labels of T steps; steps after the last label are class 0 and do not count."""
        labels = ordered_labels(batch, self.config.order, self.ranks)
        return nn.functional.pad(labels, (0, 1), value=-1).clamp_min(0)
