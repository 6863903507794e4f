"""A trained method on other data sets: which those are, and whether the method can be asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from hsal_bench.data import locate
from hsal_bench.data import names as dataset_names
from hsal_bench.data.file import DataFile, open_data
from hsal_bench.data.generator import Outline
from hsal_bench.data.verify import require_whole
from hsal_bench.errors import UsageError
from hsal_bench.method.contract import Method, Setup, Task, Unsupported
from hsal_bench.runs.request import ALL, Entry, Request

FOLDER = "on"
"""Below a run's folder: its evaluations on other data sets, each in a folder of its name."""


@contextmanager
def opened(request: Request, data: DataFile) -> Iterator[list[DataFile]]:
    """Yield the data sets of `--eval-on`, opened; built where they are missing.

    One that is built is like `data`, which the methods are trained on, but for what its name says.

    Raises:
        UsageError: no such data set; one that methods trained on `data` cannot be asked about; two
            of one name.
    """
    with ExitStack() as stack:
        found: dict[str, DataFile] = {}
        names = _names(request, data)
        for name in names:
            # All, before one is built: a source may be a download of many minutes.
            _check(data, name, locate.outline(name, request.datasets, data.header.config))
        for name in names:
            other = stack.enter_context(open_data(_path(name, request, data)))
            _check(data, name, Outline(other.layout.image_shape, other.header.class_names))
            if other.header.content_sha256 == data.header.content_sha256:
                raise UsageError(
                    f"--eval-on {name}: that is what the methods are trained on, and its test "
                    "split is scored anyway; leave it out"
                )
            twin = found.setdefault(other.header.name, other)
            if twin is not other:
                raise UsageError(
                    f"--eval-on: {twin.path} and {other.path} are both called "
                    f"{other.header.name}: give them one at a time, with another --out"
                )
            size = other.layout.sizes["test"]
            click.echo(f"to evaluate on: {other.path}, {size:,} test images", err=True)
        for other in found.values():
            require_whole(other)
        yield list(found.values())


def method_for(
    entry: Entry, task: Task, data: DataFile, setup: Setup, state: dict[str, Any]
) -> Method:
    """Return the method in a trained state, built for images of as many objects as `data` has.

    `task`: the one it was trained on.

    Raises:
        Unsupported: it can only be built for the task it was trained on, and `data` has more
            objects per image; or it cannot be built for so many.
    """
    most = data.layout.max_objects
    if most > task.max_objects:
        if not getattr(entry.cls, "any_cardinality", False):
            raise Unsupported(
                f"{entry.name} is built for at most {task.max_objects} objects per image "
                f"(any_cardinality is not True), and {data.header.name} has up to {most}"
            )
        task = dataclasses.replace(task, max_objects=most)
    method: Method = entry.cls(task, entry.config, setup)
    method.load_state_dict(state)
    return method


def _names(request: Request, data: DataFile) -> list[str]:
    names: list[str] = []
    for name in request.eval_on:
        if name == ALL:
            family = [
                one for one in dataset_names.family(data.header.config) if one != data.header.name
            ]
            if not family:
                raise UsageError(
                    f"--eval-on all: nothing is known to vary {data.header.name}; name data sets"
                )
            names += family
        else:
            names.append(name)
    return list(dict.fromkeys(names))


def _path(name: str, request: Request, data: DataFile) -> Path:
    return locate.find_or_build(
        name,
        request.datasets,
        request.data_dir,
        like=data.header.config,
        check=partial(_check, data, name),
    )


def _check(data: DataFile, name: str, other: Outline) -> None:
    """Refuse a data set whose images or classes, as far as known, are not those of `data`."""
    told = f"--eval-on {name}: methods are trained on {data.header.name}, with"
    own = Outline(data.layout.image_shape, data.header.class_names)
    if other.image_shape not in (None, own.image_shape):
        was, now = (" x ".join(map(str, one.image_shape or ())) for one in (own, other))
        raise UsageError(f"{told} images of {was}, not {now}; leave it out")
    if other.class_names not in (None, own.class_names):
        was, now = (", ".join(one.class_names or ()) for one in (own, other))
        raise UsageError(f"{told} the classes {was}, not {now}; leave it out")
