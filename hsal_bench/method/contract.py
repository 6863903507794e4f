"""The contract between the harness and a method.

A method owns its parameters, its optimiser and its update. The harness owns everything else: the
order of the data, the shuffling of labels, the budget, seeds, validation, selection, checkpoints,
logs and the clock. Nearly every method derives from `hsal_bench.method.gradient.GradientMethod`.
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
"""The fields of a method's config that a preset changes, by the preset's name."""


class Unsupported(HsalBenchError):  # noqa: N818 - the name of the contract
    """Raised by a method that cannot run on a task, with the reason a table's footnote gives."""


@dataclass(frozen=True)
class Task:
    """What a method may know of the data before it sees any.

    `input_shape` is (channels, height, width) of what `Batch.inputs` holds: activation volumes or
    images, as the method's `inputs` asks. `max_objects` (K_max) is the most objects of one image.
    `class_objects` is how many objects of each class the training split holds, where it is known.
    """

    num_classes: int
    max_objects: int
    input_shape: tuple[int, int, int]
    class_objects: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Setup:
    """Where and how long a method runs: device, seed, and the number of updates it will get."""

    device: torch.device
    seed: int
    updates: int


@dataclass(frozen=True)
class Batch:
    """A batch on the method's device.

    inputs: float32 activations (post-ReLU, so >= 0), or images in [0, 1].
    counts, labels, boxes: the truth; None in `predict`. Labels are padded with -1 at the end and
    shuffled anew whenever a batch is drawn; boxes (x0, y0, x1, y1 in pixels of the image, padded
    with -1) are those of the labels, in the same order.
    """

    inputs: Float[Tensor, "batch channels height width"]
    counts: Int[Tensor, "batch classes"] | None = None
    labels: Int[Tensor, "batch objects"] | None = None
    boxes: Int[Tensor, "batch objects 4"] | None = None

    def truth(self) -> tuple[Int[Tensor, "batch classes"], Int[Tensor, "batch objects"]]:
        """Return (counts, labels) of a training batch.

        Raises:
            ValueError: the batch was drawn for `predict`.
        """
        if self.counts is None or self.labels is None:
            raise ValueError("this batch has no labels: it is for predict")
        return self.counts, self.labels


@dataclass(frozen=True)
class Trace:
    """Where a method looked: T decoding steps of k glimpses each on a grid of h x w cells.

    saliency: raw S of the image, >= 0. S_t, masks (M_t) and priority (P_t): in [0, 1].
    glimpses: cell numbers, row * w + column. labels: the class predicted at each step,
    num_classes for "stop", -1 for the steps after it.
    """

    saliency: Float[Tensor, "batch h w"]
    S_t: Float[Tensor, "batch steps h w"]
    masks: Float[Tensor, "batch steps h w"]
    priority: Float[Tensor, "batch steps h w"]
    glimpses: Int[Tensor, "batch steps k"]
    labels: Int[Tensor, "batch steps"]


@dataclass(frozen=True)
class Prediction:
    """The predicted multisets; optionally how sure the method is (higher is surer) and a trace."""

    counts: Int[Tensor, "batch classes"]
    confidence: Float[Tensor, " batch"] | None = None
    trace: Trace | None = None


class Method(Protocol):
    """A method: made as `Class(task, config, setup)`, with `config` an instance of `Class.Config`.

    `presets` maps a preset's name to the config fields it changes, so that one method can be both
    the paper's size and small enough for a laptop.

    A class may have `any_cardinality = True`: none of its parameters depends on `Task.max_objects`,
    so what was trained for images of few objects can be loaded into one built for more, and
    evaluated on them. Such a class may still raise Unsupported, for numbers beyond its reach.
    """

    Config: ClassVar[type]
    inputs: ClassVar[Literal["images", "activations"]]
    presets: ClassVar[Presets]

    def __init__(self, task: Task, config: Any, setup: Setup) -> None:
        """Build the method on `setup.device`. Raises Unsupported if it cannot run on the task."""
        ...

    def update(self, batch: Batch) -> Mapping[str, Tensor]:
        """Make one optimisation step; return detached scalars on the device, "loss" among them."""
        ...

    def predict(self, batch: Batch, *, trace: bool = False) -> Prediction:
        """Predict, deterministically and without reading labels; with the trace if it has one."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all that `update` changes, the states of random generators included.

        Tensors, numbers, texts, lists and dicts only: what `torch.load(weights_only=True)` reads.
        """
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        ...
