"""Checks that a method keeps the contract (hsal_bench/method/contract.py), for `check-method`.

    from hsal_bench.conformance.check import check_method, failures

    def test_my_method():
        assert failures(check_method(MyMethod)) == []

The method is created and trained on a tiny task generated in memory (`tiny_task`). A check that
needs another check is skipped unless that one passes, so that each fault is reported once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import chain
from typing import Any, Literal, NamedTuple

import torch

from hsal_bench import options
from hsal_bench.checking import FAILED, PASSED, SKIPPED, Check, Failed, Skipped
from hsal_bench.conformance import prediction, training
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
    """A check, and the checks that must pass first.

    call: the check is for methods with this call only.
    """

    name: str
    check: Callable[[Trial], str]
    needs: tuple[str, ...]
    call: Literal["update", "fit", ""] = ""


_LEARNED = ("training", "fit")
_PREDICTED = ("repeatable predictions",)
_RUNS = ("update", "prediction", "fit")
_SAVED = ("save and resume", "save and restore")

_STEPS = (
    _Step("create", training.check_create, ("class",)),
    _Step("update", training.check_update, ("create",), "update"),
    _Step("prediction", prediction.check_untrained, ("create",), "update"),
    _Step("training", training.check_training, ("update", "prediction"), "update"),
    _Step("fit", training.check_fit, ("create",), "fit"),
    _Step("learning", training.check_learning, _LEARNED),
    _Step("repeatable predictions", prediction.check_repeatable, _LEARNED),
    _Step("single images", prediction.check_single, _PREDICTED),
    _Step("batch order", prediction.check_order, _PREDICTED),
    _Step("labels unread", prediction.check_labels_unread, _PREDICTED),
    _Step("more objects", prediction.check_more_objects, _LEARNED),
    _Step("trace", prediction.check_trace, _PREDICTED),
    _Step("same seed", training.check_seed, _RUNS),
    _Step("order of labels", training.check_label_order, ("same seed",), "update"),
    _Step("own random numbers", training.check_randomness, ("same seed",)),
    _Step("save and resume", training.check_resume, ("same seed",), "update"),
    _Step("save and restore", training.check_restore, ("fit",), "fit"),
    _Step("side effects", training.check_side_effects, (*_SAVED, *_PREDICTED)),
    _Step("empty and full images", training.check_extreme_batches, _RUNS),
)
"""The checks in the order in which they run. Needs that a method does not have count as passed."""

NAMES = ("class", *(step.name for step in _STEPS if step.call != "fit"))
"""The checks of a method with `update`."""


def check_method(
    cls: Any, settings: Mapping[str, str] | None = None, device: torch.device = CPU
) -> list[Check]:
    """Run every check on a method's class and return the outcomes.

    `settings` (fields of its Config to texts, as in `--set`) override those of the preset "quick".
    An exception in the method is a failed check that names the line in its file.

    Raises:
        UsageError: a setting does not exist, or its text is not a valid value.
    """
    call = "fit" if is_fitted(cls) else "update"
    steps = [step for step in _STEPS if step.call in ("", call)]
    checks = [_outcome("class", partial(check_class, cls))]
    if checks[0].outcome == FAILED:
        return checks + [_skipped(step.name, ["class"]) for step in steps]
    trial = Trial(cls, _config(cls, settings or {}), device, tiny_task(cls.inputs, device))
    causes: dict[str, list[str]] = {}  # of each check that did not pass: the first ones in its way
    for name, check, needs, _ in steps:
        missing = list(dict.fromkeys(chain.from_iterable(causes.get(need, ()) for need in needs)))
        checks.append(_skipped(name, missing) if missing else _outcome(name, partial(check, trial)))
        if checks[-1].outcome != PASSED:
            causes[name] = missing or [name]
    return checks


def failures(checks: Iterable[Check]) -> list[str]:
    """Return the checks that failed, one line each."""
    return [f"{check.name}: {check.detail}" for check in checks if check.outcome == FAILED]


def _config(cls: Any, settings: Mapping[str, str]) -> Any:
    changes = getattr(cls, "presets", {}).get(PRESET, {})
    default = dataclasses.replace(cls.Config(), **changes)
    return options.replace(default, settings, cls.__name__)


def _outcome(name: str, check: Callable[[], str]) -> Check:
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return Check(name, PASSED, check())
    except Skipped as reason:
        return Check(name, SKIPPED, one_line(str(reason)))
    except (Failed, Breach) as error:
        return Check(name, FAILED, one_line(str(error)))
    except Unsupported as error:
        task = f"{CLASSES} classes and 0 to {MAX_OBJECTS} objects"
        return Check(name, FAILED, f"{described(error)} (the checks use {task})")
    except Exception as error:
        return Check(name, FAILED, described(error))


def _skipped(name: str, causes: Iterable[str]) -> Check:
    return Check(name, SKIPPED, f"{' and '.join(map(repr, causes))} must pass first")
