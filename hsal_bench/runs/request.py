"""The request of `hsal-bench run`: parsing and checking it without importing a method."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

from hsal_bench import comma_lists, options, registry
from hsal_bench.errors import UsageError, suggest
from hsal_bench.method.load import is_file
from hsal_bench.training import presets
from hsal_bench.training.presets import Budget, Precision, Preset

Name = TypeVar("Name", str, int)

Model = str | type[Any]
"""A method: a name, path/to/file.py:ClassName, or in Python its class."""

ActivationSeed = Literal["same", "per-seed"]
"""One activation model (of seed 0) for all runs, or one for each seed of the runs."""

MOST_SEED = 2**32 - 1
ALL = "all"
_SETTING = re.compile(r"\+(?=[A-Za-z_][\w-]*=)")
_NUMBER = re.compile(r"\s*-?\.?\d[\d.e+-]*(\+[A-Za-z_].*)?\s*")


@dataclass(frozen=True)
class Request:
    """The user's request; None leaves a choice to the preset or the machine.

    models: as `models` returns them, or classes. eval_on: names and files of datasets, or "all".
    cache: folder of activations; None is `datasets`. activation_model: "published", a file or a
    folder; None fine-tunes one. settings: KEY or METHOD:KEY -> value. tag: [METHOD:]TEXT, the name
    of a variant. restart: whether to start over, or the methods that do, by name or label.
    callbacks: as in `hsal_bench.runs.callbacks`. code: the hash of the code of methods, by
    name, from the process that knows it.
    """

    models: tuple[Model, ...]
    seeds: tuple[int, ...] = (0,)
    dataset: str = "mnist-multiset"
    eval_on: tuple[str, ...] = ()
    preset: str | None = None
    device: str | None = None
    out: Path = Path("runs")
    datasets: Path = Path("data")
    cache: Path | None = None
    data_dir: Path = Path("data")
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
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
    tag: str | None = None
    restart: bool | tuple[str, ...] = False
    callbacks: tuple[Any, ...] = ()
    code: Mapping[str, str] = dataclasses.field(default_factory=dict)
    command: str = ""


def models(texts: Iterable[str], option: str = "--model") -> tuple[str, ...]:
    """Return the methods in the values of an option. The word "all" remains (see `expanded`).

    A method may have its own settings, NAME+KEY=VALUE+KEY=VALUE. Commas separate methods, and also
    the numbers of one value.

    Raises:
        UsageError: a method occurs twice.
    """
    named: list[str] = []
    for text in texts:
        names: list[str] = []
        for piece in comma_lists.split(text, _is_method_file):
            if names and "=" in names[-1] and _NUMBER.fullmatch(piece):
                names[-1] += f",{piece}"
            else:
                names.append(piece.strip())
        named += names
    return _once(named, option)


def restart(text: str | None) -> bool | tuple[str, ...]:
    """Return the value of `--restart`: True for "all", or the names or labels of methods.

    Raises:
        UsageError: a method occurs twice.
    """
    if text in (None, ALL):
        return text == ALL
    # A method may be named as in --model, by its file.
    return tuple(
        method_name(name) if is_file(split(name)[0]) else name
        for name in models([text], "--restart")
    )


def _is_method_file(text: str) -> bool:
    return ".py:" in text and Path(text.partition(".py:")[0] + ".py").is_file()


def seeds(text: str) -> tuple[int, ...]:
    """Return the seeds in the value of `--seeds`.

    Raises:
        UsageError: there is none, one is not a whole number, or one occurs twice.
    """
    return _once(options.parse(text, tuple[int, ...], "--seeds"), "--seeds")


def _once(named: Sequence[Name], option: str) -> tuple[Name, ...]:
    if twice := [name for name, number in Counter(named).items() if number > 1]:
        raise UsageError(f"duplicate {twice[0]} in {option}")
    return tuple(named)


def expanded(models: Iterable[Model]) -> tuple[Model, ...]:
    """Return each method once, with "all" replaced by every registered method."""
    every = registry.names(registry.METHODS)
    groups = (every if model == ALL else [model] for model in models)
    return tuple(dict.fromkeys(name for group in groups for name in group))


def data_sets(text: str | None) -> tuple[str, ...]:
    """Return the datasets in the value of `--eval-on`, each once; () without the option.

    Raises:
        UsageError: the value is empty.
    """
    if text is None:
        return ()
    items = comma_lists.split(text, lambda item: Path(item).is_file())
    named = tuple(dict.fromkeys(filter(None, items)))
    if not named:
        raise UsageError(
            f"--eval-on {text!r} is empty: name datasets, separated by commas, or drop it"
        )
    return named


@overload
def split(model: str) -> tuple[str, dict[str, str]]: ...
@overload
def split(model: Model) -> tuple[Model, dict[str, str]]: ...
def split(model: Model) -> tuple[Model, dict[str, str]]:
    """Return a method without its own settings, and these: NAME+KEY=VALUE -> {KEY: VALUE}.

    Raises:
        UsageError: the text after a "+" is not KEY=VALUE.
    """
    if not isinstance(model, str):
        return model, {}
    source, *settings = _SETTING.split(model)
    if not is_file(source) and "+" in source:
        name, _, rest = source.partition("+")
        raise UsageError(f"{model}: {rest!r} is not a setting; write {name}+KEY=VALUE")
    return source, options.assignments(settings)


def method_name(source: Model) -> str:
    """Return the name of a method without settings: registered, or that of the class."""
    return source.rpartition(":")[2] if isinstance(source, str) else source.__name__


def settings_of(method: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of one method: `KEY` for all methods, overridden by `METHOD:KEY`."""
    for_all = {name: value for name, value in settings.items() if ":" not in name}
    prefix = f"{method}:"
    own = {
        name.removeprefix(prefix): value
        for name, value in settings.items()
        if name.startswith(prefix)
    }
    return for_all | own


