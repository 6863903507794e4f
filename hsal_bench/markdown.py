"""The few pieces of Markdown that a document is put together from."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence

_SPECIAL = re.compile(r"[\\`*~<&$]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[])")
"""Opens code, emphasis, HTML, an entity, a formula or, `](`, a link; `_` does not within a word."""


def document(*parts: str) -> str:
    """Return the parts that say something, one empty line between two of them."""
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: str) -> str:
    """Return Markdown that GitHub shows as the text stands, in a paragraph or a table's cell.

    In a cell `|` ends it: `table` escapes that one, whatever the cells hold.
    """
    return _SPECIAL.sub(r"\\\g<0>", text)


def section(title: str, *parts: str, level: int = 2) -> str:
    """Return a heading with what follows it; "" if nothing does."""
    body = [part for part in parts if part]
    return "\n\n".join([f"{'#' * level} {title}", *body]) if body else ""


def bullets(sentences: Iterable[str]) -> str:
    """Return a list."""
    return "\n".join(f"- {sentence}" for sentence in sentences)


def numbered(sentences: Iterable[str]) -> str:
    """Return a list with numbers."""
    return "\n".join(f"{number}. {one}" for number, one in enumerate(sentences, 1))


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, left: Container[str] = ()
) -> str:
    """Return a table; the first column and those headed as in `left` are texts, set to the left."""
    align = [":--", *(":--" if name in left else "--:" for name in header[1:])]
    return "\n".join(_row(cells) for cells in [header, align, *rows])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
