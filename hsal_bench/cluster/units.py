"""Units of work: one method with one seed, as a request of its own that any machine can run."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hsal_bench.data import locate
from hsal_bench.errors import UsageError
from hsal_bench.runs import requested
from hsal_bench.runs.callbacks import LOGGERS
from hsal_bench.runs.methods import MethodRun, method_runs
from hsal_bench.runs.request import Request

_OPTIONS = {"models": "model", "settings": "set", "callbacks": "log"}


@dataclass(frozen=True)
class Unit:
    """A request for one method and one seed, and its folder.

    title: the folder in that of the results, "mnist-multiset/hsal-rl/quick/seed-0".
    """

    request: Request
    title: str
    folder: Path


def units(request: Request) -> list[Unit]:
    """Return the units of a request, a unit for each method and seed.

    Raises:
        UsageError: as `method_runs`; the request leaves the preset to the machine, and another
            machine may choose differently.
    """
    if request.preset is None:
        raise UsageError(
            "name a preset (--preset paper or quick): the default depends on the machine that runs"
        )
    name, out = locate.name_of(request.dataset, request.datasets), request.out
    every = []
    for method in method_runs(request, request.preset):
        alone = _alone(request, method)
        for seed in request.seeds:
            own = dataclasses.replace(alone, seeds=(seed,))
            folder = requested.run_folder(out, name, method, request.preset, seed)
            every.append(Unit(own, str(folder.relative_to(out)), folder))
    return every


def code_of(request: Request) -> dict[str, str]:
    """Return the hash of the code of each method that is not installed, by its name.

    Another process cannot read the code of a notebook.
    """
    methods = method_runs(request, request.preset or "quick")
    return {method.name: method.sha256 for method in methods if method.sha256}


def _alone(request: Request, method: MethodRun) -> Request:
    """Return the request for one of its methods, without what concerns others."""

    def concerns(text: str) -> bool:
        owner, colon, _ = text.rpartition(":")
        return not colon or owner == method.name

    return dataclasses.replace(
        request,
        models=(method.model,),
        settings={key: text for key, text in request.settings.items() if concerns(key)},
        tag=request.tag if request.tag and concerns(request.tag) else None,
        restart=method.restarts(request),
    )


def command(request: Request, name: str = "run") -> str:
    """Return the command line of a request that names its methods by text."""
    words = ["hsal-bench", name]
    for field in dataclasses.fields(request):
        value = getattr(request, field.name)
        if field.name == "callbacks":
            value = tuple(name for name, kind in LOGGERS.items() if kind in map(type, value))
        if value != field.default and field.name not in ("command", "seeds", "code"):
            option = "--" + _OPTIONS.get(field.name, field.name).replace("_", "-")
            for text in _texts(value):
                words += [option, text] if text else [option]
    return shlex.join([*words, "--seeds", ",".join(map(str, request.seeds))])


def _texts(value: Any) -> Iterator[str]:
    """Yield what follows an option, once for each time that it is given; "" for a flag."""
    if isinstance(value, dict):
        yield from (f"{key}={text}" for key, text in value.items())
    elif isinstance(value, tuple):
        yield ",".join(map(str, value))
    else:
        yield "" if value is True else str(value)
