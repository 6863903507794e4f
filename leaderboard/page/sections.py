"""What the board shows, from records: a section for each data set, a row for each method.

A row is a method or a variant of it, as in `hsal-bench table`: its numbers are means over seeds,
of the latest run of each seed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hsal_bench.compare.grouping import (
    conditions,
    inequality,
    latest_per_seed,
    seeds_asked,
    variants,
)
from hsal_bench.compare.ranking import Rank, Ranking, ranking
from hsal_bench.compare.statistics import Interval, mean_interval, mean_std
from hsal_bench.records.record import Record
from hsal_bench.report.columns import cell, heading, meaning, value
from hsal_bench.report.metric_table import data_set, digits

COLUMNS = (
    "exact_match",
    "macro_f1",
    "cardinality_accuracy",
    "parameters",
    "throughput_predict",
    "wall_s",
)
SORT_BY = COLUMNS[0]


@dataclass(frozen=True)
class Entry:
    """A record, and the file it was read from."""

    path: Path
    record: Record


class Runs(NamedTuple):
    """A method's entries: one per seed, and those that later ones of their seed stand above."""

    latest: tuple[Entry, ...]
    superseded: tuple[Entry, ...]


@dataclass(frozen=True)
class Cell:
    """What stands in a table, and the number it is sorted by (None: below all numbers)."""

    text: str
    number: float | None


@dataclass(frozen=True)
class Row:
    """A method on one data set. `ink` numbers its colour and marks, the same on the whole page.

    runs: one per seed, the latest, those that failed among them. superseded: earlier ones of the
    same seeds. missing: seeds that other methods of the section have. rank: None without a run
    that succeeded.
    """

    anchor: str
    name: str
    ink: int
    runs: tuple[Entry, ...]
    superseded: tuple[Entry, ...]
    missing: tuple[int, ...]
    rank: Rank | None

    @property
    def good(self) -> list[Record]:
        """The runs that the numbers are of."""
        return [entry.record for entry in self.runs if entry.record.status == "ok"]

    @property
    def bad(self) -> list[Record]:
        """The runs that failed or are unsupported."""
        return [entry.record for entry in self.runs if entry.record.status != "ok"]

    def mean(self, name: str) -> tuple[float, float]:
        """Return the mean of a number over seeds, and its standard deviation; NaN for none."""
        return mean_std([value(run, name) for run in self.good])

    def interval(self, name: str) -> Interval:
        """Return the 95 % t-interval of the mean over seeds; NaN for fewer than two."""
        return mean_interval([value(run, name) for run in self.good])

    def cell(self, name: str) -> Cell:
        """Return a number as the table shows it."""
        mean, std = self.mean(name)
        return Cell(cell(name, mean, std), None if mean != mean else mean)

    @property
    def cells(self) -> list[Cell]:
        """The numbers under `COLUMNS`."""
        return [self.cell(name) for name in COLUMNS]


@dataclass(frozen=True)
class Section:
    """The methods on one data set, best exact match first.

    digits: so many of a content's hash are shown. anchor: its place; places within it that no row
    has (a heading, a chart) have names that go on from it with a low line, which `Anchors` gives
    none.
    same_name: other contents (or versions of the metrics) that the page has under the same name.
    absent: methods that the page has, but not here.
    """

    anchor: str
    title: str
    record: Record
    digits: int
    rows: tuple[Row, ...]
    ranking: Ranking | None
    inequality: str
    same_name: tuple[str, ...]
    absent: tuple[str, ...]

    @property
    def runs(self) -> int:
        """How many runs the section is of."""
        return sum(len(row.runs) for row in self.rows)

    @property
    def highest(self) -> tuple[Row, ...]:
        """The rows with the very highest exact match; most often one, none without a number."""
        names = self.ranking.highest if self.ranking else ()
        return tuple(row for row in self.rows if row.name in names)

    @property
    def headings(self) -> list[tuple[str, str, str]]:
        """Name, heading and meaning of each of `COLUMNS`."""
        return [(name, heading(name), meaning(name)) for name in COLUMNS]


