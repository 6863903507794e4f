"""Tables for a terminal: complete at any width."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from hsal_bench.report.text_tables import TextTable, is_text
from hsal_bench.text import wrapped

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

_LEAST = 14
"""Minimum width in letters of a line of a long name."""
_HEADING = 14
"""Letters in a line of a heading if the table is too wide."""


class Column(NamedTuple):
    """The texts of a column, with their line breaks; `bold`: rows to highlight."""

    heading: str
    cells: tuple[str, ...]
    text: bool
    bold: frozenset[int]

    @property
    def width(self) -> int:
        """The length of its longest line."""
        return max(_width(line) for part in (self.heading, *self.cells) for line in _lines(part))


def terminal(tables: Iterable[TextTable], width: int) -> Group:
    """Return the tables as a renderable of rich, for a terminal of `width` columns.

    In a table that is too wide, deviations and chance levels go below their numbers, and names
    wrap; then the headline of `hsal-bench table` fits into 80 columns. Columns that still do not
    fit follow below, with the names repeated. Print it with `crop=False`.
    """
    from rich.console import Group
    from rich.text import Text

    parts: list[Table | Text] = []
    for number, table in enumerate(tables):
        parts += [Text()] * (number > 0) + [Text(table.title, style="italic")]
        for block, columns in enumerate(_laid_out(_columns(table), width)):
            parts += [Text()] * (block > 0) + [_rich_table(columns)]
        parts += map(_note, table.notes)
    return Group(*parts)


def _note(text: str) -> Text:
    """Return a note; one with a command is a single line, so that it can be copied as it is."""
    from rich.text import Text

    has_command = "`hsal-bench " in text
    return Text(text, no_wrap=has_command, overflow="ignore" if has_command else None)


def _columns(table: TextTable) -> list[Column]:
    return [
        Column(
            heading=name.replace(" ", "\n"),
            cells=tuple(row[k] for row in table.rows),
            text=is_text(table, name),
            bold=frozenset(row for row, column in table.bold if column == k),
        )
        for k, name in enumerate(table.columns)
    ]


def _laid_out(columns: list[Column], width: int) -> Iterator[list[Column]]:
    """Yield blocks of columns that fit next to each other; rich wraps several text columns."""
    # rich wraps the text columns itself.
    if sum(column.text for column in columns) > 1 or _wide(columns) <= width:
        yield columns
        return
    names, *numbers = columns
    least = min(_LEAST, names.width)
    while numbers:
        narrow = [_narrow(column) for column in numbers]
        room = width - least - 1
        fitting = next((k for k in range(len(narrow), 1, -1) if _wide(narrow[:k]) <= room), 1)
        room = max(least, width - 1 - _wide(narrow[:fitting]))
        yield [_wrapped(names, room), *narrow[:fitting]]
        numbers = numbers[fitting:]


def _narrow(column: Column) -> Column:
    """Return the column with line breaks that halve the width of its numbers and heading."""
    heading = "\n".join("\n".join(wrapped(part, _HEADING)) for part in _lines(column.heading))
    cells = (re.sub(r" (?=[±(\[])", "\n", cell).replace("± ", "±") for cell in column.cells)
    return column._replace(heading=heading, cells=tuple(cells))


def _wrapped(column: Column, room: int) -> Column:
    """Return the column with its names wrapped to the width `room`."""
    cells = ([line.rstrip() for line in wrapped(name, room, _width)] for name in column.cells)
    return column._replace(cells=tuple(map("\n".join, cells)))


def _wide(columns: Sequence[Column]) -> int:
    """Return the width of adjacent columns, one space apart."""
    return sum(column.width for column in columns) + len(columns) - 1


def _width(line: str) -> int:
    """Return the width of a line: some characters take two cells, trailing spaces none."""
    from rich.cells import cell_len

    return cell_len(line.rstrip())


def _lines(text: str) -> list[str]:
    return text.split("\n")


def _rich_table(columns: Sequence[Column]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD)
    table.padding, table.pad_edge, table.show_edge = 0, False, False
    for column in columns:
        table.add_column(
            Text(column.heading), justify="left" if column.text else "right", overflow="fold"
        )
    for row in range(len(columns[0].cells)):
        table.add_row(*(Text(c.cells[row], "bold" if row in c.bold else "") for c in columns))
    return table
