"""A method on trial: create, train and compare instances on the tiny task."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from hsal_bench.checking import Failed
from hsal_bench.conformance.state import eval_hint
from hsal_bench.conformance.tiny_task import CLASSES, TinyTask
from hsal_bench.method import validate
from hsal_bench.method.class_check import is_fitted
from hsal_bench.method.contract import Batch, Method, Prediction, Setup, Task, Unsupported
from hsal_bench.method.errors import described, own_line
from hsal_bench.method.gradient import GradientMethod
from hsal_bench.method.validate import Breach
from hsal_bench.training import fit as fitting

UPDATES = 400  # the most that a method gets to learn the tiny task; most need far fewer
STEP = 25  # updates between two evaluations
MARGIN = 0.1  # required score above chance: five of its standard errors
PREDICTED = 24  # images whose predictions are compared
FEW = 3  # updates of a short run, where learning does not matter

Values = dict[str, Any]
"""What a run gave, by name: "loss at update 1", "counts of image 0", "confidence of image 0"."""


def answers(prediction: Prediction, images: Sequence[int] = range(PREDICTED)) -> Values:
    """Return the counts and confidences of a prediction, given the numbers of its images."""
    columns = {"counts": prediction.counts, "confidence": prediction.confidence}
    return {
        f"{name} of image {image}": value
        for name, column in columns.items()
        if column is not None
        for image, value in zip(images, column.tolist(), strict=True)
    }


@contextmanager
def in_context(context: str) -> Iterator[None]:
    """Put before the message of a failure where it happened."""
    try:
        yield
    except (Failed, Breach) as error:
        raise Failed(f"{context}: {error}") from error


def _close(x: Any, y: Any, tolerance: float) -> bool:
    numbers = isinstance(x, float) and isinstance(y, float)
    return numbers and math.isclose(x, y, rel_tol=tolerance, abs_tol=tolerance)


@dataclass
class Trial:
    """A method's class with the config, device and task to check it with."""

    cls: Any
    config: Any
    device: torch.device
    tiny: TinyTask
    updates: int = field(default=0, init=False)  # of the instance `learned`
    score: float = field(default=0.0, init=False)  # of the same, on the test examples
    predictor: Method | None = field(default=None, init=False)  # the instance that predicted last

    @property
    def fitted(self) -> bool:
        """Whether the method has `fit` instead of `update`."""
        return is_fitted(self.cls)

    @property
    def call(self) -> str:
        """The name of the call that learns."""
        return "fit" if self.fitted else "update"

    @cached_property
    def learned(self) -> Method:
        """An instance that is fitted, or trained until it clearly beats chance."""
        method, test = self.create(), Batch(self.tiny.inputs(len(self.tiny.test)))
        for start in range(0, UPDATES, STEP):
            self.learn(method, STEP, start)
            self.updates = start + STEP
            self.score = self.tiny.score(self.predict(method, test).counts)
            if self.fitted or self.beats_chance:
                break
        return method

    @property
    def beats_chance(self) -> bool:
        """Whether the score of `learned` is clearly better than that of a constant prediction."""
        return self.score >= self.tiny.chance + MARGIN

    @cached_property
    def short(self) -> list[Values]:
        """A short run, to compare others with."""
        return self.run()

    def run(
        self,
        updates: int = FEW,
        *,
        start: int = 0,
        state: dict[str, Any] | None = None,
        global_seed: int = 1,
        between: Callable[[Method], object] | None = None,
    ) -> list[Values]:
        """Fit a new instance, or train it for a few updates, then predict.

        Returns the scalars of each update, then the predictions. The run resumes from the `state`
        after `start` updates, if given. `between` is called after every update or fit. torch's
        global generator is seeded for each, so that a resumed run gets the same numbers: whether a
        method draws them is checked with another `global_seed`.
        """
        torch.manual_seed(global_seed)
        method, values = self.create(), []
        if state is not None:
            self.load(method, state)
        for done in range(start, start + (1 if self.fitted else updates)):
            torch.manual_seed(global_seed + done)
            values += self.learn(method, 1, done)
            if between:
                between(method)
        return [*values, answers(self.predict(method))]

    def create(self, task: Task | None = None) -> Method:
        """Create an instance, for the tiny task unless another is given."""
        setup = Setup(self.device, 0, 0 if self.fitted else UPDATES)
        return self._call("__init__", self.cls, task or self.tiny.task, self.config, setup)

    def learn(self, method: Method, updates: int, start: int = 0) -> list[Values]:
        """Fit a method, or train it from update `start` on; return the scalars of each update."""
        if self.fitted:
            self._call("fit", fitting.learn, method, self.tiny.train, self.tiny.valid, 0)
            return []
        return self.train(method, self.tiny.batches(updates, start), start + 1)

    def train(self, method: Method, batches: Iterable[Batch], first: int = 1) -> list[Values]:
        """Update a method with each batch, from update number `first` on; return the scalars."""
        history = []
        for number, batch in enumerate(batches, first):
            scalars = {name: float(x) for name, x in self.update(method, batch).items()}
            for name, value in scalars.items():
                if not math.isfinite(value):
                    self.fail("update", f"{name!r} is {value} at update {number}")
            history.append({f"{name} at update {number}": x for name, x in scalars.items()})
        return history

    def update(self, method: Method, batch: Batch) -> Mapping[str, Tensor]:
        """Update a method once and return its detached scalars."""
        returned = self._call("update", method.update, batch)
        scalars = validate.check_scalars(method, "update", returned)
        for name, scalar in scalars.items():
            if scalar.requires_grad:
                self.fail("update", f"update returned {name!r} attached to its graph: detach it")
        return scalars

    def predict(
        self, method: Method, batch: Batch | None = None, *, trace: bool = False
    ) -> Prediction:
        """Return a valid prediction on the CPU, by default of the first `PREDICTED` images."""
        batch = batch or Batch(self.tiny.inputs(PREDICTED))
        inputs = batch.inputs.clone()
        self.predictor = method
        prediction = self._call("predict", method.predict, batch, trace=trace)
        validate.check_prediction(method, prediction, len(inputs), CLASSES)
        counts, confidence = prediction.counts.cpu(), prediction.confidence
        validate.check_counts(method, counts.numpy())
        if confidence is not None:
            confidence = confidence.detach().cpu()
            validate.check_confidence(method, confidence.float().numpy())
        if not torch.equal(batch.inputs, inputs):
            self.fail("predict", "predict changed batch.inputs in place: work on a copy")
        return Prediction(counts, confidence, prediction.trace)

    def state(self, method: Method) -> dict[str, Any]:
        """Return the state of a method."""
        state = self._call("state_dict", method.state_dict)
        if not isinstance(state, dict):
            self.fail("state_dict", f"state_dict returned {type(state).__name__}, not a dict")
        return state

    def load(self, method: Method, state: dict[str, Any]) -> None:
        """Load a state into a method."""
        self._call("load_state_dict", method.load_state_dict, state)

    def compare(
        self, a: list[Values], b: list[Values], call: str, message: str, tolerance: float = 0.0
    ) -> None:
        """Fail if two runs differ: "message: first difference", pointing to `call`.

        `tolerance` is relative, and absolute below 1, for scalars and confidences. On a GPU, where
        sums have no fixed order, it is at least 5 %, and one image in twenty may have other counts.
        """
        exact = self.device.type == "cpu"
        tolerance = tolerance if exact else max(tolerance, 0.05)
        other_counts = 0 if exact else PREDICTED // 20
        for left, right in zip(a, b, strict=True):
            for name in {**left, **right}:
                x, y = left.get(name), right.get(name)
                if x == y or _close(x, y, tolerance):
                    continue
                if isinstance(x, list) and other_counts:
                    other_counts -= 1
                    continue
                x, y = (f"{v:.9g}" if isinstance(v, float) else v for v in (x, y))
                self.fail(call, f"{message}: {name}: {x} and {y}", hint=True)

    def fail(self, call: str, message: str, place: str = "", *, hint: bool = False) -> NoReturn:
        """Report that a call of the method breaks the contract.

        A layer that predicted in training mode is named if `hint` or if the call is "predict".

        Raises:
            Failed: always.
        """
        layers = eval_hint(self.predictor) if hint or call == "predict" else ""
        detail = f"{message}; {layers}" if layers else message
        raise Failed(f"{detail} ({place or self.where(call)})")

    def where(self, call: str) -> str:
        """Return where the class defines a call: "Mine.predict, mine.py line 30".

        For an `update` inherited from GradientMethod, return where its loss is.
        """
        if call == "update" and self.cls.update is GradientMethod.update:
            call = "loss"
        function = inspect.unwrap(getattr(self.cls, call))
        code = getattr(function, "__code__", None)
        if code is None:
            return f"{self.cls.__name__}.{call}"
        return f"{function.__qualname__}, {Path(code.co_filename).name} line {code.co_firstlineno}"

    def _call(self, call: str, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Turn any error of a call into Failed, also an attempt to end the program."""
        try:
            return function(*args, **options)
        except (Breach, Unsupported):
            raise
        except (Exception, SystemExit) as error:
            self.fail(call, f"{call} raised {described(error)}", own_line(self.cls, error))
