"""What a run was asked to do, checked before any work: methods, their configs, the budget."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from hsal_bench import options, registry
from hsal_bench.checking import Failed
from hsal_bench.errors import UsageError, suggest
from hsal_bench.method.class_check import check_class
from hsal_bench.method.load import is_file, load_method
from hsal_bench.records.validation import check_values
from hsal_bench.training import presets
from hsal_bench.training.presets import Budget, Precision, Preset

if TYPE_CHECKING:
    from hsal_bench.method.contract import Method

Name = TypeVar("Name", str, int)

ActivationSeed = Literal["same", "per-seed"]
"""Whose fine-tuning has seed 0: that of one activation model for all runs, or of run seed 0's."""

MOST_SEED = 2**32 - 1
ALL = "all"
_SETTING = re.compile(r"\+(?=[A-Za-z_][\w-]*=)")
_NUMBER = re.compile(r"\s*-?\.?\d[\d.e+-]*(\+[A-Za-z_].*)?\s*")


@dataclass(frozen=True)
class Request:
    """What the user asked for; None leaves a choice to the preset or the machine.

    models: as `models` returns them. eval_on: names and files of data sets, or "all".
    activation_model: "published", a file or a folder; None: one is fine-tuned.
    """

    models: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    dataset: str = "mnist-multiset"
    eval_on: tuple[str, ...] = ()
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
    input_size: int | None = None
    backbone_weights: str | None = None
    activation_seed: ActivationSeed = "same"
    activation_model: str | None = None
    precision: Precision | None = None
    threads: int | None = None
    restart: bool = False
    command: str = ""


@dataclass(frozen=True)
class Entry:
    """One method with its config, checked against its settings and the preset.

    `settings` are those that make it another than the preset's: fields of the config, and the
    activation model; `label` tells them with the name, and names its folder; `backbone` is the
    activation model, `input_size` that of its images unless it is the usual; `file` is what it was
    given as, and `sha256` that file's, None for a name.
    """

    name: str
    cls: type[Method]
    config: Any
    settings: Mapping[str, str]
    label: str
    backbone: str
    input_size: int | None
    file: Path | None
    sha256: str | None

    @property
    def folder(self) -> str:
        """The label as the name of a folder."""
        return self.label.replace("/", "_")


