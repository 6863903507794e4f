"""Data sets that a command takes by name or as a file, and the folder they are in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hsal_bench.errors import UsageError

FOLDER = click.Path(file_okay=False, path_type=Path)


def datasets_option(help: str = "Where the file of a NAME is, as NAME.h5.") -> Callable[..., Any]:
    """Return the option --datasets, which every command has with the same default."""
    return click.option("--datasets", default="data", show_default=True, type=FOLDER, help=help)


def data_set_path(data_set: str, datasets: Path) -> Path:
    """Return the file of a data set: there, or, of one that can be generated, perhaps not yet.

    Raises:
        UsageError: neither a file nor a name.
    """
    if data_set.endswith(".h5") or Path(data_set).is_file():
        if not Path(data_set).is_file():
            raise UsageError(f"no data set file {data_set}: build it with `hsal-bench generate`")
        return Path(data_set)
    return named_path(data_set, datasets)


def named_path(name: str, datasets: Path) -> Path:
    """Return the file of the data set of that name, as `data_set_path`; nothing else is opened.

    Raises:
        UsageError: there is no such data set.
    """
    from hsal_bench.data import names as dataset_names
    from hsal_bench.data.generator import load_generator

    found = dataset_names.find(name)
    if found is not None:
        own, spec = found
        return datasets / f"{load_generator(own).data_set_name(spec)}.h5"
    path = datasets / f"{name}.h5"
    if not path.is_file():
        remedy = dataset_names.unknown(name)
        raise UsageError(f"no data set {name!r} and no file {path}: {remedy}")
    return path
