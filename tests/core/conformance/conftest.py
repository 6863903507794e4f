"""A sound method, and the outcomes of `check-method` when one fault is added to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from hsal_bench.checking import Check
from hsal_bench.conformance import check as conformance
from hsal_bench.method.contract import Prediction, Trace
from hsal_bench.method.gradient import GradientConfig, GradientMethod


@dataclass(frozen=True)
class Config(GradientConfig):
    learning_rate: float = 0.01


class Sound(GradientMethod):
    """Counts on the pooled inputs, a classification per class; its trace looks nowhere."""

    Config = Config

    def build_network(self):
        channels, _, _ = self.task.input_shape
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 16))

    def scores(self, batch):
        return self.network(batch.inputs).view(-1, 4, 4)

    def loss(self, batch):
        counts, _ = batch.truth()
        return {"loss": nn.functional.cross_entropy(self.scores(batch).transpose(1, 2), counts)}

    def predict(self, batch, *, trace=False):
        self.network.eval()
        with torch.no_grad():
            log_p, counts = self.scores(batch).log_softmax(-1).max(-1)
        return Prediction(counts, log_p.sum(1).exp(), self.trace(batch, counts) if trace else None)

    def trace(self, batch, counts):
        size, steps = len(counts), 9
        labels = torch.full((size, steps), -1)
        for row, found in enumerate(counts.tolist()):
            flat = [label for label, times in enumerate(found) for _ in range(times)]
            labels[row, : len(flat)] = torch.tensor(flat, dtype=torch.int64)
        maps = torch.zeros(size, steps, 4, 4)
        return Trace(
            batch.inputs.mean(1), maps, maps, maps, torch.zeros(size, steps, 2).long(), labels
        )


@pytest.fixture(scope="session")
def sound() -> type:
    """A method that keeps the contract."""
    return Sound


@pytest.fixture(scope="session")
def outcomes() -> Callable[[type], dict[str, Check]]:
    """Return a function: a class of changes to the sound method -> its checks, by name."""

    def outcomes(changes):
        changed = type(changes.__name__, (changes, Sound), {"__module__": changes.__module__})
        return {check.name: check for check in conformance.check_method(changed)}

    return outcomes


@pytest.fixture(scope="session")
def failed(outcomes: Callable[[type], dict[str, Check]]) -> Callable[[type], dict[str, str]]:
    """Return a function: a class of changes -> the details of the failed checks, by name."""

    def failed(changes):
        checks = outcomes(changes).values()
        return {check.name: check.detail for check in checks if check.outcome == "failed"}

    return failed
