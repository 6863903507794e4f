"""Base classes of the methods on the plain decoder: network, termination, decoding."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from hsal_bench.method.contract import Batch, Prediction, Presets
from hsal_bench.method.gradient import GradientConfig, GradientMethod
from hsal_bench.metrics.multiset import counts_from_labels
from hsal_bench.options import option

from .decoder import Choose, Decoded, RecurrentDecoder
from .losses import bernoulli_stop
from .policy import greedy


@dataclass(frozen=True)
class SequenceConfig(GradientConfig):
    """Sizes of the plain decoder (not from a paper)."""

    hidden: int = option(512, "size of the GRU's state", at_least=1)
    embedding: int = option(64, "size of a label's embedding", at_least=1)


SMALL = {"hidden": 256}
"""The decoder's size with the preset quick."""


class SequenceMethod(GradientMethod):
    """Predicts labels one by one until a Bernoulli stop; subclasses define the loss.

    T = K_max + 1 steps, as in HSAL. The last step exists for the stop of an image with K_max
    objects, and no loss reads its class scores. At test time it can still predict a label, so a
    prediction has at most K_max + 1 objects.
    """

    Config: ClassVar[type] = SequenceConfig
    presets: ClassVar[Presets] = {"quick": SMALL}
    capturable: ClassVar[bool] = True
    any_cardinality: ClassVar[bool] = True
    network: nn.ModuleDict

    @property
    def T(self) -> int:  # noqa: N802 - as in the maths
        """Number of unrolled steps."""
        return self.task.max_objects + 1

    def build_network(self) -> nn.ModuleDict:
        """Return the decoder; a subclass may add modules."""
        task, config = self.task, self.config
        decoder = RecurrentDecoder(
            task.input_shape, task.num_classes, config.hidden, config.embedding
        )
        return nn.ModuleDict({"decoder": decoder})

    def unroll(
        self,
        batch: Batch,
        choose: Choose,
        sequences: int = 1,
        m: Int[Tensor, " batch"] | None = None,
    ) -> Decoded:
        """Return T steps of `sequences` sequences per image; with `m`, 0 after step m + 1."""
        decoded: Decoded = self.network["decoder"](batch.inputs, self.T, choose, sequences, m)
        return decoded

    def unroll_to_stop(self, batch: Batch, choose: Choose, sequences: int = 1) -> Decoded:
        """Return the steps of a training batch that losses read: m + 1 for an image with m labels.

        The host must read how many rows a step needs, so a captured update computes all.
        """
        m = None if self.captured else batch.truth()[0].sum(1)
        return self.unroll(batch, choose, sequences, m)

    def predict(self, batch: Batch, *, trace: bool = False) -> Prediction:
        """Decode greedily until the stop; the confidence is the probability of the decoded path."""
        self.network.eval()
        with torch.no_grad():
            decoded = self.unroll(batch, lambda t, scores: greedy(scores))
        stopped = (decoded.stop > 0).cumsum(1)
        kept, stops = stopped == 0, (stopped == 1) & (decoded.stop > 0)
        of_label = decoded.scores.log_softmax(-1).amax(-1) + functional.logsigmoid(-decoded.stop)
        log_p = of_label * kept + functional.logsigmoid(decoded.stop) * stops
        labels = decoded.y_hat.masked_fill(~kept, -1)
        return Prediction(counts_from_labels(labels, self.task.num_classes), log_p.sum(1).exp())


class ExecutedSequence(SequenceMethod):
    """One sequence per image: an `execution` of labels, and a `class_loss` along it."""

    def loss(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return the class loss and the stop loss of one sequence per image, and their sum."""
        counts, _ = batch.truth()
        decoded = self.unroll_to_stop(batch, self.execution(batch))
        class_loss = self.class_loss(decoded, batch).mean()
        stop_loss = bernoulli_stop(decoded.stop, counts.sum(1)).mean()
        return {"loss": class_loss + stop_loss, "class_loss": class_loss, "stop_loss": stop_loss}

    @abstractmethod
    def execution(self, batch: Batch) -> Choose:
        """Return the function that chooses the labels to feed back in training."""

    @abstractmethod
    def class_loss(self, decoded: Decoded, batch: Batch) -> Float[Tensor, " batch"]:
        """Return the loss of each image's class scores, summed over its steps."""


def teacher_forced(labels: Int[Tensor, "rows T"]) -> Choose:
    """Return the execution that feeds back given labels."""
    return lambda t, scores: labels[:, t]
