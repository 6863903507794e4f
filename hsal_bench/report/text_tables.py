"""Tables as texts: what stands in each cell, and how Markdown shows it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hsal_bench.compare.grouping import NONE, inequality, label
from hsal_bench.compare.ranking import span
from hsal_bench.records.external_entry import Statement
from hsal_bench.records.record import Record
from hsal_bench.report.columns import (
    cell,
    cell_with_unit,
    heading,
    interval,
    meaning,
    names_in,
    value,
)
from hsal_bench.report.metric_table import SORT_BY, data_set
from hsal_bench.report.run_details import facts
from hsal_bench.text import document, escaped, named
from hsal_bench.text import table as markdown_table

if TYPE_CHECKING:
    import pandas as pd

DAGGER = "†"
_CHANCE, _GIVEN = "_chance", "given_"
_INTERVALS = "[low to high]: 95 % t-interval of the mean over seeds"
_NO_INTERVALS = "no intervals: they take several seeds, which no row has"
_TEXTS = ("meaning", "content")
"""Columns of texts, beside the first; the others hold numbers."""


@dataclass(frozen=True)
class TextTable:
    """A table ready to be shown: texts, with the notes that go below it.

    bold: the cells, (row, column), that stand out.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    bold: frozenset[tuple[int, int]] = frozenset()


def metric_tables(
    table: pd.DataFrame, *, asked: bool = False, intervals: bool = False
) -> list[TextTable]:
    """Return what `metric_table.metric_table` made as one table per data set.

    A cell holds "mean ± std (chance)", or "mean [low to high] (chance)" with `intervals`: a
    metric's chance level stands beside it where the table has both. Where methods are ranked
    "2–4" says which ranks one can have. The highest exact match is bold, those that cannot be told
    from it have a dagger. Notes say so where seeds are few, and where the rows were not trained
    under equal conditions. Columns that nobody `asked` for are left out where no row of the data
    set has a number.
    """
    metrics = [name for name in table.columns if f"{name}_std" in table.columns]
    tables = []
    for title, group in table.groupby("data_set", sort=False):
        lines = group.to_dict("records")
        found = metrics if asked else _with_numbers(lines, metrics)
        tables.append(_metric_table(str(title), lines, found, intervals))
    return tables


def run_tables(record: Record) -> list[TextTable]:
    """Return every number of one run with what it says, and how and where the run was made."""
    numbers = (
        (name, cell_with_unit(name, value(record, name)), meaning(name))
        for name in names_in(record)
    )
    notes = (f"{record.status}: {record.reason}",) if record.status != "ok" else ()
    title = f"{label(record)}, seed {record.seed}, on {data_set(record)}"
    return [
        TextTable(title, ("metric", "value", "meaning"), tuple(numbers), notes),
        TextTable("How it was made", ("field", "content"), tuple(_made_how(record))),
    ]


def markdown(tables: Iterable[TextTable]) -> str:
    """Return the tables as Markdown that shows their texts as they stand."""
    return "\n".join(map(_markdown, tables))


def _with_numbers(lines: Sequence[Mapping[Any, Any]], metrics: Sequence[str]) -> list[str]:
    """Return the metrics that a row has a number of; the first where there is none."""
    found = [name for name in metrics if not all(math.isnan(line[name]) for line in lines)]
    return found or list(metrics[:1])


def _metric_table(
    title: str, lines: Sequence[Mapping[Any, Any]], metrics: Sequence[str], intervals: bool
) -> TextTable:
    ranked = _ranked(lines)
    chances = {name: f"{name}{_CHANCE}" for name in metrics if f"{name}{_CHANCE}" in metrics}
    shown = [name for name in metrics if name not in chances.values()]
    headings = (heading(name) + (" (chance)" if name in chances else "") for name in shown)
    columns = ("method", *(["rank"] if ranked else []), "seeds", *headings)
    marks, noted = _noted(lines)
    rows = []
    for line, mark in zip(lines, marks, strict=True):
        cells = [_cell(line, name, chances.get(name), intervals) for name in shown]
        rank = [_rank(line)] if ranked else []
        rows.append((line["method"] + mark, *rank, _seeds(line), *cells))
    table = TextTable(title, columns, tuple(rows), tuple(noted))
    if ranked and SORT_BY in shown:
        table = _marked(table, lines, len(columns) - len(shown) + shown.index(SORT_BY))
    several = any(line["n"] > 1 for line in lines)
    told = (_INTERVALS if several else _NO_INTERVALS) if intervals else ""
    notes = [*table.notes, _models(lines), *_rank_notes(ranked), told, inequality(_given(lines))]
    return replace(table, notes=tuple(filter(None, notes)))


def _noted(lines: Sequence[Mapping[Any, Any]]) -> tuple[list[str], list[str]]:
    """Return a mark for each row that has a note, and the notes; one of all rows needs no mark."""
    notes = list(dict.fromkeys(line["note"] for line in lines if line["note"]))
    if len(notes) == 1 and len(lines) > 1 and all(line["note"] for line in lines):
        return [""] * len(lines), [f"every row: {notes[0]}"]
    marks = [f" ({notes.index(line['note']) + 1})" if line["note"] else "" for line in lines]
    return marks, [f"({number}) {note}" for number, note in enumerate(notes, 1)]


