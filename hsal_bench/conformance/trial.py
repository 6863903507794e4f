"""A method on trial: making it, training it a little, and telling two of its results apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from hsal_bench.checking import Failed
from hsal_bench.conformance.layers import advice, run_in_training
from hsal_bench.conformance.messages import broken, failure
from hsal_bench.conformance.tiny_task import TinyTask
from hsal_bench.method.contract import Batch, Method, Prediction, Setup, Task, Unsupported
from hsal_bench.method.validate import (
    Breach,
    check_confidence,
    check_counts,
    check_prediction,
    check_scalars,
)

UPDATES = 400
"""Updates the method is told it will get; most learn enough in far fewer."""

STEP = 25
"""Updates between two looks at what was learnt."""

MARGIN = 0.1
"""How far above chance the score must come: five standard errors of it."""

PREDICTED = 24
"""Images whose predictions are compared."""

_ONE_VALUE = "more than 1 value per channel when training"
"""What torch says where it would normalise one image by its own statistics."""


@dataclass(frozen=True)
class Learned:
    """What training has come to: the method, updates made, and the score on the test examples."""

    method: Method
    updates: int
    score: float


@dataclass
class Trial:
    """A class with the config, the device and the task that it is tried with.

    advice: what is to be done about layers that ran in training mode in the last prediction; "" if
    none did.
    """

    cls: Any
    config: Any
    device: torch.device
    tiny: TinyTask
    advice: str = field(default="", init=False)

    def made(self, task: Task | None = None) -> Method:
        """Return a new instance, for the tiny task unless another is given."""
        with self._call("__init__"):
            return self.cls(task or self.tiny.task, self.config, Setup(self.device, 0, UPDATES))

    @cached_property
    def learned(self) -> Learned:
        """The method trained until it is clearly better than chance, at most `UPDATES` updates."""
        method, score = self.made(), 0.0
        for done in range(0, UPDATES, STEP):
            self.updated(method, self.tiny.batches(STEP, done), done + 1)
            score = self._score(method)
            if score >= self.tiny.chance + MARGIN:
                break
        return Learned(method, done + STEP, score)

    def updated(
        self, method: Method, batches: Iterable[Batch], first: int = 1
    ) -> list[dict[str, float]]:
        """Update a method with every batch; return the scalars of each update, all finite.

        `first` is the number of the first update, for the message.
        """
        told = []
        for number, batch in enumerate(batches, first):
            scalars = self.scalars(method, batch)
            values = {name: float(scalar.detach()) for name, scalar in scalars.items()}
            if bad := [name for name, value in values.items() if not np.isfinite(value)]:
                came = f"{bad[0]!r} is {values[bad[0]]} at update {number}"
                self.refuse("update", came, "finite numbers")
            told.append(values)
        return told

    def scalars(self, method: Method, batch: Batch) -> Mapping[str, Tensor]:
        """Update a method; return what it returns, scalars by name."""
        with self._call("update"):
            return check_scalars(method, "update", method.update(batch))

    def predicted(self, method: Method, batch: Batch, *, trace: bool = False) -> Prediction:
        """Return a prediction that is whole numbers >= 0 of the right shapes, on the CPU."""
        size, before = len(batch.inputs), batch.inputs.clone()
        with self._watched(method), self._call("predict"):
            found = method.predict(batch, trace=trace)
        check_prediction(method, found, size, self.tiny.task.num_classes)
        check_counts(method, found.counts.cpu().numpy())
        sure = None if found.confidence is None else found.confidence.detach().cpu()
        if sure is not None:
            check_confidence(method, sure.float().numpy())
        if not torch.equal(batch.inputs, before):
            came = "predict changed batch.inputs in place"
            self.refuse("predict", came, "that they stay: work on a copy")
        return Prediction(found.counts.cpu(), sure, found.trace)

    @contextmanager
    def _watched(self, method: Method) -> Iterator[None]:
        """Keep the advice on a prediction, and add it where a single image cannot be normalised."""
        with run_in_training() as ran:
            try:
                yield
            except Failed as error:
                told = advice(method, ran)
                if told and _ONE_VALUE in str(error):
                    raise Failed(f"{error}: {told}") from error
                raise
        self.advice = advice(method, ran)

    def state(self, method: Method) -> dict[str, Any]:
        """Return the state of a method."""
        with self._call("state_dict"):
            state = method.state_dict()
        if not isinstance(state, dict):
            came = f"state_dict returned {'None' if state is None else type(state).__name__}"
            self.refuse("state_dict", came, "a dict of all that update changes")
        return state

    def load(self, method: Method, state: dict[str, Any]) -> None:
        """Have a method go on from a state."""
        with self._call("load_state_dict"):
            method.load_state_dict(state)

    @contextmanager
    def _call(self, call: str) -> Iterator[None]:
        """Turn whatever a call of the method raises, or its end of the program, into Failed."""
        try:
            yield
        except (Breach, Unsupported):
            raise
        except (Exception, SystemExit) as error:
            raise broken(self.cls, call, error) from error

    def refuse(self, call: str, came: str, expected: str) -> NoReturn:
        """Raise Failed with what came, what was expected, and where to look.

        Raises:
            Failed: always.
        """
        raise failure(self.cls, call, came, expected)

    def refuse_other(self, came: str, otherwise: str = "") -> NoReturn:
        """Raise Failed for predictions that are not the same, with the advice on them.

        `otherwise` is said where there is none.

        Raises:
            Failed: always.
        """
        remedy = self.advice or otherwise
        self.refuse("predict", came, f"the same: {remedy}" if remedy else "the same")

    def difference(self, one: Prediction, other: Prediction, tolerance: float = 0.0) -> str:
        """Return in what two predictions of the same images differ, "" if in nothing.

        Confidences may differ by the share `tolerance`. On a GPU, where the order of a sum is not
        fixed, one image in twenty may have other counts too.
        """
        on_cpu = self.device.type == "cpu"
        rows = torch.nonzero((one.counts != other.counts).any(1))[:, 0].tolist()
        if len(rows) > (0 if on_cpu else len(one.counts) // 20):
            row = rows[0]
            return (
                f"counts {one.counts[row].tolist()} and {other.counts[row].tolist()} of image {row}"
            )
        if (one.confidence is None) != (other.confidence is None):
            return "a confidence and none"
        if one.confidence is None or other.confidence is None:
            return ""
        far = _far(one.confidence, other.confidence, tolerance if on_cpu else max(tolerance, 0.05))
        if not far.any():
            return ""
        row = int(torch.nonzero(far)[0, 0])
        return (
            f"confidence {one.confidence[row]:.6g} and {other.confidence[row]:.6g} of image {row}"
        )

    def unequal(
        self,
        one: Iterable[Mapping[str, float]],
        other: Iterable[Mapping[str, float]],
        first: int,
    ) -> str:
        """Return in what the scalars of two runs of updates differ, "" if in nothing.

        `first` is the number of their first update.
        """
        tolerance = 0.0 if self.device.type == "cpu" else 0.05
        for number, (left, right) in enumerate(zip(one, other, strict=True), first):
            for name in {**left, **right}:
                a, b = left.get(name, np.nan), right.get(name, np.nan)
                if not abs(a - b) <= tolerance * max(abs(a), abs(b), 1.0):
                    return f"{name} {a:.9g} and {b:.9g} at update {number}"
        return ""

    def _score(self, method: Method) -> float:
        found = self.predicted(method, Batch(self.tiny.inputs(len(self.tiny.test))))
        return self.tiny.score(found.counts.numpy().astype(np.int64))


def _far(one: Tensor, other: Tensor, tolerance: float) -> Tensor:
    one, other = one.double(), other.double()
    scale = torch.maximum(one.abs(), other.abs()).clamp_min(1.0)
    return (one - other).abs() > tolerance * scale
