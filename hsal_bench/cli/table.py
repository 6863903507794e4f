"""`hsal-bench table`: tables of recorded runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hsal_bench.cli.common import (
    as_text,
    format_of,
    format_option,
    output_option,
    table_file,
    write_output,
)
from hsal_bench.cli.output import force_option
from hsal_bench.errors import UsageError
from hsal_bench.options import split_list

if TYPE_CHECKING:
    from hsal_bench.record.record import Record


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@format_option
@click.option(
    "--metrics",
    "names",
    metavar="NAME,...",
    help="Columns: metrics, or facts of a run such as updates, wall_s, parameters.",
)
@click.option(
    "--all", "everything", is_flag=True, help="Show every number and setting of a single run."
)
@click.option(
    "--intervals",
    is_flag=True,
    help="Show 95 % t-intervals of the means instead of deviations. CSV always has both.",
)
@output_option
@force_option
def table(
    paths: tuple[Path, ...],
    form: str | None,
    names: str | None,
    everything: bool,
    intervals: bool,
    output: Path | None,
    force: bool,
) -> None:
    """Show the metrics and ranks of recorded runs.

    PATH: record files or folders (default: runs). Reads the records at any depth in a folder,
    whatever their names.

    Prints one table per dataset: means over seeds ± sample standard deviation. Names show only the
    settings in which rows differ; a note has the others. A rank is a range: all ranks that the
    significance tests leave possible. † marks an exact match that is not significantly different
    from the highest. Columns that do not fit the terminal are printed below.
    """
    if everything and (names is not None or intervals):
        option = "--intervals" if names is None else "--metrics"
        raise UsageError(f"--all cannot be combined with {option}: drop one of the two")
    metrics = split_list(names or "")
    if names is not None and not metrics:
        raise UsageError("--metrics is empty: name metrics, or drop it")
    form = form or format_of(output)
    from hsal_bench.record.find import read_records

    files = read_records(paths or [Path("runs")])
    file, records = table_file(output, form, files, force=force), list(files.values())
    text = _one_run(records, form) if everything else _all_runs(records, form, metrics, intervals)
    write_output(text, file)


def _all_runs(records: list[Record], form: str, metrics: list[str], intervals: bool) -> str:
    from hsal_bench.report import metric_table, text_tables
    from hsal_bench.report.csv_text import csv_text

    means = metric_table.metric_table(records, metrics or metric_table.HEADLINE)
    if form == "csv":
        return csv_text(means)
    return as_text(text_tables.metric_tables(means, asked=bool(metrics), intervals=intervals), form)


def _one_run(records: list[Record], form: str) -> str:
    from hsal_bench.report import text_tables
    from hsal_bench.report.columns import frame
    from hsal_bench.report.csv_text import csv_text

    if len(records) != 1:
        raise UsageError(f"--all shows one run, not {len(records)}: name one record file")
    if form == "csv":
        return csv_text(frame(records[0]))
    return as_text(text_tables.run_tables(records[0]), form)
