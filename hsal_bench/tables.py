"""Means of metrics over seeds, made from result records and from nothing else.

Runs are compared within one data set (name and content hash), the one they were trained on where
that is another, and one version of the metrics. A row is a method, or one variant of it where its
runs differ in more than the seed; its numbers are means over seeds. Runs that failed take no part
in a mean: a note says how many and why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hsal_bench.columns import RUN_COLUMNS, value
from hsal_bench.comparison import NONE, conditions, variants
from hsal_bench.errors import UsageError, suggest
from hsal_bench.record import Record
from hsal_bench.statement import Statement

if TYPE_CHECKING:
    import pandas as pd

HEADLINE = (
    "exact_match",
    "macro_f1",
    "cardinality_accuracy",
    "pointing_hit",
    "pointing_hit_chance",
    "updates",
    "wall_s",
)
SORT_BY = "exact_match"


def metric_table(records: Iterable[Record], metrics: Sequence[str] = HEADLINE) -> pd.DataFrame:
    """Return one row per data set and method (or variant of it), best exact match first.

    Columns: data_set, method, n (seeds behind the means), for each metric its mean over seeds and
    `<metric>_std` (sample standard deviation, NaN for fewer than two seeds), note, and `given_*`:
    what the runs were given that should be alike for a fair comparison. A mean is NaN where no run
    succeeded, or one of them has no such number. If one seed was run several times, the latest run
    counts.

    Raises:
        UsageError: a metric that none of the records has.
    """
    import pandas as pd

    records = list(records)
    _check_metrics(records, metrics)
    data_sets: dict[str, list[Record]] = {}
    for record in sorted(records, key=data_set):
        data_sets.setdefault(data_set(record), []).append(record)
    rows = []
    for name, group in data_sets.items():
        lines = [_line(name, method, runs, metrics) for method, runs in variants(group)]
        rows += [row for _, row in sorted(lines, key=lambda line: line[0])]
    means = [column for name in metrics for column in (name, f"{name}_std")]
    given = dict.fromkeys(f"given_{name}" for run in records for name in conditions(run))
    columns = ["data_set", "method", "n", *means, "note", *given]
    return pd.DataFrame([dict.fromkeys(given, NONE) | row for row in rows], columns=columns)


def data_set(record: Record) -> str:
    """Return what a table is of: the data set, its content, the version of the metrics.

    And, of methods that were trained on another data set, which that is.
    """
    content = record.data_set.content_sha256[:8]
    told = f"{record.data_set.name} (content {content}, metrics {record.metrics_version})"
    other = record.trained_on
    if other is None:
        return told
    return f"{told}, trained on {other.name} (content {other.content_sha256[:8]})"


def _line(
    data_set: str, method: str, records: Sequence[Record], metrics: Sequence[str]
) -> tuple[tuple[float, str], dict[str, Any]]:
    """Return a row of the table, after what it is sorted by."""
    runs, repeated = _latest(records)
    good = [run for run in runs if run.status == "ok"]
    row: dict[str, Any] = {"data_set": data_set, "method": method, "n": len(good)}
    for name in metrics:
        row[name], row[f"{name}_std"] = _mean_std([value(run, name) for run in good])
    row["note"] = _note(runs, repeated)
    row |= {f"given_{name}": given for name, given in conditions(runs[0]).items()}
    best, _ = _mean_std([value(run, SORT_BY) for run in good])
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
    untrained = [str(run.seed) for run in runs if run.status == "ok" and run.selected_update == 0]
    if untrained:
        told = (
            f"seed {', '.join(untrained)} tested at update 0: training did not help on validation"
        )
        causes[told] = None
    causes |= dict.fromkeys(_origin(run.stated) for run in runs if run.stated is not None)
    return "; ".join(causes)


def _origin(stated: Statement) -> str:
    """Return what must be known of numbers whose method was not trained here."""
    learnt = " and ".join(["the train and valid splits", *stated.extra_data])
    return f"predictions made elsewhere, {stated.entry}; trained on {learnt}, as stated"


def _mean_std(values: Sequence[float]) -> tuple[float, float]:
    n = len(values)
    if n == 0:
        return math.nan, math.nan
    mean = math.fsum(values) / n
    if n == 1:
        return mean, math.nan
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))


def _check_metrics(records: Sequence[Record], metrics: Sequence[str]) -> None:
    # The headline columns are always allowed: a method that does not attend has a dash there.
    known = {*HEADLINE, *RUN_COLUMNS, *(name for run in records for name in run.metrics)}
    for name in metrics:
        if name not in known:
            raise UsageError(f"no record has a metric {name!r}: {suggest(name, known)}")
