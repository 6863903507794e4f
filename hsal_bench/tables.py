"""Tables of metrics, made from result records and from nothing else.

Runs are compared within one data set (name and content hash) and one version of the metrics. A
row is a method, or one variant of it where its runs differ in more than the seed; its numbers are
means over seeds. Runs that failed take no part in a mean: a note says how many and why.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from hsal_bench.errors import UsageError, suggest
from hsal_bench.record import Record

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Group

# What a record knows of a run besides its metrics; these can be columns too.
RUN_COLUMNS: dict[str, Callable[[Record], float | None]] = {
    "updates": lambda record: record.updates,
    "wall_s": lambda record: record.wall_s,
    "parameters": lambda record: record.parameters,
    "throughput_train": lambda record: record.throughput_train,
    "throughput_predict": lambda record: record.throughput_predict,
    "peak_memory_process": lambda record: record.peak_memory_bytes.process,
    "peak_memory_device": lambda record: record.peak_memory_bytes.device,
}
HEADLINE = (
    "exact_match",
    "macro_f1",
    "overall_f1",
    "cardinality_accuracy",
    "attn_saliency",
    "updates",
    "wall_s",
)
SORT_BY = "exact_match"
_HEADINGS = {
    "wall_s": "time (s)",
    "throughput_train": "training (examples/s)",
    "throughput_predict": "prediction (examples/s)",
    "peak_memory_process": "memory (bytes)",
    "peak_memory_device": "device memory (bytes)",
}
_DASH = "—"


@dataclass(frozen=True)
class Sheet:
    """A table ready to be shown: texts, with the notes that go below it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def metric_table(records: Iterable[Record], metrics: Sequence[str] = HEADLINE) -> pd.DataFrame:
    """Return one row per data set and method (or variant of it), best exact match first.

    Columns: data_set, method, n (seeds behind the means), for each metric its mean over seeds and
    `<metric>_std` (sample standard deviation, NaN for fewer than two seeds), and note. A mean is
    NaN where no run succeeded, or one of them has no such number. If one seed was run several
    times, the latest run counts.

    Raises:
        UsageError: a metric that none of the records has.
    """
    import pandas as pd

    records = list(records)
    _check_metrics(records, metrics)
    rows = []
    for data_set, group in _grouped(records, _data_set):
        lines = [
            _line(data_set, method, runs, metrics)
            for name, of_method in _grouped(group, lambda record: record.method)
            for method, runs in _variants(name, of_method)
        ]
        rows += [row for _, row in sorted(lines, key=lambda line: line[0])]
    columns = [column for name in metrics for column in (name, f"{name}_std")]
    return pd.DataFrame(rows, columns=["data_set", "method", "n", *columns, "note"])


def sheets(table: pd.DataFrame) -> list[Sheet]:
    """Return what `metric_table` made as one sheet per data set, "mean ± std" in its cells."""
    metrics = [name for name in table.columns if f"{name}_std" in table.columns]
    columns = ("method", "seeds", *(_HEADINGS.get(m, m.replace("_", " ")) for m in metrics))
    result = []
    for data_set, group in table.groupby("data_set", sort=False):
        notes = tuple(dict.fromkeys(note for note in group["note"] if note))
        rows = []
        for row in group.to_dict("records"):
            mark = f" ({notes.index(row['note']) + 1})" if row["note"] else ""
            cells = (_cell(name, row[name], row[f"{name}_std"]) for name in metrics)
            rows.append((row["method"] + mark, str(row["n"]), *cells))
        numbered = tuple(f"({number}) {note}" for number, note in enumerate(notes, 1))
        result.append(Sheet(str(data_set), columns, tuple(rows), numbered))
    return result


def run_sheet(record: Record) -> Sheet:
    """Return every metric of one run, and what each says."""
    from hsal_bench.metrics import meaning

    title = f"{record.method}, seed {record.seed}, on {_data_set(record)}"
    rows = [(name, _cell(name, x, math.nan), meaning(name)) for name, x in record.metrics.items()]
    for name, read in RUN_COLUMNS.items():
        heading = _HEADINGS.get(name, "")
        rows.append((name, _cell(name, _number(read(record)), math.nan), heading))
    notes = (f"{record.status}: {record.reason}",) if record.status != "ok" else ()
    return Sheet(title, ("metric", "value", "meaning"), tuple(rows), notes)


