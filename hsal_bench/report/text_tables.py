"""Tables as text: the content of each cell, and their form in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hsal_bench.comparison.grouping import NONE, inequality, label
from hsal_bench.record.external_entry import UNSTATED, Statement
from hsal_bench.record.record import Record
from hsal_bench.report.columns import (
    RUN_COLUMNS,
    cell,
    cell_with_unit,
    heading,
    interval,
    meaning,
    names_in,
    value,
)
from hsal_bench.report.metric_table import SORT_BY
from hsal_bench.report.rows import data_set
from hsal_bench.report.run_details import facts
from hsal_bench.text import document, escaped, named
from hsal_bench.text import table as markdown_table

if TYPE_CHECKING:
    import pandas as pd

DAGGER = "†"
_CHANCE, _GIVEN = "_chance", "given_"
_INTERVALS = "[low to high]: 95 % interval of the mean over seeds"
_NO_INTERVALS = "no intervals: no row has several seeds"
_TEXTS = ("meaning", "content")
"""Text columns besides the first; all others hold numbers."""


@dataclass(frozen=True)
class TextTable:
    """A table of texts, ready to be shown, with the notes below it.

    bold: the cells to highlight, as (row, column).
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    bold: frozenset[tuple[int, int]] = frozenset()


def metric_tables(
    table: pd.DataFrame, *, asked: bool = False, intervals: bool = False
) -> list[TextTable]:
    """Return the data frame of `metric_table.metric_table` as one text table per dataset.

    A cell holds "mean ± std (chance)", or "mean [low to high] (chance)" with `intervals`: a
    metric's chance level is in brackets if the data frame has both. A rank of "2–4" is the range
    of ranks consistent with the tests. Numbers of the run have no intervals. The highest exact
    match is bold; a dagger marks those not significantly different from it. Rows have short
    labels, and a note gives the settings they leave out. Further notes warn of few seeds and of
    unequal training conditions. Without `asked`, columns in which no row of the dataset has a
    number are left out.
    """
    metrics = [name for name in table.columns if f"{name}_std" in table.columns]
    tables = []
    for title, group in table.groupby("data_set", sort=False):
        lines = group.to_dict("records")
        shown = metrics if asked else _with_numbers(lines, metrics)
        tables.append(_metric_table(str(title), lines, shown, intervals))
    return tables


def run_tables(record: Record) -> list[TextTable]:
    """Return two tables of one run: every number with its meaning, and the run's details."""
    numbers = (
        (name, cell_with_unit(name, value(record, name)), meaning(name))
        for name in names_in(record)
    )
    notes = (f"{record.status}: {record.reason}",) if record.status != "ok" else ()
    title = f"{label(record)}, seed {record.seed}, on {data_set(record)}"
    return [
        TextTable(title, ("metric", "value", "meaning"), tuple(numbers), notes),
        TextTable("Details of the run", ("field", "content"), tuple(_details(record))),
    ]


def markdown(tables: Iterable[TextTable]) -> str:
    """Return the tables as Markdown; special characters are escaped."""
    return "\n".join(map(_markdown, tables))


def _with_numbers(lines: Sequence[Mapping[Any, Any]], metrics: Sequence[str]) -> list[str]:
    """Return the metrics for which some row has a number; the first metric if there are none."""
    present = [name for name in metrics if not all(math.isnan(line[name]) for line in lines)]
    return present or list(metrics[:1])


