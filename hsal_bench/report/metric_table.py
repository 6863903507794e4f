"""Metric tables as data frames: means over seeds, computed from result records alone.

Failed runs, and seeds that only other rows have, are not part of a mean: a note says how many and
why. Rows are ranked by exact match (`ranking`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from hsal_bench.comparison.grouping import (
    NONE,
    activation_models,
    caveats,
    conditions,
    untrained_warning,
)
from hsal_bench.comparison.ranking import Ranking
from hsal_bench.errors import UsageError, suggest
from hsal_bench.metrics import scores
from hsal_bench.record.external_entry import UNSTATED, Statement
from hsal_bench.record.record import Record
from hsal_bench.report.columns import RUN_COLUMNS
from hsal_bench.report.rows import MethodRow, dataset_rows, shown_reason

if TYPE_CHECKING:
    import pandas as pd

HEADLINE = (
    *scores.HEADLINE,
    "pointing_hit",
    "pointing_hit_chance",
    "updates",
    "wall_s",
)
SORT_BY = "exact_match"
_RANK = ("rank", "rank_best", "rank_worst", "as_best", "ranked_by", "few_seeds")


def metric_table(records: Iterable[Record], metrics: Sequence[str] = HEADLINE) -> pd.DataFrame:
    """Return one row per dataset and method (or variant of it), best exact match first.

    Columns: data_set, method (the full name), label (short, unique within the dataset), not_shown
    (the settings that the label leaves out), n (seeds in the means), seeds (that the row should
    have), for each metric its mean over seeds, `<metric>_std` (sample standard deviation, NaN for
    one seed) and, except for numbers of the run, `<metric>_low` to `<metric>_high` (95 % interval
    of the mean, `MethodRow.interval`; NaN for too few seeds), rank (in words), rank_best and
    rank_worst (the range of ranks by exact match that is consistent with the tests), as_best (the
    highest exact match, or not significantly different from it), ranked_by (the tests in words),
    few_seeds (`ranking.few_seeds`), note, activation_models ("one for all seeds", "one per seed",
    "" for images), and `given_*`: conditions that a fair comparison keeps equal. A mean is NaN if
    no run succeeded or a run lacks the number. If a seed was run several times, the latest run
    counts.

    Raises:
        UsageError: a name that is neither a known metric nor in any record.
    """
    import pandas as pd

    records = list(records)
    _check_metrics(records, metrics)
    rows = [
        {"data_set": group.title} | _line(row, group.ranking, metrics)
        for group in dataset_rows(records)
        for row in group.rows
    ]
    means = [f"{name}{of}" for name in metrics for of in _parts(name)]
    given = dict.fromkeys(f"given_{name}" for run in records for name in conditions(run))
    columns = [
        "data_set",
        "method",
        "label",
        "not_shown",
        "n",
        "seeds",
        *means,
        *_RANK,
        "note",
        "activation_models",
        *given,
    ]
    table = pd.DataFrame([dict.fromkeys(given, NONE) | row for row in rows], columns=columns)
    # Nullable integers: ranks can be missing.
    return table.astype({"rank_best": "Int64", "rank_worst": "Int64"})


def _parts(name: str) -> tuple[str, ...]:
    """Return the endings of a metric's columns."""
    return ("", "_std") if name in RUN_COLUMNS else ("", "_std", "_low", "_high")


def _line(row: MethodRow, ranking: Ranking | None, metrics: Sequence[str]) -> dict[str, Any]:
    """Return the values of a row by column, without its dataset."""
    seeds = {run.seed for run in row.runs} | set(row.missing)
    line: dict[str, Any] = {"method": row.name, "label": row.label, "not_shown": row.not_shown}
    line |= {"n": len(row.good), "seeds": len(seeds)}
    for name in metrics:
        line[name], line[f"{name}_std"] = row.mean(name)
        if name not in RUN_COLUMNS:
            line[f"{name}_low"], line[f"{name}_high"] = row.interval(name)
    first = row.runs[0]
    given = {f"given_{name}": value for name, value in conditions(first).items()}
    line |= {"note": _note(row, seeds), "activation_models": activation_models(first)}
    return line | _rank(row, ranking) | given


def _rank(row: MethodRow, ranking: Ranking | None) -> dict[str, Any]:
    """Return the columns `_RANK`; empty for a row without a number."""
    rank = row.rank
    if rank is None or ranking is None:
        return dict(zip(_RANK, (NONE, None, None, False, "", ""), strict=True))
    tests = ranking.tests if ranking.pairs else ""
    values = (rank.text, rank.best, rank.worst, rank.as_best, tests, ranking.few_seeds)
    return dict(zip(_RANK, values, strict=True))


def _note(row: MethodRow, seeds: set[int]) -> str:
    causes = dict.fromkeys(_lacking(row.runs, seeds))
    if repeated := sorted({run.seed for run in row.superseded}):
        causes[f"seed {', '.join(map(str, repeated))} run more than once: the latest counts"] = None
    causes |= dict.fromkeys(filter(None, [untrained_warning(row.runs)]))
    causes |= dict.fromkeys(caveat for run in row.good for caveat in caveats(run))
    causes |= dict.fromkeys(_origin(run.stated) for run in row.runs if run.stated is not None)
    return "; ".join(causes)


def _lacking(runs: Sequence[Record], seeds: set[int]) -> list[str]:
    """Return why seeds are missing from the means: "3 of 5 seeds", "1 failed: reason"."""
    bad = Counter((run.status, shown_reason(run)) for run in runs if run.status != "ok")
    missing = sorted(seeds - {run.seed for run in runs})
    if len(seeds) == 1:
        return [f"{status}: {reason}" for status, reason in bad]
    causes = [f"{number} {status}: {reason}" for (status, reason), number in bad.items()]
    if missing:
        which = "seed" if len(missing) == 1 else "seeds"
        causes.append(f"no record of {which} {', '.join(map(str, missing))}")
    good = len(runs) - bad.total()
    return [f"{good} of {len(seeds)} seeds", *causes] if causes else []


def _origin(stated: Statement) -> str:
    """Return a note on numbers of a method that was not trained here."""
    if stated == UNSTATED:
        return "predictions made elsewhere; their training is not stated"
    data = " and ".join(["the train and valid splits", *stated.extra_data])
    return f"predictions made elsewhere, {stated.entry}; trained on {data}, as stated"


def _check_metrics(records: Sequence[Record], metrics: Sequence[str]) -> None:
    # A known metric that no record has is a column of dashes: traces are optional.
    known = {*scores.MEANINGS, *RUN_COLUMNS, *(name for run in records for name in run.metrics)}
    for name in metrics:
        if name not in known:
            raise UsageError(f"no record has a metric {name!r}: {suggest(name, known)}")
