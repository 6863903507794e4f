"""The method that fine-tunes an activation model: classify single-object images (P§5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsal_bench.method.contract import Batch, Prediction
from hsal_bench.method.gradient import GradientConfig, GradientMethod
from hsal_bench.metrics.multiset import counts_from_labels
from hsal_bench.options import option
from hsal_bench.training import backbones
from hsal_bench.training.presets import Precision


@dataclass(frozen=True)
class SingleObjectConfig(GradientConfig):
    """Settings of the fine-tuning (not from the paper)."""

    backbone: str = option("resnet34", "activation model")
    weights: str | None = option(None, "file of pretrained weights; none: from scratch")
    precision: Precision = option("float32", "arithmetic of the convolutions")
    input_size: int | None = option(
        None, "pixels of the backbone's input; none: the default", omit_default=True
    )


class SingleObject(GradientMethod):
    """Classify single-object images; with several objects, one label at random per draw (P§5)."""

    Config: ClassVar[type] = SingleObjectConfig
    inputs: ClassVar[Literal["images", "activations"]] = "images"
    capturable: ClassVar[bool] = True
    network: backbones.ActivationModel

    def build_network(self) -> nn.Module:
        """Return the activation model with its classifier."""
        weights = Path(self.config.weights) if self.config.weights else None
        channels, classes = self.task.input_shape[0], self.task.num_classes
        config = self.config
        size = config.input_size
        model = backbones.build(config.backbone, channels, classes, weights, config.precision, size)
        return model.to(memory_format=torch.channels_last)

    def loss(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return the cross-entropy on the first label, a random one because labels are shuffled."""
        _, labels = batch.truth()
        scores = self.network(batch.inputs)
        return {"loss": functional.cross_entropy(scores, labels[:, 0], ignore_index=-1)}

    def predict(self, batch: Batch, *, trace: bool = False) -> Prediction:
        """Predict one object of the likeliest class."""
        self.network.eval()
        with torch.no_grad():
            confidence, label = self.network(batch.inputs).softmax(1).max(1)
        return Prediction(counts_from_labels(label[:, None], self.task.num_classes), confidence)
