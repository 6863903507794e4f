"""The datasets of `--eval-on`, and trained methods built for them."""

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
from hsal_bench.data.verify import require_intact
from hsal_bench.errors import UsageError
from hsal_bench.method.contract import Method, Setup, Task, Unsupported
from hsal_bench.runs.methods import MethodRun
from hsal_bench.runs.request import ALL, Request

FOLDER = "on"
"""Subfolder of a run for its evaluations on other datasets, each in a folder of its name."""


@contextmanager
def open_datasets(request: Request, data: DataFile) -> Iterator[list[DataFile]]:
    """Yield the open datasets of `--eval-on`; missing ones are built.

    A dataset that is built has the config of the training data `data`, except what its name says.

    Raises:
        UsageError: unknown dataset; one with other classes or image shapes than `data`; two of one
            name.
    """
    with ExitStack() as stack:
        datasets: dict[str, DataFile] = {}
        names = _names(request, data)
        for name in names:
            # Check all before any is built: a source may be a download of many minutes.
            _check(data, name, locate.outline(name, request.datasets, data.header.config))
        for name in names:
            other = stack.enter_context(open_data(_path(name, request, data)))
            _check(data, name, Outline(other.layout.image_shape, other.header.class_names))
            if other.header.content_sha256 == data.header.content_sha256:
                raise UsageError(
                    f"--eval-on {name} is the training dataset, whose test split is scored anyway: "
                    "drop it"
                )
            twin = datasets.setdefault(other.header.name, other)
            if twin is not other:
                raise UsageError(
                    f"--eval-on: {twin.path} and {other.path} are both called "
                    f"{other.header.name}: use one at a time, each with its own --out"
                )
            size = other.layout.sizes["test"]
            click.echo(f"also evaluating on {other.path}: {size:,} test images", err=True)
        for other in datasets.values():
            require_intact(other)
        yield list(datasets.values())


def method_for(
    method_run: MethodRun, task: Task, data: DataFile, setup: Setup, state: dict[str, Any]
) -> Method:
    """Return the method with a trained state, built for the most objects per image of `data`.

    task: the one it was trained on. state: of its `state_dict`.

    Raises:
        Unsupported: `data` has more objects per image than the method can be built for.
    """
    most = data.layout.max_objects
    if most > task.max_objects:
        if not getattr(method_run.cls, "any_cardinality", False):
            raise Unsupported(
                f"{method_run.name} is built for at most {task.max_objects} objects per image "
                f"(any_cardinality is not True), and {data.header.name} has up to {most}"
            )
        task = dataclasses.replace(task, max_objects=most)
    method: Method = method_run.cls(task, method_run.config, setup)
    method.load_state_dict(state)
    return method


def _names(request: Request, data: DataFile) -> list[str]:
    names: list[str] = []
    for name in request.eval_on:
        if name == ALL:
            family = dataset_names.family(data.header.config)
            variations = [member for member in family if member != data.header.name]
            if not variations:
                raise UsageError(
                    f"--eval-on all: {data.header.name} has no known variations; name datasets"
                )
            names += variations
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
    """Refuse a dataset whose image shape or classes are known to differ from those of `data`."""
    own = Outline(data.layout.image_shape, data.header.class_names)
    if other.image_shape not in (None, own.image_shape):
        was, now = (" x ".join(map(str, each.image_shape or ())) for each in (own, other))
        raise UsageError(f"--eval-on {name} has {now} images, but training uses {was}: remove it")
    if other.class_names not in (None, own.class_names):
        was, now = (", ".join(each.class_names or ()) for each in (own, other))
        raise UsageError(
            f"--eval-on {name} has the classes {now}, but training uses {was}: remove it"
        )