def _metric_table(
    title: str, lines: Sequence[Mapping[Any, Any]], metrics: Sequence[str], intervals: bool
) -> TextTable:
    ranked = _ranked(lines)
    chances = {name: f"{name}{_CHANCE}" for name in metrics if f"{name}{_CHANCE}" in metrics}
    shown = [name for name in metrics if name not in chances.values()]
    headings = (heading(name) + (" (chance)" if name in chances else "") for name in shown)
    columns = ("method", *(["rank"] if ranked else []), "seeds", *headings)
    marks, numbered = _numbered_notes(lines)
    several = any(line["n"] > 1 for line in lines)
    rows = []
    for line, mark in zip(lines, marks, strict=True):
        cells = [_cell(line, name, chances.get(name), intervals, several) for name in shown]
        rank = [line["rank"]] if ranked else []
        rows.append((line["label"] + mark, *rank, _seeds(line), *cells))
    table = TextTable(title, columns, tuple(rows), tuple(numbered))
    if ranked and SORT_BY in shown:
        table = _marked(table, lines, len(columns) - len(shown) + shown.index(SORT_BY))
    notes = [
        *table.notes,
        _models(lines),
        *_rank_notes(ranked),
        (_INTERVALS if several else _NO_INTERVALS) if intervals else "",
        inequality(_given(lines)),
        _not_shown(lines),
    ]
    return replace(table, notes=tuple(filter(None, notes)))


def _not_shown(lines: Sequence[Mapping[Any, Any]]) -> str:
    """Return a note with the settings that labels leave out, and in which rows; "" without any."""
    rows: dict[str, list[str]] = {}
    for line in lines:
        if line["not_shown"]:
            rows.setdefault(line["not_shown"], []).append(line["label"])
    texts = [
        f"{settings} ({'every row' if len(labels) == len(lines) > 1 else named(labels)})"
        for settings, labels in rows.items()
    ]
    return f"settings not shown: {'; '.join(texts)}" if texts else ""


def _numbered_notes(lines: Sequence[Mapping[Any, Any]]) -> tuple[list[str], list[str]]:
    """Return a mark per row ("" without a note) and the notes; a note on all rows has no mark."""
    notes = list(dict.fromkeys(line["note"] for line in lines if line["note"]))
    if len(notes) == 1 and len(lines) > 1 and all(line["note"] for line in lines):
        return [""] * len(lines), [f"every row: {notes[0]}"]
    marks = [f" [{notes.index(line['note']) + 1}]" if line["note"] else "" for line in lines]
    return marks, [f"[{number}] {note}" for number, note in enumerate(notes, 1)]


def _marked(table: TextTable, lines: Sequence[Mapping[Any, Any]], column: int) -> TextTable:
    """Return the table with marks on the best of the column and on those not different."""
    ranked = _ranked(lines)
    highest = [line for line in ranked if line[SORT_BY] == ranked[0][SORT_BY]]
    best = [line["label"] for line in highest]
    alike = {line["label"] for line in ranked if line["as_best"]} - set(best)
    rows = [list(row) for row in table.rows]
    for row, line in zip(rows, lines, strict=True):
        row[column] += f" {DAGGER}" if line["label"] in alike else ""
    if ranked[0][SORT_BY] == 0:
        return replace(table, notes=(*table.notes, "no row has an exact match above 0"))
    note = _best_note(best, len(ranked), others_alike=bool(alike))
    bold = frozenset((lines.index(line), column) for line in highest)
    return replace(table, rows=tuple(map(tuple, rows)), notes=(*table.notes, note), bold=bold)


def _best_note(best: Sequence[str], total: int, *, others_alike: bool) -> str:
    """Return a note on the best of `total` rows, and on the dagger if there is one.

    best: the rows with the highest number; usually one.
    """
    names = named(best)
    if others_alike:
        return f"{DAGGER} not significantly different from {names}, the highest exact match"
    if len(best) == total > 1:
        return f"{names} have the same exact match"
    is_are = "is" if len(best) == 1 else "are"
    return f"{names} {is_are} significantly better than all others in exact match"


def _ranked(lines: Iterable[Mapping[Any, Any]]) -> list[Mapping[Any, Any]]:
    """Return the rows whose exact match was tested against that of other rows."""
    return [line for line in lines if line["ranked_by"]]


