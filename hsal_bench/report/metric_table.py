"""Means of metrics over seeds, made from result records and from nothing else.

Runs are compared within one data set (name and content hash), the one they were trained on where
that is another, and one version of the metrics. A row is a method, or one variant of it where its
runs differ in more than the seed; its numbers are means over seeds. Runs that failed, and seeds
that other rows have, take no part in a mean: a note says how many and why. Rows are ranked by their
exact match (`ranking`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from hsal_bench.compare.grouping import (
    NONE,
    activation_models,
    caveats,
    conditions,
    latest_per_seed,
    seeds_asked,
    unhelped,
    variants,
)
from hsal_bench.compare.ranking import ranking
from hsal_bench.compare.statistics import mean_interval, mean_std
from hsal_bench.errors import UsageError, suggest
from hsal_bench.metrics.scores import MEANINGS
from hsal_bench.records.external_entry import Statement
from hsal_bench.records.record import Record
from hsal_bench.report.columns import RUN_COLUMNS, value

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
DIGITS = 8
_RANK = ("rank_best", "rank_worst", "as_best", "ranked_by", "few_seeds")


def metric_table(records: Iterable[Record], metrics: Sequence[str] = HEADLINE) -> pd.DataFrame:
    """Return one row per data set and method (or variant of it), best exact match first.

    Columns: data_set, method, n (seeds behind the means), seeds (that some row of the data set
    has, this one or another), for each metric its mean over seeds, `<metric>_std` (sample standard
    deviation) and `<metric>_low` to `<metric>_high` (95 % t-interval of the mean,
    `statistics.mean_interval`; all three NaN for fewer than two seeds), rank_best and rank_worst
    (the ranks by exact match that the row can have), as_best (it cannot be told from the highest
    exact match, or is it), ranked_by (the tests behind these, in words), few_seeds
    (`ranking.few_seeds`), note, activation_models ("one for all seeds", "one per seed", "" for
    images), and `given_*`: what the runs were given that should be alike for a fair comparison. A
    mean is NaN where no run succeeded, or one of them has no such number. If one seed was run
    several times, the latest run counts.

    Raises:
        UsageError: a name that is none of this project's metrics, and that no record has.
    """
    import pandas as pd

    records = list(records)
    _check_metrics(records, metrics)
    data_sets: dict[str, list[Record]] = {}
    known = digits(records)
    for record in sorted(records, key=lambda record: data_set(record, known)):
        data_sets.setdefault(data_set(record, known), []).append(record)
    rows = []
    for name, group in data_sets.items():
        rows += _rows(name, group, metrics)
    means = [f"{name}{of}" for name in metrics for of in ("", "_std", "_low", "_high")]
    given = dict.fromkeys(f"given_{name}" for run in records for name in conditions(run))
    columns = [
        "data_set",
        "method",
        "n",
        "seeds",
        *means,
        *_RANK,
        "note",
        "activation_models",
        *given,
    ]
    table = pd.DataFrame([dict.fromkeys(given, NONE) | row for row in rows], columns=columns)
    # Whole numbers, of which one can be missing.
    return table.astype({"rank_best": "Int64", "rank_worst": "Int64"})


def digits(records: Iterable[Record]) -> int:
    """Return how many digits of a content's hash tell those of the records apart: 8, or more."""
    contents = {
        one.content_sha256
        for record in records
        for one in (record.data_set, record.trained_on)
        if one is not None
    }
    return next(n for n in count(DIGITS) if len({one[:n] for one in contents}) == len(contents))


def data_set(record: Record, digits: int = DIGITS) -> str:
    """Return what a table is of: the data set, its content, the version of the metrics.

    And, of methods that were trained on another data set, which that is. Of contents as many
    `digits` are told.
    """
    content = record.data_set.content_sha256[:digits]
    told = f"{record.data_set.name} (content {content}, metrics {record.metrics_version})"
    other = record.trained_on
    if other is None:
        return told
    return f"{told}, trained on {other.name} (content {other.content_sha256[:digits]})"


