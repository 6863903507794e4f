"""Does a method keep the contract (hsal_bench/method/contract.py)? For `hsal-bench check-method`.

    from hsal_bench.conformance.check import check_method, failures

    def test_my_method():
        assert failures(check_method(MyMethod)) == []

The method is made and trained on a tiny task drawn in memory (`tiny_task`). A check that
rests on another one which did not pass is skipped, so that one fault is told once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from hsal_bench import options
from hsal_bench.checking import FAILED, PASSED, SKIPPED, Check, Failed, Skipped
from hsal_bench.conformance import prediction as predict
from hsal_bench.conformance import training as train
from hsal_bench.conformance.labels import check_label_order
from hsal_bench.conformance.messages import described
from hsal_bench.conformance.tiny_task import CLASSES, MAX_OBJECTS, tiny_task
from hsal_bench.conformance.trial import Trial
from hsal_bench.method.class_check import check_class
from hsal_bench.method.contract import Unsupported
from hsal_bench.method.validate import Breach
from hsal_bench.text import one_line

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
    "order of labels": _Step(check_label_order, ("same seed, same result",)),
    "random numbers of its own": _Step(train.check_randomness, ("same seed, same result",)),
    "saved and gone on with": _Step(train.check_state, ("same seed, same result",)),
    "predicting changes nothing": _Step(
        train.check_predict_aside, ("saved and gone on with", "predicts the same twice")
    ),
    "empty and full images": _Step(train.check_odd_batches, ("update", "prediction")),
}

NAMES = ("class", *_STEPS)
"""The checks, in the order in which they are made."""


def check_method(
    cls: Any, settings: Mapping[str, str] | None = None, device: torch.device = CPU
) -> list[Check]:
    """Try a method's class and return what was seen, check by check.

    `settings` (fields of its Config to texts, as of `--set`) go over those of the preset "quick".
    An exception in the method is a failed check that names the line of its file.

    Raises:
        UsageError: no such field, or a text that is none of its values.
    """
    try:
        checks = [Check("class", PASSED, check_class(cls))]
    except Exception as error:
        checks = [Check("class", FAILED, _told(error))]
        return checks + [_skipped(name, ["class"]) for name in _STEPS]
    config = _config(cls, settings or {})
    trial = Trial(cls, config, device, tiny_task(cls.inputs, device))
    for name, step in _STEPS.items():
        checks.append(_outcome(name, step, trial, checks))
    return checks


def failures(checks: Iterable[Check]) -> list[str]:
    """Return the checks that failed, a line each."""
    return [f"{check.name}: {check.detail}" for check in checks if check.outcome == FAILED]


def _config(cls: Any, settings: Mapping[str, str]) -> Any:
    changes = getattr(cls, "presets", {}).get(PRESET, {})
    default = dataclasses.replace(cls.Config(), **changes)
    return options.replace(default, settings, cls.__name__)


def _outcome(name: str, step: _Step, trial: Trial, before: Iterable[Check]) -> Check:
    passed = {check.name for check in before if check.outcome == PASSED}
    if causes := list(dict.fromkeys(_causes(step.needs, passed))):
        return _skipped(name, causes)
    try:
        with torch.random.fork_rng(devices=[]):
            return Check(name, PASSED, step.check(trial))
    except Skipped as reason:
        return Check(name, SKIPPED, one_line(str(reason)))
    except Exception as error:
        return Check(name, FAILED, _told(error))


def _causes(needs: Iterable[str], passed: set[str]) -> Iterator[str]:
    """Yield which checks keep those in `needs` from passing: themselves, or what they wait for."""
    for need in needs:
        if need not in passed:
            deeper = _causes(_STEPS[need].needs, passed) if need in _STEPS else iter(())
            yield from list(deeper) or [need]


def _skipped(name: str, causes: Iterable[str]) -> Check:
    return Check(name, SKIPPED, f"says nothing until this passes: {', '.join(causes)}")


def _told(error: Exception) -> str:
    """Return what went wrong in a line."""
    if isinstance(error, Unsupported):
        task = f"{CLASSES} classes and 0 to {MAX_OBJECTS} objects"
        return f"{described(error)}; a method is checked on {task}"
    return one_line(str(error)) if isinstance(error, Failed | Breach) else described(error)
