"""A method on trial: create, train and compare instances on the tiny task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, NoReturn

import numpy as np
import torch
from torch import Tensor

from hsal_bench.checking import Failed
from hsal_bench.conformance.messages import where
from hsal_bench.conformance.state import eval_hint
from hsal_bench.conformance.tiny_task import TinyTask
from hsal_bench.method.class_check import is_fitted
from hsal_bench.method.contract import Batch, Method, Prediction, Setup, Task, Unsupported
from hsal_bench.method.errors import described, own_line
from hsal_bench.method.validate import (
    Breach,
    check_confidence,
    check_counts,
    check_prediction,
    check_scalars,
)
from hsal_bench.training.fit import learn

UPDATES = 400
"""The most updates a method gets to learn the tiny task; most need far fewer."""

STEP = 25
"""Updates between two evaluations."""

MARGIN = 0.1
"""Required score above chance: five of its standard errors."""

PREDICTED = 24
"""Images whose predictions are compared."""

FEW = 3
"""Updates of a short run, where learning does not matter."""

_Action = Callable[[Method], None]
History = list[dict[str, float]]
"""The scalars of each update."""


class ShortRun(NamedTuple):
    """The result of a short run: the scalars of its updates and the predictions after them."""

    history: History
    prediction: Prediction


@dataclass(frozen=True)
class Learned:
    """A trained or fitted method, its number of updates and its score on the test examples."""

    method: Method
    updates: int
    score: float


@dataclass
class Trial:
    """A method's class with the config, device and task to check it with.

    hint: which layers were in training mode after the last prediction; "" if none was.
    """

    cls: Any
    config: Any
    device: torch.device
    tiny: TinyTask
    hint: str = field(default="", init=False)

    def create(self, task: Task | None = None) -> Method:
        """Create an instance, for the tiny task unless another is given."""
        with self._call("__init__"):
            setup = Setup(self.device, 0, 0 if self.fitted else UPDATES)
            return self.cls(task or self.tiny.task, self.config, setup)

    @property
    def fitted(self) -> bool:
        """Whether the method has `fit` instead of `update`."""
        return is_fitted(self.cls)

    @property
    def call(self) -> str:
        """The name of the call that learns."""
        return "fit" if self.fitted else "update"

    @cached_property
    def learned(self) -> Learned:
        """An instance that is fitted, or trained until it clearly beats chance.

        Training has at most `UPDATES` updates.
        """
        method, score = self.create(), 0.0
        if self.fitted:
            self.fit(method)
            return Learned(method, 0, self.score(method))
        for done in range(0, UPDATES, STEP):
            self.train(method, self.tiny.batches(STEP, done), done + 1)
            score = self.score(method)
            if score >= self.tiny.chance + MARGIN:
                break
        return Learned(method, done + STEP, score)

    def score(self, method: Method) -> float:
        """Return the score of a method on the test examples."""
        test = self.predict(method, Batch(self.tiny.inputs(len(self.tiny.test))))
        return self.tiny.score(test.counts.numpy().astype(np.int64))

    def fit(self, method: Method) -> None:
        """Fit a method to the training examples."""
        with self._call("fit"):
            learn(method, self.tiny.train, self.tiny.valid, 0)

    def train(self, method: Method, batches: Iterable[Batch], first: int = 1) -> History:
        """Update a method with each batch; `first` is the number of the first update.

        Raises:
            Failed: a scalar is not finite.
        """
        history = []
        for number, batch in enumerate(batches, first):
            scalars = self.scalars(method, batch)
            history.append({name: float(scalar.detach()) for name, scalar in scalars.items()})
            for name, value in history[-1].items():
                if not np.isfinite(value):
                    self.fail("update", f"{name!r} is {value} at update {number}")
        return history

    def scalars(self, method: Method, batch: Batch) -> Mapping[str, Tensor]:
        """Update a method once and return its scalars."""
        with self._call("update"):
            return check_scalars(method, "update", method.update(batch))

    def predict(self, method: Method, batch: Batch, *, trace: bool = False) -> Prediction:
        """Return a checked prediction on the CPU.

        Raises:
            Breach: shapes, types or values break the contract.
            Failed: predict raised an error or changed its inputs.
        """
        inputs = batch.inputs.clone()
        with self._call("predict"):
            try:
                prediction = method.predict(batch, trace=trace)
            finally:
                self.hint = eval_hint(method)
        check_prediction(method, prediction, len(inputs), self.tiny.task.num_classes)
        check_counts(method, prediction.counts.cpu().numpy())
        confidence = prediction.confidence
        if confidence is not None:
            confidence = confidence.detach().cpu()
            check_confidence(method, confidence.float().numpy())
        if not torch.equal(batch.inputs, inputs):
            self.fail("predict", "predict changed batch.inputs in place: work on a copy")
        return Prediction(prediction.counts.cpu(), confidence, prediction.trace)

    def state(self, method: Method) -> dict[str, Any]:
        """Return the state of a method."""
        with self._call("state_dict"):
            state = method.state_dict()
        if not isinstance(state, dict):
            self.fail("state_dict", f"state_dict returned {type(state).__name__}, not a dict")
        return state

    def load(self, method: Method, state: dict[str, Any]) -> None:
        """Load a state into a method."""
        with self._call("load_state_dict"):
            method.load_state_dict(state)

    def run(
        self, updates: int = FEW, *, global_seed: int = 1, between: _Action | None = None
    ) -> ShortRun:
        """Fit a new instance, or train it for a few updates, then predict.

        `global_seed` seeds torch's global generator; `between` is called after every update.
        """
        torch.manual_seed(global_seed)
        method, history = self.create(), []
        if self.fitted:
            self.fit(method)
            updates = 0
        for number, batch in enumerate(self.tiny.batches(updates), 1):
            history += self.train(method, [batch], number)
            if between:
                between(method)
        return ShortRun(history, self.predict(method, Batch(self.tiny.inputs(PREDICTED))))

    def compare(self, a: ShortRun, b: ShortRun, call: str, message: str, first: int = 1) -> None:
        """Compare two runs whose first update has the number `first`.

        Raises:
            Failed: they differ; the error reads "message: first difference" and points to `call`.
        """
        tolerance = 0.0 if self.device.type == "cpu" else 0.05
        for number, (left, right) in enumerate(zip(a.history, b.history, strict=True), first):
            for name in {**left, **right}:
                x, y = left.get(name, np.nan), right.get(name, np.nan)
                if not abs(x - y) <= tolerance * max(abs(x), abs(y), 1.0):
                    self.fail(call, f"{message}: {name} {x:.9g} and {y:.9g} at update {number}")
        if difference := self.difference(a.prediction, b.prediction):
            hint = f"; {self.hint}" if self.hint and call != "predict" else ""
            self.fail(call, f"{message}: {difference}{hint}")

    def difference(self, a: Prediction, b: Prediction, tolerance: float = 0.0) -> str:
        """Return the first difference between predictions of the same images; "" if none.

        `tolerance` is relative and for confidences. On a GPU, where sums have no fixed order, it is
        at least 5 %, and the counts of one image in twenty may differ.
        """
        on_cpu = self.device.type == "cpu"
        rows = torch.nonzero((a.counts != b.counts).any(1))[:, 0].tolist()
        if len(rows) > (0 if on_cpu else len(a.counts) // 20):
            row = rows[0]
            return f"counts {a.counts[row].tolist()} and {b.counts[row].tolist()} of image {row}"
        if a.confidence is None or b.confidence is None:
            return "" if a.confidence is b.confidence else "only one has a confidence"
        x, y = a.confidence.double(), b.confidence.double()
        scale = torch.maximum(x.abs(), y.abs()).clamp_min(1.0)
        far = (x - y).abs() > (tolerance if on_cpu else max(tolerance, 0.05)) * scale
        if not far.any():
            return ""
        row = int(torch.nonzero(far)[0, 0])
        return f"confidence {x[row]:.6g} and {y[row]:.6g} of image {row}"

    def fail(self, call: str, message: str, place: str = "") -> NoReturn:
        """Report that a call of the method breaks the contract, with the hint on predictions.

        Raises:
            Failed: always.
        """
        hint = f"; {self.hint}" if self.hint and call == "predict" else ""
        raise Failed(f"{message}{hint} ({place or where(self.cls, call)})")

    @contextmanager
    def _call(self, call: str) -> Iterator[None]:
        """Turn any error of a call into Failed, also an attempt to end the program."""
        try:
            yield
        except (Breach, Unsupported):
            raise
        except (Exception, SystemExit) as error:
            self.fail(call, f"{call} raised {described(error)}", own_line(self.cls, error))
