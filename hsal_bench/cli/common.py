"""Options, dataset paths, check results and table output that several commands share."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsal_bench.cli.output import OUTPUT_FILE, TEXT, output_file, unless_standard
from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.options import assignments, split_list

if TYPE_CHECKING:
    from hsal_bench.checking import Check
    from hsal_bench.report.text_tables import TextTable

FOLDER = click.Path(file_okay=False, path_type=Path)
FORMATS = ("terminal", "markdown", "csv", "latex")
SUFFIXES = {".md": "markdown", ".csv": "csv", ".tex": "latex"}
_NAMED_CHECKS = 3
"""Checks skipped for one reason that are named; more are only counted."""
_MARKS = {"passed": "ok", "failed": "FAILED", "skipped": "skipped"}
_COLOURS = {"passed": "green", "failed": "red", "skipped": "yellow"}


def _existing_or_new(_context: Any, _option: Any, folder: Path) -> Path:
    """Return the folder. A misspelt path is not created: at least the folder around it exists."""
    if not folder.absolute().parent.is_dir():
        raise UsageError(
            f"--data-dir {folder}: there is no folder {folder.parent}: create it, or correct the "
            "path"
        )
    return folder


data_dir_option = click.option(
    "--data-dir",
    default="data",
    show_default=True,
    type=FOLDER,
    callback=_existing_or_new,
    help="Folder of the sources, each in a subfolder: mnist or MNIST/raw, svhn, ... Files of "
    "MNIST and of SVHN may also be directly in it. Missing ones are downloaded there.",
)
no_wait_option = click.option(
    "--no-wait",
    is_flag=True,
    help="Stop with an error instead of waiting for another process that makes the same files.",
)
slurm_option = click.option(
    "--slurm",
    "slurm_options",
    metavar="NAME=VALUE,...",
    callback=lambda _context, _option, text: assignments(split_list(text or ""), "--slurm"),
    help="Options of sbatch for --on slurm: time=2:00:00,partition=gpu,gres=gpu:1",
)
cache_option = click.option(
    "--cache",
    type=FOLDER,
    help="Folder for activations, and for activation models that --datasets does not have.  "
    "[default: the folder of --datasets]",
)
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="Output format.  [default: by the suffix of --output, else terminal]",
)
output_option = click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    callback=lambda _context, _option, path: unless_standard(path),
    help="Write to this file: .md, .csv or .tex, or .txt with --format. - prints.",
)


def datasets_option(help: str = "Folder of the dataset files NAME.h5.") -> Callable[..., Any]:
    """Return the option --datasets, with the same default for every command."""
    return click.option("--datasets", default="data", show_default=True, type=FOLDER, help=help)


def data_set_path(data_set: str, datasets: Path) -> Path:
    """Return the file, or folder of shards, of a dataset. One that can be generated may be missing.

    Raises:
        UsageError: `data_set` is neither a file nor a known name.
    """
    # A shell completes the name of a folder of shards with a slash.
    if data_set.rstrip("/").endswith(".h5") or Path(data_set).is_file():
        if not Path(data_set).exists():
            raise UsageError(f"no dataset file {data_set}: {missing_remedy(Path(data_set))}")
        return Path(data_set)
    return named_path(data_set, datasets)


def missing_remedy(path: Path, name: str = "") -> str:
    """Return the remedy for the missing file `path` of the dataset `name`."""
    from hsal_bench.data import names as dataset_names

    return dataset_names.missing_remedy(path, name)


def named_path(name: str, datasets: Path) -> Path:
    """Return the file in `datasets` of the dataset of that name; never any other file.

    Raises:
        UsageError: there is no such dataset.
    """
    from hsal_bench.data import names as dataset_names
    from hsal_bench.data.generator import load_generator

    generator_and_spec = dataset_names.find(name)
    if generator_and_spec is not None:
        generator, spec = generator_and_spec
        return datasets / f"{load_generator(generator).data_set_name(spec)}.h5"
    path = datasets / f"{name}.h5"
    if not path.exists():
        remedy = dataset_names.unknown(name)
        raise UsageError(f"no dataset {name!r} and no file {path}: {remedy}")
    return path


def print_checks(kind: str, name: str, checks: Sequence[Check], *, as_json: bool) -> None:
    """Print the checks of a "file", "method" or "submission" and their summary.

    Raises:
        HsalBenchError: a check failed.
    """
    from hsal_bench.checking import FAILED, summary

    message = f"{name}: {summary(checks)}"
    failed = any(check.outcome == FAILED for check in checks)
    if as_json:
        plain = [dataclasses.asdict(check) for check in checks]
        click.echo(json.dumps({kind: name, "passed": not failed, "checks": plain}, indent=2))
    else:
        for check in _grouped(checks):
            mark = click.style(f"{_MARKS[check.outcome]:7}", fg=_COLOURS[check.outcome])
            click.echo(f"{mark}  {check.name}: {check.detail}")
    if failed:
        raise HsalBenchError(message)
    if not as_json:
        click.echo(message)


def _grouped(checks: Sequence[Check]) -> Iterator[Check]:
    """Yield the checks; neighbours that are skipped for the same reason become one."""
    for _, group in groupby(enumerate(checks), _reason):
        same = [check for _, check in group]
        names = ", ".join(check.name for check in same)
        name = names if len(same) <= _NAMED_CHECKS else f"{len(same)} more checks"
        yield dataclasses.replace(same[0], name=name)


def _reason(numbered: tuple[int, Check]) -> str | int:
    number, check = numbered
    return check.detail if check.outcome == "skipped" else number


def format_of(output: Path | None) -> str:
    """Return the format for an output file, from its suffix; None is the terminal.

    Raises:
        UsageError: the suffix is unknown.
    """
    if output is None:
        return "terminal"
    if output.suffix.lower() not in SUFFIXES:
        endings, forms = ", ".join(SUFFIXES), ", ".join(FORMATS)
        raise UsageError(
            f"{output}: unknown suffix; use one of {endings}, or choose a --format ({forms})"
        )
    return SUFFIXES[output.suffix.lower()]


def as_text(sheets: list[TextTable], form: str) -> str:
    """Return tables as "terminal" (with escape codes for bold), "markdown" or "latex"."""
    from hsal_bench.report import latex, text_tables

    if form == "latex":
        return latex.latex(sheets)
    if form == "markdown":
        return text_tables.markdown(sheets)
    from rich.console import Console

    from hsal_bench.report.terminal import terminal

    buffer, width = io.StringIO(), _width()
    console = Console(file=buffer, highlight=False, width=width, force_terminal=True)
    console.print(terminal(sheets, width), crop=False)
    return buffer.getvalue()


def table_file(
    output: Path | None, form: str, inputs: Iterable[Path], *, force: bool
) -> Path | None:
    """Return the file for a table in the format `form`; None prints. Raises as `output_file`."""
    if output is None:
        return None
    suffixes = [*(suffix for suffix, name in SUFFIXES.items() if name == form), ".txt"]
    return output_file(output, dict.fromkeys(suffixes, TEXT), inputs, force=force)


def write_output(text: str, file: Path | None) -> None:
    """Print a text, or write it to the file of `output_file` without a terminal's escape codes."""
    if file is None:
        click.echo(text, nl=False)
        return
    from hsal_bench.files import write_text

    write_text(file, click.unstyle(text))
    click.echo(f"wrote {file}", err=True)


def _width() -> int:
    """Return the width of tables: the terminal's, or 160 columns for a log or a file."""
    return max(shutil.get_terminal_size((160, 24)).columns, 60)
