"""A method that is trained end to end from images: a small CNN."""

from dataclasses import dataclass

import torch
from torch import nn

from hsal_bench.method.contract import Prediction
from hsal_bench.method.gradient import GradientConfig, GradientMethod
from hsal_bench.options import option


@dataclass(frozen=True)
class CNNConfig(GradientConfig):
    """Fields for `--set`; GradientConfig adds the learning rate and the like."""

    learning_rate: float = option(0.003, "Adam's initial step size", at_least=0.0)
    width: int = option(16, "channels of the first layer", at_least=1)


class SmallCNN(GradientMethod):
    """Convolutions on the images; a score for each count of each class."""

    Config = CNNConfig
    inputs = "images"

    def build_network(self):
        """Return the network with fresh weights."""
        channels, width = self.task.input_shape[0], self.config.width
        layers = []
        for out in (width, 2 * width, 4 * width, 4 * width):
            layers += [nn.Conv2d(channels, out, 3, stride=2, padding=1), nn.BatchNorm2d(out)]
            layers.append(nn.ReLU())
            channels = out
        outputs = self.task.num_classes * (self.task.max_objects + 1)
        pool = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(channels))
        return nn.Sequential(*layers, *pool, nn.Linear(channels, outputs))

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
