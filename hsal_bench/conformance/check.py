"""Checks that a method keeps the contract (hsal_bench/method/contract.py), for `check-method`.

    from hsal_bench.conformance.check import check_method, failures

    def test_my_method():
        assert failures(check_method(MyMethod)) == []

The method is created and trained on a tiny task generated in memory (`tiny_task`). A check that
needs another check is skipped unless that one passes, so that each fault is reported once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch

from hsal_bench import options
from hsal_bench.checking import FAILED, PASSED, SKIPPED, Check, Failed, Skipped
from hsal_bench.conformance import fitting, prediction, training
from hsal_bench.conformance.labels import check_label_order
from hsal_bench.conformance.tiny_task import CLASSES, MAX_OBJECTS, tiny_task
from hsal_bench.conformance.trial import Trial
from hsal_bench.method.class_check import check_class, is_fitted
from hsal_bench.method.contract import Unsupported
from hsal_bench.method.errors import described
from hsal_bench.method.validate import Breach
from hsal_bench.text import one_line

PRESET = "quick"
"""The preset that is checked: small networks."""

CPU = torch.device("cpu")


class _Step(NamedTuple):
    """A check, and the checks that must pass first."""

    check: Callable[[Trial], str]
    needs: tuple[str, ...]


_STEPS = {
    "create": _Step(training.check_create, ("class",)),
    "update": _Step(training.check_update, ("create",)),
    "prediction": _Step(prediction.check_untrained, ("create",)),
    "training": _Step(training.check_training, ("update", "prediction")),
    "learning": _Step(training.check_learning, ("training",)),
    "repeatable predictions": _Step(prediction.check_repeatable, ("training",)),
    "single images": _Step(prediction.check_single, ("repeatable predictions",)),
    "batch order": _Step(prediction.check_order, ("repeatable predictions",)),
    "labels unread": _Step(prediction.check_labels_unread, ("repeatable predictions",)),
    "more objects": _Step(prediction.check_more_objects, ("training",)),
    "trace": _Step(prediction.check_trace, ("repeatable predictions",)),
    "same seed": _Step(training.check_seed, ("update", "prediction")),
    "order of labels": _Step(check_label_order, ("same seed",)),
    "own random numbers": _Step(training.check_randomness, ("same seed",)),
    "save and resume": _Step(training.check_resume, ("same seed",)),
    "side effects": _Step(
        training.check_side_effects, ("save and resume", "repeatable predictions")
    ),
    "empty and full images": _Step(training.check_extreme_batches, ("update", "prediction")),
}

_FITTED_STEPS = {
    "create": _STEPS["create"],
    "fit": _Step(fitting.check_fit, ("create",)),
    "learning": _Step(training.check_learning, ("fit",)),
    "repeatable predictions": _Step(prediction.check_repeatable, ("fit",)),
    **{name: _STEPS[name] for name in ("single images", "batch order", "labels unread")},
    "more objects": _Step(prediction.check_more_objects, ("fit",)),
    "trace": _STEPS["trace"],
    "same seed": _Step(fitting.check_seed, ("fit",)),
    "own random numbers": _STEPS["own random numbers"],
    "save and restore": _Step(fitting.check_restore, ("fit",)),
    "side effects": _Step(
        fitting.check_side_effects, ("save and restore", "repeatable predictions")
    ),
    "empty and full images": _Step(fitting.check_extreme_images, ("fit",)),
}
"""The checks of a method with `fit` instead of `update`."""

NAMES = ("class", *_STEPS)
"""The checks of a method with `update`, in the order in which they run."""


def check_method(
    cls: Any, settings: Mapping[str, str] | None = None, device: torch.device = CPU
) -> list[Check]:
    """Run every check on a method's class and return the outcomes.

    `settings` (fields of its Config to texts, as in `--set`) override those of the preset "quick".
    An exception in the method is a failed check that names the line in its file.

    Raises:
        UsageError: a setting does not exist, or its text is not a valid value.
    """
    steps = _FITTED_STEPS if is_fitted(cls) else _STEPS
    try:
        checks = [Check("class", PASSED, check_class(cls))]
    except Exception as error:
        checks = [Check("class", FAILED, _detail(error))]
        return checks + [_skipped(name, ["class"]) for name in steps]
    config = _config(cls, settings or {})
    trial = Trial(cls, config, device, tiny_task(cls.inputs, device))
    for name, step in steps.items():
        passed = {check.name for check in checks if check.outcome == PASSED}
        if causes := list(dict.fromkeys(_causes(step.needs, passed, steps))):
            checks.append(_skipped(name, causes))
        else:
            checks.append(_outcome(name, step, trial))
    return checks


def failures(checks: Iterable[Check]) -> list[str]:
    """Return the checks that failed, one line each."""
    return [f"{check.name}: {check.detail}" for check in checks if check.outcome == FAILED]


def _config(cls: Any, settings: Mapping[str, str]) -> Any:
    changes = getattr(cls, "presets", {}).get(PRESET, {})
    default = dataclasses.replace(cls.Config(), **changes)
    return options.replace(default, settings, cls.__name__)


def _outcome(name: str, step: _Step, trial: Trial) -> Check:
    try:
        with torch.random.fork_rng(devices=[]):
            return Check(name, PASSED, step.check(trial))
    except Skipped as reason:
        return Check(name, SKIPPED, one_line(str(reason)))
    except Exception as error:
        return Check(name, FAILED, _detail(error))


def _causes(needs: Iterable[str], passed: set[str], steps: Mapping[str, _Step]) -> Iterator[str]:
    """Yield the first checks in the chain of needs that did not pass."""
    for need in needs:
        if need not in passed:
            deeper = _causes(steps[need].needs, passed, steps) if need in steps else iter(())
            yield from list(deeper) or [need]


def _skipped(name: str, causes: Iterable[str]) -> Check:
    return Check(name, SKIPPED, f"{' and '.join(map(repr, causes))} must pass first")


def _detail(error: Exception) -> str:
    """Return an error on one line."""
    if isinstance(error, Unsupported):
        task = f"{CLASSES} classes and 0 to {MAX_OBJECTS} objects"
        return f"{described(error)} (the checks use {task})"
    return one_line(str(error)) if isinstance(error, Failed | Breach) else described(error)
