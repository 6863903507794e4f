"""Files next to a run's record: scores per class, an attention picture, the metric tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from hsal_bench.data.file import DataFile
from hsal_bench.files import write_text
from hsal_bench.method.contract import Method
from hsal_bench.metrics.scores import Counts, per_class
from hsal_bench.record.find import find_records
from hsal_bench.record.record import Record
from hsal_bench.report import metric_table, text_tables
from hsal_bench.report.csv_text import csv_text
from hsal_bench.report.figures import style
from hsal_bench.report.figures.attention import attention_figure
from hsal_bench.report.figures.glimpses import glimpses_of, rows_to_picture
from hsal_bench.report.terminal import terminal
from hsal_bench.training.batches import ExampleSet


def report(records: Sequence[Record], out: Path, *, as_json: bool) -> None:
    """Print the table of these runs; write the tables of all runs in `out`.

    `table.md` holds the headline metrics, `table.csv` every metric. Records that cannot
    be read are skipped with a message.
    """
    means = metric_table.metric_table(records)
    if as_json:
        click.echo(means.to_json(orient="records", indent=1))
    else:
        console = Console(highlight=False)
        console.print(terminal(text_tables.metric_tables(means), console.width), crop=False)
    all_records = list(find_records([out]).values())
    names = list(dict.fromkeys(name for record in all_records for name in record.metrics))
    headline = text_tables.metric_tables(metric_table.metric_table(all_records))
    write_text(out / "table.md", text_tables.markdown(headline))
    every_metric = metric_table.metric_table(all_records, names)
    write_text(out / "table.csv", csv_text(every_metric))
    click.echo(f"records and tables are in {out}", err=True)


def write_per_class(
    truth: Counts, predicted: Counts, class_names: Sequence[str], path: Path
) -> None:
    """Write one CSV line per class, with the columns of `hsal_bench.metrics.scores.per_class`.

    A score that is undefined (the class occurs in neither) is an empty cell.
    """
    write_text(path, csv_text(per_class(truth, predicted, class_names)))


def write_attention(method: Method, test: ExampleSet, data: DataFile, path: Path) -> None:
    """Draw a method's glimpses on the images that `rows_to_picture` selects, if it has a trace."""
    glimpses = glimpses_of(method, test, data, rows_to_picture(test.counts.sum(1).cpu().numpy()))
    if glimpses is not None:
        style.save(attention_figure(glimpses), path)
