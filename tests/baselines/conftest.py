"""A toy task on which methods are tried, and steps of a decoder made by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from hsal_bench.baselines.shared.decoder import Decoded
from hsal_bench.method.contract import Batch, Setup, Task
from hsal_bench.metrics.multiset import counts_from_labels

TASK = Task(num_classes=3, max_objects=2, input_shape=(3, 2, 3), class_objects=(5, 4, 3))
HIDDEN = 24


@pytest.fixture(scope="session")
def task() -> Task:
    """Three classes, up to two objects, volumes of 3 x 2 x 3."""
    return TASK


@pytest.fixture(scope="session")
def toy_batch() -> Callable[..., Batch]:
    """Return a function that draws a batch: each object lights its class's channel in a cell."""

    def draw(size: int = 32, seed: int = 0, objects: int = 2, fewest: int = 0) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        m = torch.randint(fewest, objects + 1, (size, 1), generator=generator)
        labels = torch.randint(3, (size, objects), generator=generator)
        labels = labels.masked_fill(torch.arange(objects) >= m, -1)
        cells = torch.rand(size, 6, generator=generator).argsort(1)[:, :objects]
        shown = 3.0 * torch.nn.functional.one_hot(labels + 1, 4)[:, :, 1:].float()
        V = torch.zeros(size, 6, 3).scatter_(1, cells[:, :, None].expand_as(shown), shown)
        corner = torch.where(labels < 0, -1, cells)[:, :, None]
        boxes = torch.cat([corner, corner, corner + 1, corner + 1], 2)
        return Batch(V.mT.unflatten(2, (2, 3)), counts_from_labels(labels, 3), labels, boxes)

    return draw


@pytest.fixture(scope="session")
def sequential() -> Callable[..., Any]:
    """Return a function that makes a small method on the plain decoder."""

    def make(kind: Any, task: Task = TASK, updates: int = 100, **settings: Any) -> Any:
        settings = {"hidden": HIDDEN, "embedding": 8, "learning_rate": 0.01, **settings}
        config = dataclasses.replace(kind.Config(), **settings)
        return kind(task, config, Setup(torch.device("cpu"), 0, updates))

    return make


@pytest.fixture(scope="session")
def decoding() -> Callable[..., Callable[..., Decoded]]:
    """Return a maker of an `unroll` with the same steps for every image, except for its labels.

    p: the classes' probabilities, step by step; stop: those of stopping before the step's label.
    """

    def made(p: list[list[float]], stop: list[float], y_hat: list[list[int]]) -> Any:
        rows, T = len(y_hat), len(p)
        # Scores are logits up to a constant of each step: what forgets the softmax is found out.
        scores = torch.tensor(p).log() + torch.arange(T)[:, None]
        decoded = Decoded(
            scores.expand(rows, T, -1),
            torch.tensor(stop).logit().expand(rows, T),
            torch.zeros(rows, T, HIDDEN),
            torch.tensor(y_hat),
        )
        return lambda *_: decoded

    return made


@pytest.fixture(scope="session")
def gru() -> Callable[..., torch.Tensor]:
    """Return a step of a GRU of one vector, (cell, x, h) -> h', written without torch's layer."""

    def step(cell: torch.nn.GRUCell, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        of_x, of_h = (
            (weight @ part + bias).chunk(3)
            for weight, part, bias in (
                (cell.weight_ih, x, cell.bias_ih),
                (cell.weight_hh, h, cell.bias_hh),
            )
        )
        reset, keep = (torch.sigmoid(of_x[n] + of_h[n]) for n in (0, 1))
        return (1 - keep) * torch.tanh(of_x[2] + reset * of_h[2]) + keep * h

    return step
