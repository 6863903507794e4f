"""A method in a file: how often each class occurs, as a classification into 0..K per class."""

from dataclasses import dataclass

import torch
from torch import nn

from hsal_bench.method.contract import Prediction
from hsal_bench.method.gradient import GradientConfig, GradientMethod
from hsal_bench.options import option


@dataclass(frozen=True)
class CountConfig(GradientConfig):
    """What `--set` can change; the learning rate and its like come from GradientConfig."""

    hidden: int = option(128, "hidden units", at_least=1)


class MyCounter(GradientMethod):
    """How often each class occurs, as a classification into 0..K per class."""

    Config = CountConfig

    def build_network(self):
        """Return the network, its weights freshly drawn."""
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
        """Return the loss whose gradient is followed."""
        counts, _ = batch.truth()
        return {"loss": nn.functional.cross_entropy(self.scores(batch).transpose(1, 2), counts)}

    def predict(self, batch, *, trace=False):
        """Predict every class's likeliest count."""
        self.network.eval()
        with torch.no_grad():
            return Prediction(counts=self.scores(batch).argmax(-1))

    def scores(self, batch):
        """Return a score for every class and count, [batch, classes, K + 1]."""
        return self.network(batch.inputs).unflatten(1, (self.task.num_classes, -1))
