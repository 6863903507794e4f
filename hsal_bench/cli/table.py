"""`hsal-bench table`: result records to tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hsal_bench.cli.output import as_text, format_of, format_option, give, output_option
from hsal_bench.errors import UsageError
from hsal_bench.options import listed

if TYPE_CHECKING:
    from hsal_bench.records.record import Record


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@format_option
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
    "--intervals",
    is_flag=True,
    help="95 % t-intervals of the means over seeds in place of deviations; CSV has both.",
)
@output_option
def table(
    paths: tuple[Path, ...],
    form: str | None,
    names: str | None,
    everything: bool,
    intervals: bool,
    output: Path | None,
) -> None:
    """Show the metrics of recorded runs, and their ranks.

    PATH: record files, or folders with every record.json below and every .json right in them
    (default: runs). One table per data set; means over seeds, ± their sample standard deviation. A
    row is named as the run's folder; brackets say in what else its runs differ. A rank is what the
    tests leave open, a note below says which tests; † marks an exact match that cannot be told from
    the highest. What a terminal has no room for follows below.
    """
    if everything and (names is not None or intervals):
        other = "--intervals" if names is None else "--metrics"
        raise UsageError(f"--all shows every number of one run: leave it out, or {other}")
    metrics = listed(names or "")
    if names is not None and not metrics:
        raise UsageError("--metrics names no metric: name some, or leave it out")
    form = form or format_of(output)
    from hsal_bench.records.find import read_records

    records = list(read_records(paths or [Path("runs")]).values())
    text = _one_run(records, form) if everything else _all_runs(records, form, metrics, intervals)
    give(text, output)


def _all_runs(records: list[Record], form: str, metrics: list[str], intervals: bool) -> str:
    from hsal_bench.report import metric_table, text_tables

    means = metric_table.metric_table(records, metrics or metric_table.HEADLINE)
    if form == "csv":
        return means.to_csv(index=False)
    return as_text(text_tables.metric_sheets(means, asked=bool(metrics), intervals=intervals), form)


def _one_run(records: list[Record], form: str) -> str:
    from hsal_bench.report import text_tables
    from hsal_bench.report.columns import frame

    if len(records) != 1:
        raise UsageError(f"--all shows one run, not {len(records)}: name its record file")
    if form == "csv":
        return frame(records[0]).to_csv(index=False)
    return as_text(text_tables.run_sheets(records[0]), form)
