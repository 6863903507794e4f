"""A tiny task, generated in memory, on which a method can be checked in seconds.

An image has 0 to 3 objects of four classes, repeats allowed, each in its own cell of a 4 x 4 grid.
As activations, an object lights the eight channels of its class in its cell; as images, it is a
patch: filled, vertical stripes, horizontal stripes or dots. Attention can find the objects, and
pooling alone can count them. There are more classes than objects, so that a method which confuses
counts and labels gets wrong shapes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice
from typing import Literal

import torch
from torch import Tensor

from hsal_bench.method.contract import Batch, Task
from hsal_bench.metrics import scores as metrics
from hsal_bench.metrics.multiset import counts_from_labels
from hsal_bench.training.batches import ExampleSet, training_batches

CLASSES, MAX_OBJECTS, GRID = 4, 3, 4
BATCH_SIZE = 32

_TRAIN, _TEST = 512, 256
_PER_CLASS, _PATCH = 8, 8
_SEED = 20


@dataclass(frozen=True)
class TinyTask:
    """The examples, and the task description that a method gets."""

    task: Task
    train: ExampleSet
    valid: ExampleSet
    test: ExampleSet

    def batches(self, number: int, start: int = 0) -> Iterator[Batch]:
        """Yield training batches as the training loop does, from update number `start` on."""
        return islice(training_batches(self.train, BATCH_SIZE, _SEED, start), number)

    def inputs(self, size: int) -> Tensor:
        """Return a copy of the inputs of the first test examples, float32."""
        return self.test.rows(slice(0, size))

    def rows_with(self, objects: int, size: int) -> Batch:
        """Return a training batch of examples with that many objects each."""
        return self.train[torch.nonzero(self.train.counts.sum(1) == objects)[:size, 0]]

    def score(self, counts: Tensor) -> float:
        """Return the multiset IoU of predicted counts [test examples, classes]."""
        truth = self.test.counts.cpu().numpy()
        return metrics.score(truth, counts.long().numpy())["multiset_iou"]

    @cached_property
    def chance(self) -> float:
        """The score of the best constant prediction."""
        multisets = torch.cartesian_prod(*[torch.arange(MAX_OBJECTS + 1)] * CLASSES)
        return max(self.score(counts.expand(len(self.test), -1)) for counts in multisets)


@cache
def tiny_task(inputs: Literal["images", "activations"], device: torch.device) -> TinyTask:
    """Return the task with the kind of inputs that a method needs."""
    train, test, valid = (
        _examples(inputs, size, _SEED + offset, device)
        for offset, size in enumerate((_TRAIN, _TEST, _TEST))
    )
    _, channels, height, width = train.inputs.shape
    objects = tuple(train.counts.sum(0).tolist())
    task = Task(CLASSES, MAX_OBJECTS, (channels, height, width), objects)
    return TinyTask(task, train, valid, test)


def _examples(inputs: str, number: int, seed: int, device: torch.device) -> ExampleSet:
    generator = torch.Generator().manual_seed(seed)
    objects = torch.randint(MAX_OBJECTS + 1, (number, 1), generator=generator)
    labels = torch.randint(CLASSES, (number, MAX_OBJECTS), generator=generator)
    labels[torch.arange(MAX_OBJECTS) >= objects] = -1
    cells = torch.rand(number, GRID * GRID, generator=generator).argsort(1)[:, :MAX_OBJECTS]
    rendered = (_volumes if inputs == "activations" else _images)(labels, cells, generator)
    corner = torch.stack([cells % GRID, cells // GRID], 2) * _PATCH
    boxes = torch.cat([corner, corner + _PATCH], 2).masked_fill(labels[:, :, None] < 0, -1)
    counts, side = counts_from_labels(labels, CLASSES), GRID * _PATCH
    rendered, counts, labels, boxes = (x.to(device) for x in (rendered, counts, labels, boxes))
    return ExampleSet(rendered, counts, labels, boxes, (side, side))


def _volumes(labels: Tensor, cells: Tensor, generator: torch.Generator) -> Tensor:
    """Return half-precision volumes [N, channels, GRID, GRID], all >= 0."""
    V = 0.1 * torch.rand(len(labels), CLASSES, _PER_CLASS, GRID * GRID, generator=generator)
    rows, places = torch.nonzero(labels >= 0, as_tuple=True)
    lit = 6.0 + 6.0 * torch.rand(len(rows), _PER_CLASS, generator=generator)
    V[rows, labels[rows, places], :, cells[rows, places]] += lit
    return V.view(len(labels), -1, GRID, GRID).half()


def _images(labels: Tensor, cells: Tensor, generator: torch.Generator) -> Tensor:
    """Return uint8 images [N, 1, 8 GRID, 8 GRID] on a slightly noisy background."""
    side = GRID * _PATCH
    images = torch.randint(20, (len(labels), 1, side, side), generator=generator)
    for row, place in torch.nonzero(labels >= 0).tolist():
        y, x = (_PATCH * index for index in divmod(int(cells[row, place]), GRID))
        patch = images[row, 0, y + 1 : y + _PATCH - 1, x + 1 : x + _PATCH - 1]
        two_rows, two_columns = divmod(int(labels[row, place]), 2)
        patch[:: 1 + two_rows, :: 1 + two_columns] = 255
    return images.to(torch.uint8)