def models(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the methods that texts of `--model` name, one each; "all" stays a word (`expanded`).

    A method may have settings of its own, NAME+KEY=VALUE+KEY=VALUE. Commas stand between methods,
    and between the numbers of a value.

    Raises:
        UsageError: one is named more than once.
    """
    named: list[str] = []
    for text in texts:
        parts: list[str] = []
        for part in text.split(","):
            if parts and "=" in parts[-1] and _NUMBER.fullmatch(part):
                parts[-1] += f",{part}"
            else:
                parts.append(part.strip())
        named += parts
    return _once(named, "--model")


def seeds(text: str) -> tuple[int, ...]:
    """Return the seeds that the text of `--seeds` names.

    Raises:
        UsageError: it names none, one that is no whole number, or one more than once.
    """
    return _once(options.parse(text, tuple[int, ...], "--seeds"), "--seeds")


def _once(named: Sequence[Name], option: str) -> tuple[Name, ...]:
    if twice := [one for one, number in Counter(named).items() if number > 1]:
        raise UsageError(f"{option} names {twice[0]} more than once: name it once")
    return tuple(named)


def expanded(models: Iterable[str]) -> tuple[str, ...]:
    """Return the methods, each once, with every registered one for the word "all"."""
    every = registry.names(registry.METHODS)
    parts = (every if model == ALL else [model] for model in models)
    return tuple(dict.fromkeys(name for part in parts for name in part))


def data_sets(text: str | None) -> tuple[str, ...]:
    """Return the data sets that the text of `--eval-on` names, each once; none without the option.

    Raises:
        UsageError: it names none.
    """
    if text is None:
        return ()
    named = tuple(options.listed(text))
    if not named:
        raise UsageError(
            f"--eval-on {text!r} names no data set: name some, with commas, or leave it out"
        )
    return named


def entries(request: Request, preset: str) -> list[Entry]:
    """Return the methods of a request, each variant once.

    Of those that "all" stands for, what its package has broken is left out, saying so.

    Raises:
        UsageError: as `entry`; two different methods with one label.
    """
    found: dict[str, tuple[str, Entry]] = {}
    for model in expanded(request.models):
        try:
            one = entry(model, preset, request.settings, request.backbone, request.input_size)
        except registry.Broken as error:
            if model in request.models:
                raise
            click.echo(f"warning: left out: {error}", err=True)
            continue
        source, _ = split(model)
        before, other = found.setdefault(one.folder, (source, one))
        if source != before and one.sha256 != other.sha256:
            raise UsageError(
                f"--model {before} and {source} would share the folder {one.folder}: run them one "
                "at a time, with another --out, or give one class another name"
            )
    return [one for _, one in found.values()]


def entry(
    model: str,
    preset: str,
    settings: Mapping[str, str],
    backbone: str | None = None,
    input_size: int | None = None,
) -> Entry:
    """Return the method `model` with the config that the preset and its settings give it.

    Its own settings go before those in `settings`. `backbone` and `input_size`: of the activation
    model unless it sets them; those that are not the preset's name a variant as a setting does.

    Raises:
        UsageError: no such method or field, a value that is none, a class that is no method.
    """
    source, own = split(model)
    cls = load_method(source)
    path, _, name = source.rpartition(":")
    _check_class(cls, source)
    usual = presets.preset(preset).backbone
    fields = options.field_types(cls.Config)
    if cls.inputs == "activations" and "backbone" not in fields:
        backbone = own.pop("backbone", backbone) or usual
        if "input_size" in own and "input_size" not in fields:
            input_size = options.parse(own.pop("input_size"), int | None, f"{name}: input_size")
        if input_size == presets.INPUT_SIZE and backbone.startswith("resnet34"):
            input_size = None
    else:
        backbone, input_size = usual, None
    default = dataclasses.replace(cls.Config(), **getattr(cls, "presets", {}).get(preset, {}))
    config = options.replace(default, given := settings_of(name, settings) | own, name)
    _check_recordable(config, name)
    # As the config holds them, and only what changes it: "true" and "yes" are one setting and one
    # folder, and a default that is spelt out is no variant.
    changed = {
        key: options.as_text(getattr(config, key))
        for key in given
        if getattr(config, key) != getattr(default, key)
    }
    if backbone != usual:
        changed["backbone"] = backbone
    if input_size is not None:
        changed["input_size"] = str(input_size)
    label = "+".join([name, *(f"{key}={value}" for key, value in sorted(changed.items()))])
    file = Path(path) if path else None
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest() if file else None
    return Entry(name, cls, config, changed, label, backbone, input_size, file, sha256)


def split(model: str) -> tuple[str, dict[str, str]]:
    """Return a method's name or file and its own settings: NAME+KEY=VALUE is {KEY: VALUE}.

    Raises:
        UsageError: a part after a "+" is no KEY=VALUE.
    """
    source, *settings = _SETTING.split(model)
    if not is_file(source) and "+" in source:
        name, _, part = source.partition("+")
        raise UsageError(f"{model}: {part!r} is no setting; write {name}+KEY=VALUE")
    return source, options.assignments(settings)


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
    sources = [split(model)[0] for model in expanded(request.models)]
    for source in sources:
        if ".py" not in source and source not in known:
            raise UsageError(f"no method {source!r}: {suggest(source, [*known, ALL])}")
    for seed in request.seeds:
        if not 0 <= seed <= MOST_SEED:
            raise UsageError(f"--seeds {seed}: seeds go from 0 to {MOST_SEED:,}")
    if "," in request.dataset and not Path(request.dataset).is_file():
        raise UsageError(
            f"--dataset {request.dataset}: a run trains on one data set; give a command for each, "
            "or name the others with --eval-on to evaluate on them without training"
        )
    if request.preset is not None:
        presets.preset(request.preset)
    _check_activation_model(request)
    methods = {source.rpartition(":")[2] for source in sources}
    for name in request.settings:
        owner, colon, _ = name.rpartition(":")
        if colon and owner not in methods:
            raise UsageError(
                f"--set {name}: {owner!r} is not in this run; {suggest(owner, methods)}"
            )


def _check_activation_model(request: Request) -> None:
    """Refuse options of a fine-tuning where the activation model is given."""
    file = request.activation_model != presets.PUBLISHED
    fine_tuning = {
        "--activation-seed per-seed": request.activation_seed == "per-seed",
        "--fine-tune-updates": request.fine_tune_updates if file else None,
        "--backbone-weights": request.backbone_weights,
        "--precision": request.precision,
        "--input-size": request.input_size,
    }
    for option, given in fine_tuning.items():
        if given and request.activation_model is not None:
            raise UsageError(
                f"{option} is for an activation model that is fine-tuned, and --activation-model "
                "gives one that is: leave one of the two out"
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


def _check_recordable(config: Any, name: str) -> None:
    """Refuse, before any work, a value that the record of the run would not take."""
    try:
        check_values(options.as_json(config), name)
    except ValueError as error:
        raise UsageError(f"{error}: give it another value") from error


def _check_class(cls: Any, model: str) -> None:
    try:
        check_class(cls)
    except Failed as failure:
        raise UsageError(f"{model} is not a method: {failure}") from failure
