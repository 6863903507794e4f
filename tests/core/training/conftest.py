"""A toy method, and short calls that train it in folders of the test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from hsal_bench.method.contract import Batch, Prediction, Setup, Task
from hsal_bench.method.gradient import GradientConfig, GradientMethod
from hsal_bench.options import option
from hsal_bench.training import train as training
from hsal_bench.training.batches import ExampleSet
from hsal_bench.training.checkpoint import Progression
from hsal_bench.training.presets import Budget

CLASSES = 3


@dataclass(frozen=True)
class ToyConfig(GradientConfig):
    learning_rate: float = option(0.05, "step size")
    noise: float = option(0.1, "noise on the inputs")
    diverge_at: int | None = option(None, "update whose loss is not a number")


class ToyMethod(GradientMethod):
    """Counts from the mean of each channel, by least squares; its loss draws random numbers."""

    Config = ToyConfig

    def build_network(self) -> nn.Module:
        return nn.Linear(self.task.input_shape[0], self.task.num_classes)

    def loss(self, batch: Batch) -> dict[str, torch.Tensor]:
        counts, _ = batch.truth()
        x = batch.inputs.mean((2, 3))
        x = x + self.config.noise * torch.randn(x.shape, generator=self.generator)
        loss = (self.network(x) - counts).square().mean()
        return {"loss": loss * (torch.nan if self.updates_done == self.config.diverge_at else 1.0)}

    def predict(self, batch: Batch, *, trace: bool = False) -> Prediction:
        with torch.no_grad():
            counts = self.network(batch.inputs.mean((2, 3))).round().clamp_min(0)
        return Prediction(counts.long())


def _examples(n: int, seed: int) -> ExampleSet:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (n, 2), generator=generator)
    counts = nn.functional.one_hot(labels, CLASSES).sum(1)
    inputs = counts.view(n, CLASSES, 1, 1).half()
    return ExampleSet(inputs, counts, labels, torch.zeros(n, 2, 4, dtype=int), (8, 8))


@dataclass(frozen=True)
class Toy:
    """Trains toy methods in folders under `root`: 12 updates, evaluated at 0, 4, 8 and 12."""

    root: Path
    Method: ClassVar[type[ToyMethod]] = ToyMethod
    data: ClassVar[dict[str, ExampleSet]] = {"train": _examples(40, 0), "valid": _examples(20, 1)}

    def method(self, cls: type[ToyMethod] = ToyMethod, **settings: Any) -> ToyMethod:
        task, setup = Task(CLASSES, 2, (CLASSES, 1, 1)), Setup(torch.device("cpu"), 0, 12)
        return cls(task, ToyConfig(**settings), setup)

    def train(
        self,
        method: ToyMethod | None = None,
        progress: training.Progress | None = None,
        *,
        folder: str = "run",
        updates: int = 12,
        seed: int = 0,
        identity: Mapping[str, Any] | None = None,
    ) -> Progression:
        """Train a method, by default a new one; it resumes what is in the folder."""
        (self.root / folder).mkdir(exist_ok=True)
        return training.train(
            method or self.method(),
            self.data,
            Budget(updates, batch_size=8, eval_every=4),
            seed,
            self.root / folder,
            identity or {"seed": 0},
            progress,
        )

    def weights(self, method: ToyMethod) -> list[float]:
        return torch.cat([p.flatten() for p in method.network.parameters()]).tolist()

    def check_that_it_resumes_exactly(self, folder: str = "run") -> None:
        """Resume a training to its end: it must be bit for bit that of an uninterrupted one."""
        whole, resumed = self.method(), self.method()
        expected, run = self.train(whole, folder="whole"), self.train(resumed, folder=folder)
        assert self.weights(resumed) == self.weights(whole)
        assert (run.curve, run.best_update) == (expected.curve, expected.best_update)
        logs = [(self.root / name / "metrics.jsonl").read_text() for name in ("whole", folder)]
        assert logs[0] == logs[1]


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where `toy.train` trains by default."""
    return tmp_path / "run"
