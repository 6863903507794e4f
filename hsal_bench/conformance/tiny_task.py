"""A tiny task, generated in memory, on which a method can be checked in seconds.

An image has 0 to 3 objects of four classes, repeats allowed, each in its own cell of a 4 x 4 grid.
As activations, an object lights the eight channels of its class in its cell; as images, it is a
patch: filled, horizontal stripes, vertical stripes or a frame. Attention can find the objects, and
pooling alone can count them. There are more classes than objects, so that a method which confuses
counts and labels gets wrong shapes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice, product
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from hsal_bench.method.contract import Batch, Task
from hsal_bench.metrics import scores as metrics
from hsal_bench.metrics.multiset import counts_from_labels
from hsal_bench.training.batches import ExampleSet, training_batches

CLASSES, MAX_OBJECTS, GRID = 4, 3, 4
BATCH_SIZE = 32

_TRAIN, _TEST = 512, 256
_CHANNELS, _PER_CLASS = 32, 8
_PATCH = 8
_SEED = 20


@dataclass(frozen=True)
class TinyTask:
    """The examples, and the task description that a method gets.

    chance: the score of the best constant prediction on the test examples (multiset IoU).
    """

    task: Task
    train: ExampleSet
    valid: ExampleSet
    test: ExampleSet
    chance: float

    def batches(self, number: int, start: int = 0) -> Iterator[Batch]:
        """Yield training batches as the training loop does, from update number `start` on."""
        return islice(training_batches(self.train, BATCH_SIZE, _SEED, start), number)

    def inputs(self, size: int) -> Tensor:
        """Return a copy of the inputs of the first test examples."""
        return self.test.rows(slice(0, size)).clone()

    def rows_with(self, objects: int, size: int) -> Batch:
        """Return a training batch of examples with that many objects each."""
        return self.train[torch.nonzero(self.train.counts.sum(1) == objects)[:size, 0]]

    def score(self, counts: np.ndarray) -> float:
        """Return the multiset IoU of predicted counts [test examples, classes], int64."""
        return metrics.score(self.test.counts.cpu().numpy(), counts)["multiset_iou"]


@cache
def tiny_task(inputs: Literal["images", "activations"], device: torch.device) -> TinyTask:
    """Return the task with the kind of inputs that a method needs."""
    train = _examples(inputs, _TRAIN, _SEED, device)
    test = _examples(inputs, _TEST, _SEED + 1, device)
    valid = _examples(inputs, _TEST, _SEED + 2, device)
    shape = train.inputs.shape
    objects = tuple(train.counts.sum(0).tolist())
    task = Task(CLASSES, MAX_OBJECTS, (shape[1], shape[2], shape[3]), objects)
    return TinyTask(task, train, valid, test, _chance(test))


def _examples(inputs: str, number: int, seed: int, device: torch.device) -> ExampleSet:
    generator = torch.Generator().manual_seed(seed)
    objects = torch.randint(MAX_OBJECTS + 1, (number, 1), generator=generator)
    labels = torch.randint(CLASSES, (number, MAX_OBJECTS), generator=generator)
    labels[torch.arange(MAX_OBJECTS) >= objects] = -1
    cells = torch.rand(number, GRID * GRID, generator=generator).argsort(1)[:, :MAX_OBJECTS]
    rendered = (_volumes if inputs == "activations" else _images)(labels, cells, generator)
    corner = torch.stack([cells % GRID, cells // GRID], 2) * _PATCH
    boxes = torch.cat([corner, corner + _PATCH], 2).masked_fill(labels[:, :, None] < 0, -1)
    counts = counts_from_labels(labels, CLASSES)
    side = GRID * _PATCH
    return ExampleSet(
        rendered.to(device), counts.to(device), labels.to(device), boxes.to(device), (side, side)
    )


def _volumes(labels: Tensor, cells: Tensor, generator: torch.Generator) -> Tensor:
    """Return half-precision volumes [N, channels, GRID, GRID], all >= 0."""
    V = 0.1 * torch.rand(len(labels), _CHANNELS, GRID * GRID, generator=generator)
    for row, place in torch.nonzero(labels >= 0).tolist():
        first = _PER_CLASS * int(labels[row, place])
        lit = 6.0 + 6.0 * torch.rand(_PER_CLASS, generator=generator)
        V[row, first : first + _PER_CLASS, cells[row, place]] += lit
    return V.unflatten(2, (GRID, GRID)).half()


def _images(labels: Tensor, cells: Tensor, generator: torch.Generator) -> Tensor:
    """Return uint8 images [N, 1, 8 GRID, 8 GRID] on a slightly noisy background."""
    side = GRID * _PATCH
    images = torch.randint(20, (len(labels), 1, side, side), generator=generator)
    for row, place in torch.nonzero(labels >= 0).tolist():
        y, x = (_PATCH * index for index in divmod(int(cells[row, place]), GRID))
        patch = images[row, 0, y + 1 : y + _PATCH - 1, x + 1 : x + _PATCH - 1]
        match int(labels[row, place]):
            case 0:
                patch[:] = 255
            case 1:
                patch[::2] = 255
            case 2:
                patch[:, ::2] = 255
            case _:
                patch[:] = 255
                patch[1:-1, 1:-1] = 0
    return images.to(torch.uint8)


def _chance(test: ExampleSet) -> float:
    truth = test.counts.cpu().numpy()
    every = (np.array(counts) for counts in product(range(MAX_OBJECTS + 1), repeat=CLASSES))
    return max(
        metrics.score(truth, np.tile(counts, (len(truth), 1)))["multiset_iou"] for counts in every
    )
