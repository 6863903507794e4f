"""What a run was asked to do, checked before any work: methods, their configs, the budget."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsal_bench import options, presets, registry
from hsal_bench.errors import UsageError, suggest
from hsal_bench.presets import Budget, Preset

if TYPE_CHECKING:
    from hsal_bench.method import Method

MOST_SEED = 2**32 - 1
INPUTS = ("images", "activations")
_CONTRACT = ("Config", "inputs", "update", "predict", "state_dict", "load_state_dict")


@dataclass(frozen=True)
class Request:
    """What the user asked for; None leaves a choice to the preset or the machine."""

    models: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    dataset: str = "mnist-multiset"
    preset: str | None = None
    device: str | None = None
    out: Path = Path("runs")
    datasets: Path = Path("data")
    data_dir: Path = Path("data")
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)  # KEY or METHOD:KEY
    updates: int | None = None
    batch_size: int | None = None
    eval_every: int | None = None
    fine_tune_updates: int | None = None
    backbone: str | None = None
    backbone_weights: str | None = None
    restart: bool = False
    command: str = ""


@dataclass(frozen=True)
class Entry:
    """One method with its config, checked against `--set` and the preset.

    `settings` are those of `--set` that concern it, and the activation model where it is not the
    preset's; `label` names its folder; `sha256` is that of
    the file it was given as, None for a name.
    """

    name: str
    cls: type[Method]
    config: Any
    settings: Mapping[str, str]
    label: str
    sha256: str | None


def entry(
    model: str, preset: str, settings: Mapping[str, str], backbone: str | None = None
) -> Entry:
    """Return the method `model` with the config that the preset and `settings` give it.

    `backbone`, an activation model other than the preset's, names a variant as a setting does.

    Raises:
        UsageError: no such method or field, a value that is none, a class that is no method.
    """
    cls = registry.load_method(model)
    path, _, name = model.rpartition(":")
    _check_contract(cls, model)
    default = dataclasses.replace(cls.Config(), **getattr(cls, "presets", {}).get(preset, {}))
    config = options.replace(default, given := settings_of(name, settings), name)
    # As the config holds them, and only what changes it: "true" and "yes" are one setting and one
    # folder, and a default that is spelt out is no variant.
    own = {
        key: options.as_text(getattr(config, key))
        for key in given
        if getattr(config, key) != getattr(default, key)
    }
    if backbone is not None and cls.inputs == "activations":
        own["backbone"] = backbone
    label = "+".join([name, *(f"{key}={value}" for key, value in sorted(own.items()))])
    sha256 = hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else None
    return Entry(name, cls, config, own, label.replace("/", "_"), sha256)


def settings_of(method: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that concern a method: `METHOD:KEY` for it alone, over `KEY` for all."""
    for_all = {name: value for name, value in settings.items() if ":" not in name}
    prefix = f"{method}:"
    own = {
        name.removeprefix(prefix): value
        for name, value in settings.items()
        if name.startswith(prefix)
    }
    return for_all | own


def check_names(request: Request) -> None:
    """Check what can be checked without importing a method, so that a slip is told at once.

    Raises:
        UsageError: a method, preset, data set or owner of a setting that is not known.
    """
    known = registry.names(registry.METHODS)
    for model in request.models:
        if ".py" not in model and model not in known:
            raise UsageError(f"no method {model!r}: {suggest(model, known)}")
    for seed in request.seeds:
        if not 0 <= seed <= MOST_SEED:
            raise UsageError(f"--seeds {seed}: seeds go from 0 to {MOST_SEED:,}")
    if request.preset is not None:
        presets.preset(request.preset)
    methods = {model.rpartition(":")[2] for model in request.models}
    for name in request.settings:
        owner, colon, _ = name.rpartition(":")
        if colon and owner not in methods:
            raise UsageError(
                f"--set {name}: {owner!r} is not in this run; {suggest(owner, methods)}"
            )


def scaled(preset: Preset, request: Request) -> Preset:
    """Return the preset with what the request names instead: budgets, activation model."""
    train = _with_updates(preset.train, request.updates)
    asked = {"batch_size": request.batch_size, "eval_every": request.eval_every}
    given = {name: value for name, value in asked.items() if value is not None}
    tuning = request.fine_tune_updates
    return dataclasses.replace(
        preset,
        backbone=request.backbone or preset.backbone,
        train=dataclasses.replace(train, **given),
        fine_tune=_with_updates(preset.fine_tune, tuning),
        from_scratch=_with_updates(preset.from_scratch, tuning),
    )


def _with_updates(budget: Budget, updates: int | None) -> Budget:
    """Return the budget with another number of updates and as many evaluations."""
    if updates is None:
        return budget
    eval_every = max(1, budget.eval_every * updates // budget.updates)
    return dataclasses.replace(budget, updates=updates, eval_every=eval_every)


def _check_contract(cls: Any, model: str) -> None:
    if missing := [name for name in _CONTRACT if not hasattr(cls, name)]:
        raise UsageError(f"{model} is not a method: it lacks {missing[0]!r} (hsal_bench/method.py)")
    if cls.inputs not in INPUTS:
        raise UsageError(f"{model} has inputs={cls.inputs!r}: it takes {' or '.join(INPUTS)}")
    if not dataclasses.is_dataclass(cls.Config):
        raise UsageError(f"{model} has a Config that is not a dataclass")
