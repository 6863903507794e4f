"""`hsal-bench table`: result records to tables."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hsal_bench.errors import UsageError

if TYPE_CHECKING:
    from hsal_bench.record import Record
    from hsal_bench.sheets import Sheet

FORMATS = ("terminal", "markdown", "csv")
SUFFIXES = {".md": "markdown", ".csv": "csv"}


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="How to show it.  [default: by the suffix of the --output file, else terminal]",
)
@click.option(
    "--metrics",
    "names",
    metavar="NAME,...",
    help="Columns: names of metrics, or updates, wall_s, parameters and the like.",
)
@click.option(
    "--all", "everything", is_flag=True, help="Every number of one run, explained; how it was made."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file (.md or .csv; any other with --format).",
)
def table(
    paths: tuple[Path, ...],
    form: str | None,
    names: str | None,
    everything: bool,
    output: Path | None,
) -> None:
    """Show the metrics of the runs recorded in PATH: folders or record files (default: runs).

    One table per data set; means over seeds, ± their sample standard deviation. A row is named as
    the run's folder; brackets say in what else its runs differ.
    """
    form = form or _format_of(output)
    records = _read(paths or (Path("runs"),))
    text = _one_run(records, form) if everything else _all_runs(records, form, names)
    if output is None:
        click.echo(text, nl=False)
        return
    from hsal_bench.files import writable_folder, write_text

    writable_folder(output.parent)
    write_text(output, text)


def _format_of(output: Path | None) -> str:
    if output is None:
        return "terminal"
    if output.suffix.lower() not in SUFFIXES:
        endings, forms = " or ".join(SUFFIXES), ", ".join(FORMATS)
        raise UsageError(
            f"{output} has no suffix that says its format: end its name in {endings}, "
            f"or say --format ({forms})"
        )
    return SUFFIXES[output.suffix.lower()]


def _read(paths: tuple[Path, ...]) -> list[Record]:
    from hsal_bench.record import read_record, record_paths

    # A set: a file and the folder it lies in can both be named.
    files = {file.resolve(): file for path in paths for file in record_paths(path)}
    if not files:
        where = ", ".join(map(str, paths))
        raise UsageError(f"no record in {where}: make one with `hsal-bench run`")
    return [read_record(file) for file in files.values()]


def _all_runs(records: list[Record], form: str, names: str | None) -> str:
    from hsal_bench import sheets, tables

    asked = [name.strip() for name in (names or "").split(",")]
    metrics = list(dict.fromkeys(filter(None, asked))) or tables.HEADLINE
    means = tables.metric_table(records, metrics)
    return means.to_csv(index=False) if form == "csv" else _shown(sheets.metric_sheets(means), form)


def _one_run(records: list[Record], form: str) -> str:
    from hsal_bench import sheets
    from hsal_bench.columns import frame

    if len(records) != 1:
        raise UsageError(f"--all shows one run, not {len(records)}: name its record file")
    if form == "csv":
        return frame(records[0]).to_csv(index=False)
    return _shown(sheets.run_sheets(records[0]), form)


def _shown(shown: list[Sheet], form: str) -> str:
    from rich.console import Console

    from hsal_bench import sheets

    if form == "markdown":
        return sheets.markdown(shown)
    buffer = io.StringIO()
    Console(file=buffer, highlight=False, width=_width()).print(sheets.terminal(shown))
    return buffer.getvalue()


def _width() -> int:
    """Return the width to draw tables in: the terminal's, or what a log or a file can take."""
    return max(shutil.get_terminal_size((160, 24)).columns, 60)