def _rows(data_set: str, records: Sequence[Record], metrics: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of a data set, best exact match first."""
    found = {method: latest_per_seed(runs) for method, runs in variants(records)}
    latest = {method: runs for method, (runs, _) in found.items()}
    asked = seeds_asked(latest)
    rows = []
    for method, rank in _ranks(latest).items():
        (runs, superseded), seeds = found[method], asked[method]
        row = {"data_set": data_set, "method": method, "seeds": len(seeds), **rank}
        rows.append(row | _line(runs, metrics) | {"note": _note(runs, seeds, superseded)})
    return rows


def _line(runs: Sequence[Record], metrics: Sequence[str]) -> dict[str, Any]:
    good = _good(runs)
    row: dict[str, Any] = {"n": len(good)}
    for name in metrics:
        values = [value(run, name) for run in good]
        row[name], row[f"{name}_std"] = mean_std(values)
        row[f"{name}_low"], row[f"{name}_high"] = mean_interval(values)
    given = {f"given_{name}": value for name, value in conditions(runs[0]).items()}
    return row | {"activation_models": activation_models(runs[0])} | given


def _good(runs: Sequence[Record]) -> list[Record]:
    return [run for run in runs if run.status == "ok"]


def _ranks(methods: Mapping[str, Sequence[Record]]) -> dict[str, dict[str, Any]]:
    """Return the columns `_RANK` of each method, the best first.

    Those of a method without a number are empty, and it comes last.
    """
    good = {name: _good(runs) for name, runs in methods.items()}
    order = ranking({name: runs for name, runs in good.items() if runs})
    told = (order.tests if order.pairs else "", order.few_seeds)
    none: dict[str, Any] = dict(zip(_RANK, (None, None, False, "", ""), strict=True))
    ranked = {
        rank.name: dict(zip(_RANK, (rank.best, rank.worst, rank.as_best, *told), strict=True))
        for rank in order.ranks
    }
    return ranked | {name: none for name in methods if name not in ranked}


def _note(runs: Sequence[Record], seeds: set[int], superseded: Sequence[Record]) -> str:
    causes = dict.fromkeys(_lacking(runs, seeds))
    if repeated := sorted({run.seed for run in superseded}):
        causes[f"seed {', '.join(map(str, repeated))} run more than once: the latest counts"] = None
    causes |= dict.fromkeys(filter(None, [unhelped(runs)]))
    causes |= dict.fromkeys(caveat for run in _good(runs) for caveat in caveats(run))
    causes |= dict.fromkeys(_origin(run.stated) for run in runs if run.stated is not None)
    return "; ".join(causes)


def _lacking(runs: Sequence[Record], seeds: set[int]) -> list[str]:
    """Return what keeps the row from a number for every seed: "3 of 5 seeds", "1 failed: why"."""
    bad = Counter((run.status, run.reason) for run in runs if run.status != "ok")
    missing = sorted(seeds - {run.seed for run in runs})
    if len(seeds) == 1:
        return [f"{status}: {reason}" for status, reason in bad]
    told = [f"{number} {status}: {reason}" for (status, reason), number in bad.items()]
    if missing:
        which = "seed" if len(missing) == 1 else "seeds"
        told.append(f"no record of {which} {', '.join(map(str, missing))}")
    good = len(runs) - bad.total()
    return [f"{good} of {len(seeds)} seeds", *told] if told else []


def _origin(stated: Statement) -> str:
    """Return what must be known of numbers whose method was not trained here."""
    learnt = " and ".join(["the train and valid splits", *stated.extra_data])
    return f"predictions made elsewhere, {stated.entry}; trained on {learnt}, as stated"


def _check_metrics(records: Sequence[Record], metrics: Sequence[str]) -> None:
    # What no record has all the same is a column of dashes: a method need not show where it looks.
    known = {*MEANINGS, *RUN_COLUMNS, *(name for run in records for name in run.metrics)}
    for name in metrics:
        if name not in known:
            raise UsageError(f"no record has a metric {name!r}: {suggest(name, known)}")
