"""Counting per class from the pooled volume: the weakest baselines that a method should beat.

There is no attention and no order: V is pooled, and the count of each class is predicted
independently, by classification into 0..K_max or by Poisson regression.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from hsal_bench.baselines.shared.layers import pooled_head
from hsal_bench.method.contract import Batch, Prediction, Presets
from hsal_bench.method.gradient import GradientConfig, GradientMethod
from hsal_bench.options import option


@dataclass(frozen=True)
class CountingConfig(GradientConfig):
    """The config of both counting methods."""

    hidden: int = option(0, "units of a hidden layer on the pooled volume; 0: none", at_least=0)


class _Counting(GradientMethod):
    """A head on the mean of V over its cells, with `outputs` numbers per class."""

    Config: ClassVar[type] = CountingConfig
    presets: ClassVar[Presets] = {"quick": {"learning_rate": 3e-3, "hidden": 512}}
    capturable: ClassVar[bool] = True

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Numbers per class."""

    def build_network(self) -> nn.Module:
        """Return the head, one linear layer or two."""
        outputs = self.task.num_classes * self.outputs
        return pooled_head(self.task.input_shape[0], self.config.hidden, outputs)

    def scores(self, batch: Batch) -> Float[Tensor, "batch classes outputs"]:
        """Return the output of the head."""
        return self.network(batch.inputs).unflatten(1, (self.task.num_classes, self.outputs))


class CountClassifier(_Counting):
    """Each class's count as a classification into 0..K_max, independent of the other classes."""

    presets: ClassVar[Presets] = {"quick": {"learning_rate": 1e-2, "hidden": 512}}

    @property
    def outputs(self) -> int:
        """One per count 0..K_max."""
        return self.task.max_objects + 1

    def loss(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return -sum over classes of log p(count), the mean over the batch."""
        counts, _ = batch.truth()
        per_class = functional.cross_entropy(
            self.scores(batch).transpose(1, 2), counts, reduction="none"
        )
        return {"loss": per_class.sum(1).mean()}

    def predict(self, batch: Batch, *, trace: bool = False) -> Prediction:
        """Predict every class's likeliest count; the confidence is their joint probability."""
        self.network.eval()
        with torch.no_grad():
            log_p, counts = self.scores(batch).log_softmax(-1).max(-1)
        return Prediction(counts, log_p.sum(1).exp())


class CountRegression(_Counting):
    """Each class's count as a Poisson variable with a predicted rate."""

    any_cardinality: ClassVar[bool] = True

    @property
    def outputs(self) -> int:
        """One: the logarithm of the rate."""
        return 1

    def loss(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return the Poisson negative log-likelihood, summed over classes."""
        counts, _ = batch.truth()
        log_rate = self.scores(batch).squeeze(2)
        per_class = functional.poisson_nll_loss(log_rate, counts.float(), reduction="none")
        return {"loss": per_class.sum(1).mean()}

    def predict(self, batch: Batch, *, trace: bool = False) -> Prediction:
        """Predict every class's rate, rounded."""
        self.network.eval()
        with torch.no_grad():
            rates = self.scores(batch).squeeze(2).exp()
        return Prediction(rates.round().clamp(0, self.task.max_objects).long())
