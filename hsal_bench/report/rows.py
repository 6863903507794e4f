"""Rows of result tables: the methods on each dataset with their runs, means and ranks.

Runs are compared within one dataset (name and content hash), one training dataset if that is
different, and one version of the metrics. A row is a method, or a variant of it if its runs differ
in more than the seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from hsal_bench.comparison.grouping import (
    LONGEST_NAME,
    bounded,
    conditions,
    inequality,
    labelled,
    latest_per_seed,
    seeds_asked,
    variants,
)
from hsal_bench.comparison.ranking import Rank, Ranking, ranking
from hsal_bench.comparison.seeds import mean_interval, mean_variance, seed_scores
from hsal_bench.comparison.statistics import Interval, mean_std
from hsal_bench.metrics.scores import limits
from hsal_bench.record.record import Record
from hsal_bench.report.columns import RUN_COLUMNS, value
from hsal_bench.text import shown

DIGITS = 8
LONGEST_REASON = 1000


class Spreads:
    """The mean variance over seeds of each metric, over the methods of one dataset."""

    def __init__(self, methods: Iterable[Sequence[Record]]) -> None:
        self._methods = [[run for run in runs if run.status == "ok"] for runs in methods]
        self._variances: dict[str, float] = {}

    def variance(self, metric: str) -> float:
        """Return `seeds.mean_variance` of a metric; methods that lack it do not count."""
        if metric not in self._variances:
            scores = [[value(run, metric) for run in runs] for runs in self._methods if runs]
            self._variances[metric] = mean_variance(seed_scores(scores))
        return self._variances[metric]


@dataclass(frozen=True)
class MethodRow:
    """A method, or a variant of it, on one dataset.

    name: with all settings (`grouping.bounded`). label: short and unique among the rows
    (`grouping.labelled`). not_shown: the settings that the label leaves out. runs: the latest run
    of each seed, failed ones included. superseded: earlier runs of the same seeds. missing: seeds
    that other rows have. rank: None without a successful run. spreads: of all rows of the dataset.
    """

    name: str
    label: str
    not_shown: str
    runs: tuple[Record, ...]
    superseded: tuple[Record, ...]
    missing: tuple[int, ...]
    rank: Rank | None
    spreads: Spreads

    @property
    def good(self) -> list[Record]:
        """The successful runs: means are over these."""
        return [run for run in self.runs if run.status == "ok"]

    @property
    def bad(self) -> list[Record]:
        """The runs that failed or are unsupported."""
        return [run for run in self.runs if run.status != "ok"]

    def mean(self, metric: str) -> tuple[float, float]:
        """Return the mean over seeds and its sample standard deviation; NaN if undefined."""
        return mean_std([value(run, metric) for run in self.good])

    def interval(self, metric: str) -> Interval:
        """Return the 95 % interval of the mean over seeds (`seeds.mean_interval`).

        Limited to the values that the metric can have. NaN for too few seeds, and for numbers of
        the run: times and updates depend on the machine and the budget, not on a draw of seeds.
        """
        if metric in RUN_COLUMNS:
            return Interval(math.nan, math.nan)
        values = [value(run, metric) for run in self.good]
        low, high = mean_interval(values, self.spreads.variance(metric))
        lowest, highest = limits(metric)
        return Interval(max(low, lowest), min(high, highest))  # NaN stays


@dataclass(frozen=True)
class DatasetRows:
    """The rows of one dataset, best exact match first; rows without a number come last.

    title: `data_set` of the records. ranking: None without a successful run.
    """

    title: str
    record: Record
    rows: tuple[MethodRow, ...]
    ranking: Ranking | None

    @property
    def inequality(self) -> str:
        """The differences in the training conditions of the rows; "" if there are none."""
        given = {row.label: conditions(row.good[0]) for row in self.rows if row.good}
        return inequality({label: values for label, values in given.items() if values})


def dataset_rows(records: Iterable[Record]) -> list[DatasetRows]:
    """Return the rows of each dataset, sorted by title."""
    records = list(records)
    shown = digits(records)
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(data_set(record, shown), []).append(record)
    return [_dataset_rows(title, groups[title]) for title in sorted(groups)]


def shown_reason(record: Record) -> str:
    """Return why a run failed, cut after `LONGEST_REASON` letters."""
    return shown(record.reason, LONGEST_REASON)


def digits(records: Iterable[Record]) -> int:
    """Return how many digits keep the content hashes of the records distinct: 8 or more."""
    contents = {
        data.content_sha256
        for record in records
        for data in (record.data_set, record.trained_on)
        if data is not None
    }
    return next(n for n in count(DIGITS) if len({text[:n] for text in contents}) == len(contents))


def data_set(record: Record, digits: int = DIGITS) -> str:
    """Return a table's title: dataset, content hash (`digits` of it), version of the metrics.

    For methods trained on a different dataset, the title names that one too.
    """
    content = record.data_set.content_sha256[:digits]
    title = f"{record.data_set.name} (content {content}, metrics {record.metrics_version})"
    source = record.trained_on
    if source is None:
        return title
    return f"{title}, trained on {source.name} (content {source.content_sha256[:digits]})"


def _dataset_rows(title: str, records: Sequence[Record]) -> DatasetRows:
    grouped = dict(variants(records))
    methods = {name: latest_per_seed(runs) for name, runs in grouped.items()}
    latest = {name: runs for name, (runs, _) in methods.items()}
    given, seeds = labelled(grouped), seeds_asked(latest)
    labels = {name: text.short for name, text in given.items()}
    ranks = _ranking({labels[name]: runs for name, runs in latest.items()})
    spreads = Spreads(latest.values())
    by_label = {rank.name: rank for rank in ranks.ranks} if ranks else {}
    rows = {
        labels[name]: MethodRow(
            name=bounded(name, LONGEST_NAME),
            label=labels[name],
            not_shown=given[name].not_shown,
            runs=tuple(runs),
            superseded=tuple(superseded),
            missing=tuple(sorted(seeds[name] - {run.seed for run in runs})),
            rank=by_label.get(labels[name]),
            spreads=spreads,
        )
        for name, (runs, superseded) in methods.items()
    }
    order = [*by_label, *(label for label in rows if label not in by_label)]
    return DatasetRows(title, records[0], tuple(rows[label] for label in order), ranks)


def _ranking(methods: Mapping[str, Sequence[Record]]) -> Ranking | None:
    good = {name: [run for run in runs if run.status == "ok"] for name, runs in methods.items()}
    ranked = {name: runs for name, runs in good.items() if runs}
    return ranking(ranked) if ranked else None
