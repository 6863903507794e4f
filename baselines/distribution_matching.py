"""Matching the distribution of a multiset's labels (arXiv 1711.05246 §3.1).

Q is the share of each class in the truth, counts / abs(Y). The sequential form fits the mean of the
steps' distributions to Q; the one-step form predicts Q and abs(Y) at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from hsal_bench.baselines.shared.decoder import Choose, Decoded
from hsal_bench.baselines.shared.layers import pooled_head
from hsal_bench.baselines.shared.policy import greedy
from hsal_bench.baselines.shared.sequence import SMALL, ExecutedSequence, SequenceConfig
from hsal_bench.method.contract import Batch, Prediction, Presets
from hsal_bench.method.gradient import GradientConfig, GradientMethod
from hsal_bench.options import option

from .shared import losses

Distance = Literal["kl", "l1"]


@dataclass(frozen=True)
class DistributionMatchingConfig(SequenceConfig):
    """The distance between two distributions."""

    distance: Distance = option("kl", "kl: KL(Q, mean p_t); l1: the sum of absolute differences")


@dataclass(frozen=True)
class OneStepConfig(GradientConfig):
    """The distance and the hidden layer of the one-step form."""

    distance: Distance = option("kl", "kl: KL(Q, p); l1: the sum of absolute differences")
    hidden: int = option(512, "units of the hidden layer on the pooled volume", at_least=1)


class DistributionMatching(ExecutedSequence):
    """Matches the mean of p_t over the steps t <= m to the labels' distribution Q."""

    Config: ClassVar[type] = DistributionMatchingConfig
    presets: ClassVar[Presets] = {"quick": {**SMALL, "weight_decay": 0.01}}

    def execution(self, batch: Batch) -> Choose:
        """Execute the policy's best labels."""
        return lambda t, scores: greedy(scores)

    def class_loss(self, decoded: Decoded, batch: Batch) -> Float[Tensor, " batch"]:
        """Return D(Q, mean of p_t over the steps t <= m)."""
        counts, _ = batch.truth()
        m = counts.sum(1)
        counted = losses.class_steps(m, self.T)
        if self.config.distance == "kl":
            return kl(counts, log_mean(decoded.scores.log_softmax(-1), counted))
        p = decoded.scores.softmax(-1) * counted[:, :, None]
        return l1(counts, p.sum(1) / m.clamp_min(1)[:, None])


class OneStepMatching(GradientMethod):
    """Predicts Q and the number of objects from the pooled volume in one step."""

    Config: ClassVar[type] = OneStepConfig
    presets: ClassVar[Presets] = {"quick": {"learning_rate": 3e-3, "hidden": 1024}}
    capturable: ClassVar[bool] = True

    def build_network(self) -> nn.Module:
        """Return the network: logits of Q, then those of 0..K_max objects."""
        outputs = self.task.num_classes + self.task.max_objects + 1
        return pooled_head(self.task.input_shape[0], self.config.hidden, outputs)

    def loss(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return D(Q, p) plus the cross-entropy of the number of objects."""
        counts, _ = batch.truth()
        scores, sizes = self._scores(batch)
        by_kl = self.config.distance == "kl"
        per_image = kl(counts, scores.log_softmax(1)) if by_kl else l1(counts, scores.softmax(1))
        matching = per_image.mean()
        size_loss = functional.cross_entropy(sizes, counts.sum(1))
        return {"loss": matching + size_loss, "matching": matching, "size_loss": size_loss}

    def predict(self, batch: Batch, *, trace: bool = False) -> Prediction:
        """Predict the likeliest number of objects, divided among the classes by p."""
        self.network.eval()
        with torch.no_grad():
            scores, sizes = self._scores(batch)
        confidence, m = sizes.softmax(1).max(1)
        return Prediction(apportioned(scores.softmax(1), m), confidence)

    def _scores(self, batch: Batch) -> tuple[Tensor, Tensor]:
        classes = self.task.num_classes
        scores, sizes = self.network(batch.inputs).tensor_split([classes], dim=1)
        return scores, sizes


def kl(
    counts: Int[Tensor, "batch classes"], log_p: Float[Tensor, "batch classes"]
) -> Float[Tensor, " batch"]:
    """Return KL(Q, p) with Q = counts / abs(Y), 0 for an image without objects.

    It takes log p, which has a gradient even if p underflows.
    """
    Q = _shares(counts)
    return (torch.xlogy(Q, Q) - Q * log_p).sum(1)


def l1(
    counts: Int[Tensor, "batch classes"], p: Float[Tensor, "batch classes"]
) -> Float[Tensor, " batch"]:
    """Return the sum over classes of abs(Q - p), 0 for an image without objects."""
    return (_shares(counts) - p).abs().sum(1) * (counts.sum(1) > 0)


def log_mean(
    log_p: Float[Tensor, "batch T classes"], counted: Bool[Tensor, "batch T"]
) -> Float[Tensor, "batch classes"]:
    """Return the log of the mean p of the counted steps; a finite number if there are none."""
    m = counted.sum(1, keepdim=True)
    # If no step counts, all are kept: an empty mean would be -inf, and 0 times that NaN.
    kept = (counted | (m == 0))[:, :, None]
    return log_p.masked_fill(~kept, -torch.inf).logsumexp(1) - m.clamp_min(1).log()


def apportioned(
    p: Float[Tensor, "batch classes"], m: Int[Tensor, " batch"]
) -> Int[Tensor, "batch classes"]:
    """Return integer counts near m p that sum to m; the largest remainders are rounded up."""
    exact = p * m[:, None]
    whole = exact.floor()
    missing = m - whole.sum(1).long()
    rank = (exact - whole).argsort(dim=1, descending=True, stable=True).argsort(1)
    return whole.long() + (rank < missing[:, None])


def _shares(counts: Tensor) -> Tensor:
    """Return Q; zeros for an image without objects."""
    return counts / counts.sum(1, keepdim=True).clamp_min(1)
