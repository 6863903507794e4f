"""Matching the distribution of a multiset's labels (arXiv 1711.05246 §3.1).

Q is the share of each class in the truth, counts / abs(Y). The sequential form brings the mean of
the steps' distributions near Q; the one-step form predicts Q and abs(Y) at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from hsal_bench.gradient import GradientConfig, GradientMethod
from hsal_bench.method import Batch, Prediction
from hsal_bench.options import option

from . import sequence_losses as losses
from .decoder import Choose, Decoded
from .policy import greedy
from .sequence import ExecutedSequence, SequenceConfig

Distance = Literal["kl", "l1"]


@dataclass(frozen=True)
class DistributionMatchingConfig(SequenceConfig):
    """How far apart two distributions are."""

    distance: Distance = option("kl", "kl: KL(Q, mean p_t); l1: the sum of absolute differences")


@dataclass(frozen=True)
class OneStepConfig(GradientConfig):
    """The same for the one-step form, and its hidden layer."""

    distance: Distance = option("kl", "kl: KL(Q, p); l1: the sum of absolute differences")
    hidden: int = option(512, "units of the hidden layer on the pooled volume", at_least=1)


class DistributionMatching(ExecutedSequence):
    """D(Q, mean over t <= m of p_t), greedily executed."""

    Config: ClassVar[type] = DistributionMatchingConfig

    def execution(self, batch: Batch) -> Choose:
        """Execute the policy's best labels."""
        return lambda t, scores: greedy(scores)

    def class_loss(self, decoded: Decoded, batch: Batch) -> Float[Tensor, " batch"]:
        """Return D(Q, the mean of the distributions at the steps that name a label)."""
        counts, _ = batch.truth()
        m = counts.sum(1)
        p = decoded.scores.softmax(-1) * losses.class_steps(m, self.T)[:, :, None]
        return distance(counts, p.sum(1) / m.clamp_min(1)[:, None], self.config.distance)


class OneStepMatching(GradientMethod):
    """Q and the number of objects from the pooled volume, in one step."""

    Config: ClassVar[type] = OneStepConfig
    capturable: ClassVar[bool] = True

    def build_network(self) -> nn.Module:
        """Return the network: logits of Q, then those of 0..K_max objects."""
        task, hidden = self.task, self.config.hidden
        outputs = task.num_classes + task.max_objects + 1
        return nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(task.input_shape[0], hidden),
            nn.ReLU(),
            nn.Linear(hidden, outputs),
        )

    def loss(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return D(Q, p) plus the cross-entropy of the number of objects."""
        counts, _ = batch.truth()
        scores, sizes = self._scores(batch)
        matching = distance(counts, scores.softmax(1), self.config.distance).mean()
        size_loss = functional.cross_entropy(sizes, counts.sum(1))
        return {"loss": matching + size_loss, "matching": matching, "size_loss": size_loss}

    def predict(self, batch: Batch, *, trace: bool = False) -> Prediction:
        """Predict the likeliest number of objects, shared out among the classes by p."""
        self.network.eval()
        with torch.no_grad():
            scores, sizes = self._scores(batch)
        confidence, m = sizes.softmax(1).max(1)
        return Prediction(apportioned(scores.softmax(1), m), confidence)

    def _scores(self, batch: Batch) -> tuple[Tensor, Tensor]:
        classes = self.task.num_classes
        scores, sizes = self.network(batch.inputs).tensor_split([classes], dim=1)
        return scores, sizes


def distance(
    counts: Int[Tensor, "batch classes"], p: Float[Tensor, "batch classes"], kind: Distance
) -> Float[Tensor, " batch"]:
    """Return D(Q, p) with Q = counts / abs(Y), 0 for an image without objects."""
    m = counts.sum(1, keepdim=True)
    Q = counts / m.clamp_min(1)
    if kind == "l1":
        return ((Q - p).abs().sum(1)) * (m.squeeze(1) > 0)
    return (torch.xlogy(Q, Q) - Q * p.clamp_min(torch.finfo(p.dtype).tiny).log()).sum(1)


def apportioned(
    p: Float[Tensor, "batch classes"], m: Int[Tensor, " batch"]
) -> Int[Tensor, "batch classes"]:
    """Return whole counts near m p that add up to m: the largest remainders are rounded up."""
    exact = p * m[:, None]
    whole = exact.floor()
    missing = m - whole.sum(1).long()
    rank = (exact - whole).argsort(dim=1, descending=True, stable=True).argsort(1)
    return whole.long() + (rank < missing[:, None])
