"""The contract between the benchmark and a method.

A method owns its parameters, its optimiser and its update. The benchmark owns everything else:
data order, label shuffling, budget, seeds, validation, model selection, checkpoints, logs and
timing. Most methods derive from `hsal_bench.method.gradient.GradientMethod`.

A method that is not trained by mini-batches has `fit(train, valid)` in the place of `update`, see
`hsal_bench.method.fitted.Fitted`. It has its own budget, and tables say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsal_bench.errors import HsalBenchError

Presets = Mapping[str, Mapping[str, Any]]
"""Preset names mapped to the config fields that each preset changes."""


class Unsupported(HsalBenchError):  # noqa: N818 - the name of the contract
    """Raised by a method that cannot run on a task; tables show the reason in a footnote."""


@dataclass(frozen=True)
class Task:
    """The facts about a dataset that a method knows before it sees any data.

    `input_shape`: (channels, height, width) of `Batch.inputs`, which are activation volumes or
    images, as the method's `inputs` says. `max_objects` (K_max): the most objects in one image.
    `class_objects`: the number of objects of each class in the training split, if known.
    """

    num_classes: int
    max_objects: int
    input_shape: tuple[int, int, int]
    class_objects: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Setup:
    """Where and how long a method runs: device, seed, and the number of updates it will get.

    updates: 0 for a method with `fit`.
    """

    device: torch.device
    seed: int
    updates: int


@dataclass(frozen=True)
class Batch:
    """A batch on the method's device.

    inputs: float32 activations (post-ReLU, so >= 0), or images in [0, 1].
    counts, labels, boxes: the truth; None in `predict`. Labels are padded with -1 at the end and
    reshuffled for every batch; boxes (x0, y0, x1, y1 in pixels of the image, padded with -1) are in
    the same order as the labels.
    """

    inputs: Float[Tensor, "batch channels height width"]
    counts: Int[Tensor, "batch classes"] | None = None
    labels: Int[Tensor, "batch objects"] | None = None
    boxes: Int[Tensor, "batch objects 4"] | None = None

    def truth(self) -> tuple[Int[Tensor, "batch classes"], Int[Tensor, "batch objects"]]:
        """Return (counts, labels) of a training batch.

        Raises:
            ValueError: the batch is for `predict` and has no labels.
        """
        if self.counts is None or self.labels is None:
            raise ValueError("this batch has no labels: it is for predict")
        return self.counts, self.labels


class Examples(Protocol):
    """A split, as `fit` gets it: `examples[rows]` is a Batch with labels.

    rows: a slice, or row numbers as a list, an array or a tensor. `examples[:]` holds all of them
    as float32: a large split may not fit in memory. The labels of an image are in the order of the
    dataset file, not shuffled.
    """

    @property
    def counts(self) -> Int[Tensor, "examples classes"]:
        """The counts of all examples, on the method's device."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any) -> Batch: ...


@dataclass(frozen=True)
class Trace:
    """Where a method attended: T decoding steps of k glimpses each on a grid of h x w cells.

    saliency: raw S of the image, >= 0. S_t, masks (M_t) and priority (P_t): in [0, 1].
    glimpses: cell numbers, row * w + column. labels: the class predicted at each step,
    num_classes for "stop", -1 for later steps.
    """

    saliency: Float[Tensor, "batch h w"]
    S_t: Float[Tensor, "batch steps h w"]
    masks: Float[Tensor, "batch steps h w"]
    priority: Float[Tensor, "batch steps h w"]
    glimpses: Int[Tensor, "batch steps k"]
    labels: Int[Tensor, "batch steps"]


@dataclass(frozen=True)
class Prediction:
    """Predicted multisets, optionally with a confidence (higher is more confident) and a trace."""

    counts: Int[Tensor, "batch classes"]
    confidence: Float[Tensor, " batch"] | None = None
    trace: Trace | None = None


class Method(Protocol):
    """A method, created by `Class(task, config, setup)`; `config` is an instance of `Class.Config`.

    `presets` maps a preset's name to the config fields it changes, so that one method can be both
    as large as in the paper and small enough for a laptop.

    A class may have `any_cardinality = True`: none of its parameters depends on `Task.max_objects`,
    so a state trained on images of few objects can be loaded for and evaluated on images of more.
    Such a class may still raise Unsupported if there are too many objects.
    """

    Config: ClassVar[type]
    inputs: ClassVar[Literal["images", "activations"]]
    presets: ClassVar[Presets]

    def __init__(self, task: Task, config: Any, setup: Setup) -> None:
        """Build the method on `setup.device`. Raises Unsupported if it cannot run on the task."""
        ...

    def update(self, batch: Batch) -> Mapping[str, Tensor]:
        """Take one optimisation step; return detached scalars on the device, including "loss"."""
        ...

    def predict(self, batch: Batch, *, trace: bool = False) -> Prediction:
        """Predict deterministically, without reading labels; with `trace`, include one if any."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return everything that `update` changes, including the states of random generators.

        Only what `torch.load(weights_only=True)` reads: tensors, numbers, strings, lists, dicts.
        """
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state that `state_dict` returned."""
        ...
