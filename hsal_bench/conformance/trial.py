"""A method on trial: create, train and compare instances on the tiny task."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

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
from hsal_bench.training.fit import learn

UPDATES = 400  # the most that a method gets to learn the tiny task; most need far fewer
STEP = 25  # updates between two evaluations
MARGIN = 0.1  # required score above chance: five of its standard errors
PREDICTED = 24  # images whose predictions are compared
FEW = 3  # updates of a short run, where learning does not matter

Scalars = dict[str, float]


class ShortRun(NamedTuple):
    """The predictions after a short run, and the scalars of its updates by their numbers."""

    prediction: Prediction
    history: Mapping[int, Scalars]


class Learned(NamedTuple):
    """A trained or fitted method, its number of updates and its score on the test examples."""

    method: Method
    updates: int
    score: float


@contextmanager
def in_context(context: str) -> Iterator[None]:
    """Put before the message of a failure where it happened."""
    try:
        yield
    except (Failed, Breach) as error:
        raise Failed(f"{context}: {error}") from error


@dataclass
class Trial:
    """A method's class with the config, device and task to check it with."""

    cls: Any
    config: Any
    device: torch.device
    tiny: TinyTask
    predictor: Method | None = field(default=None, init=False)  # the one that predicted last

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
        """An instance that is fitted, or trained until it clearly beats chance."""
        method = self.create()
        if self.fitted:
            self.fit(method)
            return Learned(method, 0, self._score(method))
        for done in range(0, UPDATES, STEP):
            self.train(method, self.tiny.batches(STEP, done), done + 1)
            score = self._score(method)
            if score >= self.tiny.chance + MARGIN:
                break
        return Learned(method, done + STEP, score)

    def _score(self, method: Method) -> float:
        test = Batch(self.tiny.inputs(len(self.tiny.test)))
        return self.tiny.score(self.predict(method, test).counts)

    @cached_property
    def short(self) -> ShortRun:
        """A short run, to compare others with."""
        return self.run()

    def run(
        self,
        updates: int = FEW,
        *,
        start: int = 0,
        state: dict[str, Any] | None = None,
        global_seed: int = 1,
        between: Callable[[Method], object] = id,
    ) -> ShortRun:
        """Fit a new instance, or train it for a few updates, then predict.

        The run resumes from the `state` after `start` updates, if given. `between` is called after
        every update. torch's global generator is seeded for each update, so that a resumed run
        gets the same numbers: whether a method draws them is checked with another `global_seed`.
        """
        torch.manual_seed(global_seed)
        method = self.create()
        history: dict[int, Scalars] = {}
        if state is not None:
            self.load(method, state)
        if self.fitted:
            self.fit(method)
        batches = self.tiny.batches(0 if self.fitted else updates, start)
        for number, batch in enumerate(batches, start + 1):
            torch.manual_seed(global_seed + number)
            history |= self.train(method, [batch], number)
            between(method)
        return ShortRun(self.predict(method), history)

    def create(self, task: Task | None = None) -> Method:
        """Create an instance, for the tiny task unless another is given."""
        setup = Setup(self.device, 0, 0 if self.fitted else UPDATES)
        return self._call("__init__", self.cls, task or self.tiny.task, self.config, setup)

    def fit(self, method: Method) -> None:
        """Fit a method to the training examples."""
        self._call("fit", learn, method, self.tiny.train, self.tiny.valid, 0)

    def train(self, method: Method, batches: Iterable[Batch], first: int = 1) -> dict[int, Scalars]:
        """Update a method with each batch; `first` is the number of the first update."""
        history: dict[int, Scalars] = {}
        for number, batch in enumerate(batches, first):
            history[number] = {k: float(v) for k, v in self.update(method, batch).items()}
            for name, value in history[number].items():
                if not math.isfinite(value):
                    self.fail("update", f"{name!r} is {value} at update {number}")
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
        self, a: ShortRun, b: ShortRun, call: str, message: str, tolerance: float = 0.0
    ) -> None:
        """Compare the updates of `b` with those of `a`, and the predictions after them.

        Raises:
            Failed: they differ; the error reads "message: first difference" and points to `call`.
        """
        if difference := next(self._differences(a, b, tolerance), ""):
            self.fail(call, f"{message}: {difference}", hint=True)

    def _differences(self, a: ShortRun, b: ShortRun, tolerance: float) -> Iterator[str]:
        """Yield how two runs differ. `tolerance` is relative, for scalars and confidences.

        On a GPU, where sums have no fixed order, it is at least 5 %, and the counts of one image in
        twenty may differ.
        """
        exact = self.device.type == "cpu"
        tolerance = tolerance if exact else max(tolerance, 0.05)
        close = partial(math.isclose, rel_tol=tolerance, abs_tol=tolerance)
        for number, scalars in b.history.items():
            for name in {**a.history[number], **scalars}:
                x, y = (run.history[number].get(name, math.nan) for run in (a, b))
                if not close(x, y):
                    yield f"{name} {x:.9g} and {y:.9g} at update {number}"
        counts, others = a.prediction.counts, b.prediction.counts
        rows = torch.nonzero((counts != others).any(1))[:, 0].tolist()
        for row in rows[0 if exact else len(counts) // 20 :]:
            yield f"counts {counts[row].tolist()} and {others[row].tolist()} of image {row}"
        u, v = a.prediction.confidence, b.prediction.confidence
        if u is None or v is None:
            yield from [] if u is v else ["only one has a confidence"]
            return
        for row, (x, y) in enumerate(zip(u.tolist(), v.tolist(), strict=True)):
            if not close(x, y):
                yield f"confidence {x:.6g} and {y:.6g} of image {row}"

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