def all_settings(request: Request) -> dict[str, str]:
    """Return the settings of a request; its tag is one of them, by the key "tag"."""
    if request.tag is None:
        return dict(request.settings)
    owner, colon, text = request.tag.rpartition(":")
    return {**request.settings, f"{owner}{colon}tag": text}


def check_request(request: Request) -> None:
    """Check a request without importing a method, so that a typo fails at once.

    Raises:
        UsageError: unknown method, preset or METHOD of a setting; options that contradict each
            other; a seed out of range; more than one dataset to train on.
    """
    known = registry.names(registry.METHODS)
    sources = [split(model)[0] for model in expanded(request.models)]
    for source in sources:
        if isinstance(source, str) and ".py" not in source and source not in known:
            raise UsageError(
                f"no method {source!r}: {suggest(source, [*known, ALL])}; for a class of your own, "
                "give path/to/file.py:CLASS"
            )
    for seed in request.seeds:
        if not 0 <= seed <= MOST_SEED:
            raise UsageError(f"--seeds {seed}: seeds must be from 0 to {MOST_SEED:,}")
    if "," in request.dataset and not Path(request.dataset).is_file():
        raise UsageError(
            f"--dataset {request.dataset}: a run trains on one dataset; use one command for each, "
            "or --eval-on to evaluate on more datasets without training"
        )
    if request.preset is not None:
        presets.preset(request.preset)
    _check_activation_model(request)
    methods = {method_name(source) for source in sources}
    for name in request.settings:
        owner, colon, _ = name.rpartition(":")
        if colon and owner not in methods:
            raise UsageError(
                f"--set {name}: {owner!r} is not in this run; {suggest(owner, methods)}"
            )
    _check_tag(request.tag, methods)


def _check_tag(tag: str | None, methods: Collection[str]) -> None:
    owner, colon, text = (tag or "").rpartition(":")
    if colon and owner not in methods:
        raise UsageError(f"--tag {tag}: {owner!r} is not in this run; {suggest(owner, methods)}")
    if tag is not None and not colon and len(methods) > 1:
        raise UsageError(f"--tag {tag}: name the method, as in --tag {min(methods)}:{text}")


def _check_activation_model(request: Request) -> None:
    """Refuse a missing --activation-model, and options of fine-tuning together with it."""
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
                f"{option} applies to fine-tuning, but --activation-model replaces it: drop one of "
                "the two"
            )
    if file and request.activation_model is not None:
        presets.weights_file(Path(request.activation_model))


def scaled(preset: Preset, request: Request) -> Preset:
    """Return the preset with the budgets and the backbone of the request."""
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
    """Return the budget with a different number of updates and as many evaluations."""
    if updates is None:
        return budget
    eval_every = max(1, budget.eval_every * updates // budget.updates)
    return dataclasses.replace(budget, updates=updates, eval_every=eval_every)
