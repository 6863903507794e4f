"""Does a method keep the contract of hsal_bench/method.py? `hsal-bench check-method` calls this.

    from hsal_bench.conformance import check_method, failures

    def test_my_method():
        assert failures(check_method(MyMethod)) == []

The method is made and trained on a tiny task drawn in memory (`conformance_task`). A check that
rests on another one which did not pass is skipped, so that one fault is told once.
"""

from __future__ import annotations

import dataclasses
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hsal_bench import conformance_predict as predict
from hsal_bench import conformance_train as train
from hsal_bench import options
from hsal_bench.checks import Failed, Skipped
from hsal_bench.conformance_class import check_class
from hsal_bench.conformance_task import tiny_task
from hsal_bench.conformance_trial import Trial
from hsal_bench.contract import Breach
from hsal_bench.method import Unsupported
from hsal_bench.verify import FAILED, PASSED, SKIPPED, Check

PRESET = "quick"
"""Whose settings are checked: small networks."""

CPU = torch.device("cpu")


@dataclass(frozen=True)
class _Step:
    """A check, and those that must have passed for it to say anything."""

    check: Callable[[Trial], str]
    needs: tuple[str, ...]


_STEPS = {
    "made": _Step(train.check_made, ("class",)),
    "update": _Step(train.check_update, ("made",)),
    "prediction": _Step(predict.check_prediction, ("made",)),
    "training": _Step(train.check_training, ("update", "prediction")),
    "learning": _Step(train.check_learning, ("training",)),
    "predicts the same twice": _Step(predict.check_twice, ("training",)),
    "one image = a batch": _Step(predict.check_single, ("predicts the same twice",)),
    "order of a batch": _Step(predict.check_order, ("predicts the same twice",)),
    "labels are not read": _Step(predict.check_labels_unread, ("predicts the same twice",)),
    "more objects": _Step(predict.check_more_objects, ("training",)),
    "trace": _Step(predict.check_trace, ("predicts the same twice",)),
    "same seed, same result": _Step(train.check_seed, ("update", "prediction")),
    "predicting changes nothing": _Step(
        train.check_predict_aside, ("same seed, same result", "predicts the same twice")
    ),
    "random numbers of its own": _Step(train.check_randomness, ("same seed, same result",)),
    "saved and gone on with": _Step(train.check_state, ("same seed, same result",)),
    "empty and full images": _Step(train.check_odd_batches, ("update", "prediction")),
}


def check_method(cls: Any, config: Any = None, device: torch.device = CPU) -> list[Check]:
    """Try a method's class and return what was seen, check by check.

    `config`: an instance of `cls.Config`; by default that of the preset "quick". An exception in
    the method is a failed check that names the line of its file.
    """
    try:
        checks = [Check("class", PASSED, check_class(cls))]
        config = preset_config(cls) if config is None else config
        trial = Trial(cls, config, device, tiny_task(cls.inputs, device))
    except Exception as error:
        checks = [Check("class", FAILED, _told(error, cls))]
        return checks + [_skipped(name, ["class"]) for name in _STEPS]
    for name, step in _STEPS.items():
        checks.append(_outcome(name, step, trial, checks))
    return checks


def failures(checks: Iterable[Check]) -> list[str]:
    """Return the checks that failed, a line each."""
    return [f"{check.name}: {check.detail}" for check in checks if check.outcome == FAILED]


def preset_config(cls: Any, settings: Mapping[str, str] | None = None) -> Any:
    """Return the config of the preset "quick" with `settings` (texts, as of `--set`) on it.

    Raises:
        UsageError: no such field, or a text that is none of its values.
    """
    changes = getattr(cls, "presets", {}).get(PRESET, {})
    default = dataclasses.replace(cls.Config(), **changes)
    return options.replace(default, settings or {}, cls.__name__)


def _outcome(name: str, step: _Step, trial: Trial, before: Iterable[Check]) -> Check:
    passed = {check.name for check in before if check.outcome == PASSED}
    if missing := [need for need in step.needs if need not in passed]:
        return _skipped(name, missing)
    try:
        with torch.random.fork_rng(devices=[]):
            return Check(name, PASSED, step.check(trial))
    except Skipped as reason:
        return Check(name, SKIPPED, str(reason))
    except Exception as error:
        return Check(name, FAILED, _told(error, trial.cls))


def _skipped(name: str, missing: Iterable[str]) -> Check:
    return Check(name, SKIPPED, f"says nothing until this passes: {', '.join(missing)}")


def _told(error: Exception, cls: Any) -> str:
    """Return what went wrong in a line; of an error inside the method, with its place."""
    message = " ".join(str(error).split())
    if isinstance(error, Failed | Breach):
        return message
    if isinstance(error, Unsupported):
        return f"Unsupported: {message}; a method is checked on 3 classes and 0 to 3 objects"
    frame = _last_line(error, cls)
    return f"{Path(frame.filename).name} line {frame.lineno}: {type(error).__name__}: {message}"


def _last_line(error: Exception, cls: Any) -> traceback.FrameSummary:
    """Return the deepest line of the method's own folder, else the deepest of all."""
    frames = traceback.extract_tb(error.__traceback__)
    folder = Path(getattr(sys.modules.get(cls.__module__), "__file__", None) or "").parent
    own = [frame for frame in frames if Path(frame.filename).parent == folder]
    return (own or frames)[-1]
