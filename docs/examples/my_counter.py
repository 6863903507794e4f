"""A method in a file: classify the count of each class into 0..K."""

from dataclasses import dataclass

import torch
from torch import nn

from hsal_bench.method.contract import Prediction
from hsal_bench.method.gradient import GradientConfig, GradientMethod
from hsal_bench.options import option


@dataclass(frozen=True)
class CountConfig(GradientConfig):
    """Fields for `--set`; GradientConfig adds the learning rate and the like."""

    hidden: int = option(128, "hidden units", at_least=1)


class MyCounter(GradientMethod):
    """Classify the count of each class into 0..K."""

    Config = CountConfig

    def build_network(self):
        """Return the network with fresh weights."""
        channels = self.task.input_shape[0]
        outputs = self.task.num_classes * (self.task.max_objects + 1)
        return nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(channels, self.config.hidden),
            nn.ReLU(),
            nn.Linear(self.config.hidden, outputs),
        )

    def loss(self, batch):
        """Return the loss to minimise."""
        counts, _ = batch.truth()
        return {"loss": nn.functional.cross_entropy(self.scores(batch).transpose(1, 2), counts)}

    def predict(self, batch, *, trace=False):
        """Predict the likeliest count of each class."""
        self.network.eval()
        with torch.no_grad():
            return Prediction(counts=self.scores(batch).argmax(-1))

    def scores(self, batch):
        """Return a score for every class and count, [batch, classes, K + 1]."""
        return self.network(batch.inputs).unflatten(1, (self.task.num_classes, -1))