def _marked(table: TextTable, lines: Sequence[Mapping[Any, Any]], column: int) -> TextTable:
    """Return the table with the best of that column, and what cannot be told from it, marked."""
    ranked = _ranked(lines)
    highest = [line for line in ranked if line[SORT_BY] == ranked[0][SORT_BY]]
    best = {line["method"] for line in highest}
    alike = {line["method"] for line in ranked if line["as_best"]} - best
    rows = [list(row) for row in table.rows]
    for row, line in zip(rows, lines, strict=True):
        row[column] += f" {DAGGER}" if line["method"] in alike else ""
    if ranked[0][SORT_BY] == 0:
        return replace(table, notes=(*table.notes, "no row has an exact match above 0"))
    told = _told_best([line["method"] for line in highest], len(ranked), bool(alike))
    bold = frozenset((lines.index(line), column) for line in highest)
    return replace(table, rows=tuple(map(tuple, rows)), notes=(*table.notes, told), bold=bold)


def _told_best(best: Sequence[str], of: int, others_alike: bool) -> str:
    """Return in words which of so many rows are the best, and what the dagger is, if there is one.

    best: the names of those with the very highest number; most often one.
    """
    names = named(best)
    if others_alike:
        return f"{DAGGER} cannot be told from {names}, the highest exact match"
    if len(best) == of > 1:
        return f"{names} have the same exact match"
    has = "has" if len(best) == 1 else "have"
    return f"{names} {has} the highest exact match: the others can be told from it"


def _ranked(lines: Iterable[Mapping[Any, Any]]) -> list[Mapping[Any, Any]]:
    """Return the rows whose exact match was tested against others'."""
    return [line for line in lines if line["ranked_by"]]


def _rank_notes(ranked: Sequence[Mapping[Any, Any]]) -> list[str]:
    """Return what ranks are, and where seeds are few to tell them."""
    if not ranked:
        return []
    told = f"rank: from the best to the worst that the tests leave open ({ranked[0]['ranked_by']})"
    return [told, ranked[0]["few_seeds"]]


def _rank(line: Mapping[Any, Any]) -> str:
    """Return the ranks that a row can have; a dash where it has no number."""
    best, worst = line["rank_best"], line["rank_worst"]
    return NONE if line["n"] == 0 else span(best, worst)


def _seeds(line: Mapping[Any, Any]) -> str:
    """Return "5", or "3 of 5" where some failed or are missing."""
    whole = line["n"] == line["seeds"] or line["seeds"] == 1
    return str(line["n"]) if whole else f"{line['n']} of {line['seeds']}"


def _cell(line: Mapping[Any, Any], name: str, chance: str | None, intervals: bool) -> str:
    text = cell(name, line[name], math.nan if intervals else line[f"{name}_std"])
    reach = interval(name, line[name], line[f"{name}_low"], line[f"{name}_high"])
    if intervals and reach != NONE:
        text += f" [{reach}]"
    if chance is None or math.isnan(line[chance]):
        return text
    return f"{text} ({cell(chance, line[chance])})"


def _models(lines: Iterable[Mapping[Any, Any]]) -> str:
    """Return whether seeds share the activation model; "" where no row has several seeds."""
    rows: dict[str, list[str]] = {}
    for line in lines:
        if line["n"] > 1 and line["activation_models"]:
            rows.setdefault(line["activation_models"], []).append(line["method"])
    models = {told.replace("one", "one activation model"): names for told, names in rows.items()}
    if len(models) == 1:
        return next(iter(models))
    return "; ".join(f"{told} ({named(names)})" for told, names in models.items())


def _given(lines: Iterable[Mapping[Any, Any]]) -> dict[str, dict[str, Any]]:
    """Return the conditions of each row that has numbers to compare, where they are known."""
    conditions = {
        line["method"]: {
            name.removeprefix(_GIVEN): given
            for name, given in line.items()
            if name.startswith(_GIVEN)
        }
        for line in lines
        if line["n"] > 0
    }
    return {row: given for row, given in conditions.items() if set(given.values()) != {NONE}}


def _made_how(record: Record) -> Iterator[tuple[str, str]]:
    """Yield what was run, on what and where, as (field, content)."""
    for fact in facts([record]):
        yield fact.name, fact.told
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
    """Yield what the authors of predictions made elsewhere say of them."""
    yield "made", f"elsewhere, {stated.entry} entry, as stated"
    yield "authors", ", ".join(stated.authors)
    yield "link", stated.link
    yield "extra data", ", ".join(stated.extra_data) or "none"
    yield "training", stated.training_compute


def is_text(table: TextTable, column: str) -> bool:
    """Whether a column holds texts: it is set to the left, numbers to the right."""
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
