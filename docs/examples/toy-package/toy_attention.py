"""A method in a package, without a base class: attention maps, summed to counts."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from hsal_bench.method.contract import Prediction
from hsal_bench.options import option


@dataclass(frozen=True)
class Config:
    """Fields for `--set`."""

    learning_rate: float = option(0.01, "Adam's step size", at_least=0.0)


class ToyAttention:
    """One attention map in [0, 1] per class; its rounded sum is the count."""

    Config = Config
    inputs = "activations"
    presets: ClassVar = {}

    def __init__(self, task, config, setup):
        channels, self.most = task.input_shape[0], task.max_objects
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setup.seed)
            self.network = nn.Conv2d(channels, task.num_classes, 1).to(setup.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), config.learning_rate)

    def rates(self, batch):
        """Return the expected count of each class, [batch, classes]."""
        return torch.sigmoid(self.network(batch.inputs) - 3.0).sum((2, 3))

    def update(self, batch):
        """Make one step and return its detached scalars."""
        counts, _ = batch.truth()
        loss = nn.functional.smooth_l1_loss(self.rates(batch), counts.float())
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": loss.detach()}

    def predict(self, batch, *, trace=False):
        """Predict the rounded counts."""
        with torch.no_grad():
            return Prediction(self.rates(batch).round().clamp(0, self.most).long())

    def state_dict(self):
        """Return everything that `update` changes."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state):
        """Resume from a `state_dict`."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
