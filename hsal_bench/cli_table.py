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
    from hsal_bench.tables import Sheet

FORMATS = ("terminal", "markdown", "csv")


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMATS), default="terminal", show_default=True)
@click.option(
    "--metrics",
    "names",
    metavar="NAME,...",
    help="Columns: names of metrics, or updates, wall_s, parameters and the like.",
)
@click.option("--all", "everything", is_flag=True, help="Every metric of one run, explained.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file."
)
def table(
    paths: tuple[Path, ...], form: str, names: str | None, everything: bool, output: Path | None
) -> None:
    """Show the metrics of the runs recorded in PATH: folders or record files (default: runs).

    One table per data set; means over seeds, ± their sample standard deviation.
    """
    records = _read(paths or (Path("runs"),))
    text = _one_run(records, form) if everything else _all_runs(records, form, names)
    if output is None:
        click.echo(text, nl=False)
        return
    from hsal_bench.files import writable_folder, write_text

    writable_folder(output.parent)
    write_text(output, text)


def _read(paths: tuple[Path, ...]) -> list[Record]:
    from hsal_bench.record import read_record, record_paths

    # A set: a file and the folder it lies in can both be named.
    files = {file.resolve(): file for path in paths for file in record_paths(path)}
    if not files:
        where = ", ".join(map(str, paths))
        raise UsageError(f"no record in {where}: make one with `hsal-bench run`")
    return [read_record(file) for file in files.values()]


def _all_runs(records: list[Record], form: str, names: str | None) -> str:
    from hsal_bench import tables

    metrics = [name.strip() for name in names.split(",")] if names else tables.HEADLINE
    means = tables.metric_table(records, metrics)
    return tables.csv(means) if form == "csv" else _shown(tables.sheets(means), form)


def _one_run(records: list[Record], form: str) -> str:
    from hsal_bench import tables
    from hsal_bench.metrics import frame

    if len(records) != 1:
        raise UsageError(f"--all shows one run, not {len(records)}: name its record file")
    if form == "csv":
        return frame(records[0].metrics).to_csv(index=False)
    return _shown([tables.run_sheet(records[0])], form)


def _shown(sheets: list[Sheet], form: str) -> str:
    from rich.console import Console

    from hsal_bench import tables

    if form == "markdown":
        return tables.markdown(sheets)
    buffer = io.StringIO()
    Console(file=buffer, highlight=False, width=_width()).print(tables.terminal(sheets))
    return buffer.getvalue()


def _width() -> int:
    """Return the width to draw tables in: the terminal's, or what a log or a file can take."""
    return max(shutil.get_terminal_size((160, 24)).columns, 60)