def terminal(sheets: Iterable[Sheet]) -> Group:
    """Return the sheets as something rich can print; the headline fits into 80 columns."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[Table | Text] = []
    for sheet in sheets:
        table = Table(title=Text(sheet.title), title_justify="left", box=SIMPLE_HEAD)
        table.padding, table.pad_edge, table.show_edge = 0, False, False
        for index, column in enumerate(sheet.columns):
            text = index == 0 or column == "meaning"
            table.add_column(Text(column.replace(" ", "\n")), justify="left" if text else "right")
        for row in sheet.rows:
            # The deviation goes below its mean: half the width.
            table.add_row(*(Text(cell.replace(" ± ", "\n±")) for cell in row))
        parts += [table, *map(Text, sheet.notes)]
    return Group(*parts)


def markdown(sheets: Iterable[Sheet]) -> str:
    """Return the sheets as Markdown."""
    return "\n".join("\n".join(_markdown_lines(sheet)) + "\n" for sheet in sheets)


def csv(table: pd.DataFrame) -> str:
    """Return what `metric_table` made as CSV: plain numbers, an empty field for none."""
    return table.to_csv(index=False)


def _markdown_lines(sheet: Sheet) -> Iterator[str]:
    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    yield f"**{sheet.title}**"
    yield ""
    yield line(sheet.columns)
    yield line([":--", *["--:"] * (len(sheet.columns) - 1)])
    yield from map(line, sheet.rows)
    for note in sheet.notes:
        yield ""
        yield note


def _grouped(
    records: Iterable[Record], key: Callable[[Record], str]
) -> Iterator[tuple[str, list[Record]]]:
    for name, group in groupby(sorted(records, key=key), key):
        yield name, list(group)


def _data_set(record: Record) -> str:
    content = record.data_set.content_sha256[:8]
    return f"{record.data_set.name} (content {content}, metrics {record.metrics_version})"


def _variants(method: str, records: Sequence[Record]) -> Iterator[tuple[str, list[Record]]]:
    """Yield the runs that differ in nothing but the seed, named by what tells them apart."""
    settings = {id(record): _settings(record) for record in records}
    names = dict.fromkeys(name for values in settings.values() for name in values)
    differing = [n for n in names if len({s.get(n) for s in settings.values()}) > 1]

    def label(record: Record) -> str:
        values = settings[id(record)]
        told = ", ".join(f"{name}={values.get(name, _DASH)}" for name in differing)
        return f"{method} [{told}]" if told else method

    yield from _grouped(records, label)


def _settings(record: Record) -> dict[str, str]:
    """Return all that decides a run's result but the seed and the data, as texts by name."""
    activation = record.activation
    values: dict[str, Any] = dict(record.config)
    values |= {f"budget.{name}": value for name, value in record.budget.items()}
    if activation is not None:
        values |= {"backbone": activation.backbone, "activations": activation.sha256[:8]}
    return {name: x if isinstance(x, str) else json.dumps(x) for name, x in values.items()}


def _line(
    data_set: str, method: str, records: Sequence[Record], metrics: Sequence[str]
) -> tuple[tuple[float, str], dict[str, Any]]:
    """Return a row of the table, after what it is sorted by."""
    runs, repeated = _latest(records)
    good = [run for run in runs if run.status == "ok"]
    row: dict[str, Any] = {"data_set": data_set, "method": method, "n": len(good)}
    for name in metrics:
        row[name], row[f"{name}_std"] = _mean_std([_value(run, name) for run in good])
    row["note"] = _note(runs, repeated)
    best, _ = _mean_std([_value(run, SORT_BY) for run in good])
    return (math.inf if math.isnan(best) else -best, method), row


def _latest(records: Sequence[Record]) -> tuple[list[Record], list[int]]:
    """Return one run per seed, the latest started, and the seeds that had several."""
    by_seed: dict[int, Record] = {}
    repeated = []
    for record in sorted(records, key=lambda run: datetime.fromisoformat(run.started)):
        if record.seed in by_seed:
            repeated.append(record.seed)
        by_seed[record.seed] = record
    return [by_seed[seed] for seed in sorted(by_seed)], sorted(set(repeated))


def _note(runs: Sequence[Record], repeated: Sequence[int]) -> str:
    bad = [run for run in runs if run.status != "ok"]
    count = f" ({len(bad)} of {len(runs)} seeds)" if len(bad) < len(runs) else ""
    causes = dict.fromkeys(f"{run.status}{count}: {run.reason}" for run in bad)
    if repeated:
        causes[f"seed {', '.join(map(str, repeated))} run more than once: the latest counts"] = None
    return "; ".join(causes)


def _value(record: Record, name: str) -> float:
    read = RUN_COLUMNS.get(name)
    return _number(read(record) if read else record.metrics.get(name))


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _mean_std(values: Sequence[float]) -> tuple[float, float]:
    n = len(values)
    if n == 0:
        return math.nan, math.nan
    mean = math.fsum(values) / n
    if n == 1:
        return mean, math.nan
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))


def _cell(name: str, mean: float, std: float) -> str:
    if math.isnan(mean):
        return _DASH
    whole = name == "updates" or name == "parameters" or abs(mean) >= 1000
    digits = 0 if whole else 3 if abs(mean) < 10 else 1
    told = not math.isnan(std) and not (whole and std == 0)
    return f"{mean:,.{digits}f}" + (f" ± {std:,.{digits}f}" if told else "")


def _check_metrics(records: Sequence[Record], metrics: Sequence[str]) -> None:
    # The headline columns are always allowed: a method that does not attend has a dash there.
    known = {*HEADLINE, *RUN_COLUMNS, *(name for run in records for name in run.metrics)}
    for name in metrics:
        if name not in known:
            raise UsageError(f"no record has a metric {name!r}: {suggest(name, known)}")