def sections(entries: Sequence[Entry]) -> list[Section]:
    """Return the board's sections. Records of other content or metrics are another section."""
    groups: dict[str, list[Entry]] = {}
    known = digits(entry.record for entry in entries)
    for entry in sorted(entries, key=lambda entry: data_set(entry.record, known)):
        groups.setdefault(data_set(entry.record, known), []).append(entry)
    methods = {told: _methods(group) for told, group in groups.items()}
    names = sorted({name for group in methods.values() for name in group})
    anchors = Anchors()
    found = []
    for told, group in methods.items():
        record = groups[told][0].record
        anchor = anchors.new(_place(record, known))
        rows, ranks = _rows(group, {name: k for k, name in enumerate(names)}, anchor, anchors)
        found.append(
            Section(
                anchor=anchor,
                title=told,
                record=record,
                digits=known,
                rows=rows,
                ranking=ranks,
                inequality=_inequality(rows),
                same_name=_same_name(told, groups),
                absent=tuple(name for name in names if name not in group),
            )
        )
    return found


class Anchors:
    """Names for places on the page, each of its own, that stay the same from page to page.

    None has a low line: names with one are the page's own.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, text: str) -> str:
        """Return letters, digits, dots and dashes close to `text`; numbered if that is taken."""
        plain = re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.") or "entry"
        candidates = (plain if k == 1 else f"{plain}-{k}" for k in range(1, len(self._taken) + 2))
        found = next(one for one in candidates if one not in self._taken)
        self._taken.add(found)
        return found


def _methods(entries: Iterable[Entry]) -> dict[str, Runs]:
    """Return the entries of each method or variant, by its name."""
    by_record = {id(entry.record): entry for entry in entries}
    found = {}
    for name, runs in variants([entry.record for entry in by_record.values()]):
        parts = latest_per_seed(runs)
        found[name] = Runs(*(tuple(by_record[id(run)] for run in part) for part in parts))
    return found


def _rows(
    methods: Mapping[str, Runs], inks: Mapping[str, int], place: str, anchors: Anchors
) -> tuple[tuple[Row, ...], Ranking | None]:
    records = {name: [entry.record for entry in runs.latest] for name, runs in methods.items()}
    good = {name: [run for run in runs if run.status == "ok"] for name, runs in records.items()}
    ranks = (
        ranking({name: runs for name, runs in good.items() if runs}) if any(good.values()) else None
    )
    by_name = {rank.name: rank for rank in ranks.ranks} if ranks else {}
    seeds = seeds_asked(records)
    rows = [
        Row(
            anchor=anchors.new(f"{place}-{name}"),
            name=name,
            ink=inks[name],
            runs=runs.latest,
            superseded=runs.superseded,
            missing=tuple(sorted(seeds[name] - {entry.record.seed for entry in runs.latest})),
            rank=by_name.get(name),
        )
        for name, runs in methods.items()
    ]
    order = [*by_name]
    place_of = {name: order.index(name) if name in by_name else len(order) for name in methods}
    return tuple(sorted(rows, key=lambda row: (place_of[row.name], row.name))), ranks


def _inequality(rows: Iterable[Row]) -> str:
    """Return how the conditions of the rows differ, where they are known."""
    given = {row.name: conditions(row.good[0]) for row in rows if row.good}
    return inequality({name: told for name, told in given.items() if told})


def _place(record: Record, digits: int) -> str:
    other = f"-from-{record.trained_on.name}" if record.trained_on else ""
    return f"{record.data_set.name}-{record.data_set.content_sha256[:digits]}{other}"


def _same_name(told: str, groups: Mapping[str, Sequence[Entry]]) -> tuple[str, ...]:
    name = groups[told][0].record.data_set.name
    return tuple(
        other
        for other, group in groups.items()
        if other != told and group[0].record.data_set.name == name
    )