def _rank_notes(ranked: Sequence[Mapping[Any, Any]]) -> list[str]:
    """Return notes on the meaning of ranks, and on few seeds."""
    if not ranked:
        return []
    tests = ranked[0]["ranked_by"]
    meaning = f"rank: range of ranks consistent with the tests ({tests})"
    return [meaning, ranked[0]["few_seeds"]]


def _seeds(line: Mapping[Any, Any]) -> str:
    """Return "5", or "3 of 5" if some failed or are missing."""
    complete = line["n"] == line["seeds"] or line["seeds"] == 1
    return str(line["n"]) if complete else f"{line['n']} of {line['seeds']}"


def _cell(
    line: Mapping[Any, Any], name: str, chance: str | None, intervals: bool, several: bool
) -> str:
    """Return the text of a cell; without `several` seeds in any row there are no intervals."""
    text = cell(name, line[name], math.nan if intervals else line[f"{name}_std"])
    if intervals and several and name not in RUN_COLUMNS:
        ends = interval(name, line[name], line[f"{name}_low"], line[f"{name}_high"])
        text += f" [{ends}]" if ends != NONE else ""
    if chance is None or math.isnan(line[chance]):
        return text
    return f"{text} ({cell(chance, line[chance])})"


def _models(lines: Iterable[Mapping[Any, Any]]) -> str:
    """Return whether seeds share the activation model; "" if no row has several seeds."""
    rows: dict[str, list[str]] = {}
    for line in lines:
        if line["n"] > 1 and line["activation_models"]:
            rows.setdefault(line["activation_models"], []).append(line["label"])
    models = {text.replace("one", "one activation model"): names for text, names in rows.items()}
    if len(models) == 1:
        return next(iter(models))
    return "; ".join(f"{text} ({named(names)})" for text, names in models.items())


def _given(lines: Iterable[Mapping[Any, Any]]) -> dict[str, dict[str, Any]]:
    """Return the known conditions of each row with numbers to compare."""
    conditions = {
        line["label"]: {
            name.removeprefix(_GIVEN): given
            for name, given in line.items()
            if name.startswith(_GIVEN)
        }
        for line in lines
        if line["n"] > 0
    }
    return {row: given for row, given in conditions.items() if set(given.values()) != {NONE}}


def _details(record: Record) -> Iterator[tuple[str, str]]:
    """Yield the method, its settings, data and device, as (field, content)."""
    for fact in facts([record]):
        yield fact.name, fact.text
    if record.stated:
        yield from _as_stated(record.stated)
        yield "scored", record.started
    else:
        yield "device", record.device
        yield "started", record.started
        if record.git:
            yield "git", f"{record.git.revision}{', with changes' if record.git.dirty else ''}"
        yield "command", record.command


def _as_stated(stated: Statement) -> Iterator[tuple[str, str]]:
    """Yield the statement of the authors of predictions made elsewhere."""
    if stated == UNSTATED:
        yield "made", "elsewhere; the training is not stated"
        return
    yield "made", f"elsewhere, {stated.entry} entry, as stated"
    yield "authors", ", ".join(stated.authors)
    yield "link", stated.link
    yield "extra data", ", ".join(stated.extra_data) or "none"
    yield "training", stated.training_compute


def is_text(table: TextTable, column: str) -> bool:
    """Whether a column holds texts: they are left-aligned, numbers right-aligned."""
    return column in (table.columns[0], *_TEXTS)


def _markdown(table: TextTable) -> str:
    rows = [
        [f"**{text}**" if (number, at) in table.bold else text for at, text in enumerate(row)]
        for number, row in enumerate(map(_escaped, table.rows))
    ]
    shown = markdown_table(_escaped(table.columns), rows, left=_TEXTS)
    return document(f"**{escaped(table.title)}**", shown, *_escaped(table.notes))


def _escaped(texts: Iterable[str]) -> list[str]:
    return [escaped(text) for text in texts]
