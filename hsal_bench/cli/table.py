"""`hsal-bench table`: tables of recorded runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hsal_bench.cli.common import as_text, format_of, format_option, output_option, write_output
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
    help="Columns: metrics, or facts of a run such as updates, wall_s, parameters.",
)
@click.option(
    "--all", "everything", is_flag=True, help="Show one run in full: every number and setting."
)
@click.option(
    "--intervals",
    is_flag=True,
    help="Show 95 % t-intervals of the means over seeds, not deviations. CSV has both.",
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
    """Show the metrics and ranks of recorded runs.

    PATH: record files, or folders (default: runs). A folder stands for every record.json below it
    and every .json directly in it.

    Prints one table per dataset: means over seeds ± sample standard deviation. Names show only the
    settings in which rows differ; a note has the full names. A rank is the range of ranks
    consistent with the tests that the note names. † marks an exact match that is not significantly
    different from the highest. Columns too wide for the terminal follow below.
    """
    if everything and (names is not None or intervals):
        other = "--intervals" if names is None else "--metrics"
        raise UsageError(f"--all cannot be combined with {other}: drop one of the two")
    metrics = listed(names or "")
    if names is not None and not metrics:
        raise UsageError("--metrics is empty: name metrics, or drop it")
    form = form or format_of(output)
    from hsal_bench.records.find import read_records

    records = list(read_records(paths or [Path("runs")]).values())
    text = _one_run(records, form) if everything else _all_runs(records, form, metrics, intervals)
    write_output(text, output)


def _all_runs(records: list[Record], form: str, metrics: list[str], intervals: bool) -> str:
    from hsal_bench.report import metric_table, text_tables

    means = metric_table.metric_table(records, metrics or metric_table.HEADLINE)
    if form == "csv":
        return means.to_csv(index=False)
    return as_text(text_tables.metric_tables(means, asked=bool(metrics), intervals=intervals), form)


def _one_run(records: list[Record], form: str) -> str:
    from hsal_bench.report import text_tables
    from hsal_bench.report.columns import frame

    if len(records) != 1:
        raise UsageError(f"--all shows one run, not {len(records)}: name one record file")
    if form == "csv":
        return frame(records[0]).to_csv(index=False)
    return as_text(text_tables.run_tables(records[0]), form)
