"""Sections of the leaderboard page: one per dataset, with a row per method.

Rows are those of `hsal-bench table` (`report.rows`): means over the latest run of each seed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hsal_bench.comparison.ranking import Ranking
from hsal_bench.metrics.scores import HEADLINE
from hsal_bench.record.record import Record
from hsal_bench.report.columns import cell, heading, meaning
from hsal_bench.report.rows import DatasetRows, MethodRow, dataset_rows, digits

COLUMNS = (
    *HEADLINE,
    "parameters",
    "throughput_predict",
    "wall_s",
)
CHARTED = COLUMNS[0]
"""The metric that the charts show."""


@dataclass(frozen=True)
class Entry:
    """A record and its file."""

    path: Path
    record: Record


@dataclass(frozen=True)
class Cell:
    """The text of a table cell, and its sort key (None sorts last)."""

    text: str
    number: float | None


@dataclass(frozen=True)
class Row(MethodRow):
    """A method on one dataset, as the page shows it.

    anchor: its place on the page. ink: the number of its colour and marks, the same on the whole
    page. entries: of `runs`. superseded_entries: of `superseded`.
    """

    anchor: str
    ink: int
    entries: tuple[Entry, ...]
    superseded_entries: tuple[Entry, ...]

    def cell(self, name: str) -> Cell:
        """Return a mean as the table shows it."""
        mean, std = self.mean(name)
        return Cell(cell(name, mean, std), None if mean != mean else mean)

    @property
    def cells(self) -> list[Cell]:
        """The means under `COLUMNS`."""
        return [self.cell(name) for name in COLUMNS]


@dataclass(frozen=True)
class Section:
    """The methods on one dataset, best exact match first.

    digits: of a content hash that are shown. anchor: its place on the page; the names of places
    within it (headings, charts) add an underscore, which `Anchors` never uses.
    same_name: titles of sections with the same dataset name, but different content or metrics.
    absent: methods of other sections.
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
        """The number of runs in the section."""
        return sum(len(row.runs) for row in self.rows)

    @property
    def highest(self) -> tuple[Row, ...]:
        """The rows with the highest exact match: usually one, none without a number."""
        names = self.ranking.highest if self.ranking else ()
        return tuple(row for row in self.rows if row.label in names)

    @property
    def headings(self) -> list[tuple[str, str, str]]:
        """Name, heading and meaning of each of `COLUMNS`."""
        return [(name, heading(name), meaning(name)) for name in COLUMNS]


def sections(entries: Sequence[Entry]) -> list[Section]:
    """Return the page's sections. Different content or metrics are a different section."""
    by_record = {id(entry.record): entry for entry in entries}
    records = [entry.record for entry in entries]
    shown, groups = digits(records), dataset_rows(records)
    names = sorted({row.name for group in groups for row in group.rows})
    inks = {name: k for k, name in enumerate(names)}
    anchors = Anchors()
    result = []
    for group in groups:
        anchor = anchors.new(_place(group.record, shown))
        # In the order of names: anchors do not depend on results.
        places = {
            name: anchors.new(f"{anchor}-{name}") for name in sorted(row.name for row in group.rows)
        }
        rows = tuple(_row(row, places[row.name], inks[row.name], by_record) for row in group.rows)
        result.append(
            Section(
                anchor=anchor,
                title=group.title,
                record=group.record,
                digits=shown,
                rows=rows,
                ranking=group.ranking,
                inequality=group.inequality,
                same_name=_same_name(group, groups),
                absent=tuple(name for name in names if name not in places),
            )
        )
    return result


def _row(row: MethodRow, anchor: str, ink: int, by_record: Mapping[int, Entry]) -> Row:
    return Row(
        **vars(row),
        anchor=anchor,
        ink=ink,
        entries=tuple(by_record[id(run)] for run in row.runs),
        superseded_entries=tuple(by_record[id(run)] for run in row.superseded),
    )


class Anchors:
    """Unique names for places on the page; the same for the same texts in the same order.

    None has an underscore: names with one belong to the page itself.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, text: str) -> str:
        """Return `text` in letters, digits, dots and dashes; with a number if that is taken."""
        plain = re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.") or "entry"
        candidates = (plain if k == 1 else f"{plain}-{k}" for k in range(1, len(self._taken) + 2))
        anchor = next(name for name in candidates if name not in self._taken)
        self._taken.add(anchor)
        return anchor


def _place(record: Record, digits: int) -> str:
    source = f"-from-{record.trained_on.name}" if record.trained_on else ""
    return f"{record.data_set.name}-{record.data_set.content_sha256[:digits]}{source}"


def _same_name(group: DatasetRows, groups: Sequence[DatasetRows]) -> tuple[str, ...]:
    """Return the titles of other sections whose dataset has the same name."""
    name = group.record.data_set.name
    return tuple(
        other.title for other in groups if other is not group and other.record.data_set.name == name
    )
