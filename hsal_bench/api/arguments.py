"""The arguments of `hsal_bench.run`: Python's values, or the texts of the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, SupportsIndex

from hsal_bench import options
from hsal_bench.annotations import Annotation
from hsal_bench.errors import UsageError, suggest
from hsal_bench.jsonio import typed
from hsal_bench.runs import callbacks as following
from hsal_bench.runs import request as requests
from hsal_bench.runs.callbacks import Callback
from hsal_bench.runs.request import Model, Request

RUN = ("models", "dataset", "seeds", "settings", "callbacks", "on", "slurm")
"""The arguments that `run` itself names."""
_INTERNAL = ("code", "command")


def request(
    models: Any,
    dataset: str | PathLike[str],
    seeds: Any,
    settings: Any,
    callbacks: Any,
    choices: Mapping[str, Any],
) -> Request:
    """Return the request of the arguments of `hsal_bench.run`, checked.

    Raises:
        UsageError: an unknown argument, or a wrong value.
    """
    chosen = _models(models)
    asked = Request(
        models=chosen,
        dataset=str(dataset),
        seeds=requests.seeds(_text(seeds)),
        settings=_settings(settings),
        callbacks=_callbacks(callbacks),
        command=_call(chosen, dataset, choices),
        **_choices(choices),
    )
    requests.check_request(asked)
    return asked


def slurm_options(value: str | Mapping[str, Any] | None) -> dict[str, str]:
    """Return the options of sbatch, given as a mapping or as "time=2:00:00,partition=gpu"."""
    if isinstance(value, Mapping):
        texts = [f"{name}={option}" for name, option in value.items()]
    else:
        texts = options.split_list(value or "")
    return options.assignments(texts, "--slurm")


def _items(value: Any) -> list[Any]:
    """Return the values of an argument that may also be a single value."""
    single = isinstance(value, str | type) or not isinstance(value, Iterable)
    return [value] if single else list(value)


def _text(numbers: Any) -> str:
    return ",".join(map(str, _items(numbers)))


def _models(models: Any) -> tuple[Model, ...]:
    chosen: list[Model] = []
    for model in _items(models):
        if not isinstance(model, str | type):
            raise UsageError(f"models: {model!r:.60} is neither a name nor a class")
        chosen += requests.models([model]) if isinstance(model, str) else [model]
    return tuple(chosen)


def _settings(settings: Any) -> dict[str, str]:
    if isinstance(settings, Mapping):
        settings = [f"{key}={options.as_text(value)}" for key, value in settings.items()]
    return options.assignments(map(str, _items(settings or ())))


def _callbacks(callbacks: Any) -> tuple[Callback, ...]:
    chosen: list[Callback] = []
    for callback in _items(callbacks or ()):
        if isinstance(callback, str):
            chosen += following.loggers(options.split_list(callback))
        elif isinstance(callback, Callback):
            chosen.append(callback)
        else:
            raise UsageError(f"callbacks: {callback!r} is no object of a class from hb.Callback")
    return tuple(chosen)


def _choices(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return the other options of `hsal-bench run` by field; None leaves the default.

    Raises:
        UsageError: there is no such option, or a value is wrong.
    """
    types = options.field_types(Request)
    fields = [name for name in types if name not in (*RUN, *_INTERNAL)]
    for name in choices:
        if name not in fields:
            raise UsageError(f"run has no option {name!r}: {suggest(name, (*RUN, *fields))}")
    given = {name: value for name, value in choices.items() if value is not None}
    return {name: _choice(name, value, types[name]) for name, value in given.items()}


def _choice(name: str, value: Any, annotation: Any) -> Any:
    if name == "eval_on":
        return tuple(item for text in _items(value) for item in requests.data_sets(str(text)))
    if name == "restart":
        texts = value if isinstance(value, bool) else ",".join(map(str, _items(value)))
        return texts if isinstance(texts, bool) else requests.restart(texts)
    kind = Annotation.of(annotation).kind
    if kind in (Path, str):
        return kind(value)  # also of a torch.device
    if isinstance(value, str):
        value = options.parse(value, annotation, name)
    elif kind is int and isinstance(value, SupportsIndex):
        value = value.__index__()  # of NumPy's numbers
    value = typed(annotation, value, name)
    if kind is int and value is not None and value < 1:
        raise UsageError(f"{name} is {value}: it must be at least 1")
    return value


def _call(models: Iterable[Model], dataset: Any, choices: Mapping[str, Any]) -> str:
    """Return the call as the record's command states it."""
    names = [model if isinstance(model, str) else model.__name__ for model in models]
    given = {"models": names, "dataset": str(dataset), **choices}
    return f"hsal_bench.run({', '.join(f'{name}={value!r}' for name, value in given.items())})"
