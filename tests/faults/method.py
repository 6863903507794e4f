"""A method whose confidences depend on every activation and every weight.

A well-trained network may predict the same in spite of a changed input; this one shows it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from hsal_bench.method.contract import Batch, Prediction
from hsal_bench.method.gradient import GradientMethod


class Sensitive(GradientMethod):
    """Classify the count of each class into 0..K; the confidence is the norm of all scores."""

    def build_network(self) -> nn.Module:
        """Return the network with fresh weights."""
        channels, height, width = self.task.input_shape
        outputs = self.task.num_classes * (self.task.max_objects + 1)
        return nn.Sequential(
            nn.BatchNorm2d(channels, affine=False, track_running_stats=False),
            nn.Conv2d(channels, 8, 1),
            nn.Flatten(),
            nn.Linear(8 * height * width, outputs),
        )

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the cross-entropy of the counts."""
        counts, _ = batch.truth()
        return {"loss": nn.functional.cross_entropy(self._scores(batch).transpose(1, 2), counts)}

    def predict(self, batch: Batch, *, trace: bool = False) -> Prediction:
        """Predict the likeliest count of each class."""
        self.network.eval()
        with torch.no_grad():
            scores = self._scores(batch)
        return Prediction(scores.argmax(-1), scores.flatten(1).norm(dim=1))

    def _scores(self, batch: Batch) -> Any:
        return self.network(batch.inputs.float()).unflatten(1, (self.task.num_classes, -1))
