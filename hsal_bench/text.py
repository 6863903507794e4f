"""Text for display: untrusted text made safe, lines wrapped, and Markdown put together.

Escape sequences (they steer a terminal), marks that reverse the writing direction and halves of
characters do not print; `shown` escapes them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Container, Iterable, Sequence

_BREAKS = (r"(?<=[ /:])|(?=\+)", r"(?<=[-_=,])", r"(?s)(?<=.)")
"""Where a name may break across lines, best places first: a setting, a word, any letter."""

_SPECIAL = re.compile(r"[\\`*~<&$]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[])")
"""Starts code, emphasis, HTML, an entity, a formula or, `](`, a link; `_` in a word does not."""


def shown(text: str, longest: int | None = None) -> str:
    """Return the text with non-printing characters escaped, cut after `longest` characters."""
    plain = text[:longest]
    if not plain.isprintable():
        plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in plain)
    return plain if longest is None or len(text) <= longest else f"{plain}..."


def file_name(name: str) -> str:
    """Return a file name with `_` for non-printing characters and backslashes.

    Unlike `shown`, no backslashes: they separate folders on some systems.
    """
    return "".join(c if c.isprintable() and c != "\\" else "_" for c in name)


def file_size(size: int) -> str:
    """Return a size in bytes as "12.3 MB", or as "4.5 kB" below one megabyte."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"


def one_line(text: str) -> str:
    """Return the text as `shown`, on one line: each run of white space becomes one space."""
    return shown(" ".join(text.split()))


def shell_command(*words: str) -> str:
    """Return a command in backticks, which can be pasted into a shell."""
    return f"`{shlex.join(words)}`"


def named(names: Sequence[str], most: int = 3) -> str:
    """Return "a", "a and b", "a, b and c"; with more than `most` names, "a, b, c and 2 more"."""
    rest = len(names) - most
    *first, last = [*names[:most], f"{rest} more"] if rest > 0 else names
    return f"{', '.join(first)} and {last}" if first else last


def wrapped(
    text: str,
    width: float,
    measure: Callable[[str], float] = len,
    breaks: Sequence[str] = _BREAKS,
) -> list[str]:
    """Split the text into lines of at most `width`, keeping every character.

    A line breaks before a setting (`+`) or after a space, slash or colon if possible; else after
    a mark within a word; within a plain word only if the word alone is too long. `measure`
    returns the width of a text.
    """
    lines = [""]
    for piece in re.split(breaks[0], text):
        if measure(lines[-1] + piece) <= width:
            lines[-1] += piece
        elif measure(piece) <= width or len(breaks) == 1:
            lines.append(piece)
        else:
            lines += wrapped(piece, width, measure, breaks[1:])
    return [line for line in lines if line] or [""]


def document(*parts: str) -> str:
    """Join the non-empty parts with one empty line between them."""
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: str) -> str:
    """Return Markdown that GitHub displays as the plain text, in a paragraph or a table cell.

    `|`, which would end a cell, is not escaped here: `table` does that for every cell.
    """
    return _SPECIAL.sub(r"\\\g<0>", text)


def section(title: str, *parts: str, level: int = 2) -> str:
    """Return a heading and its content; "" without content."""
    body = [part for part in parts if part]
    return "\n\n".join([f"{'#' * level} {title}", *body]) if body else ""


def bullets(sentences: Iterable[str]) -> str:
    """Return a bullet list."""
    return "\n".join(f"- {sentence}" for sentence in sentences)


def numbered(sentences: Iterable[str]) -> str:
    """Return a numbered list."""
    return "\n".join(f"{number}. {sentence}" for number, sentence in enumerate(sentences, 1))


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, left: Container[str] = ()
) -> str:
    """Return a table; the first column and those named in `left` are aligned left."""
    align = [":--", *(":--" if name in left else "--:" for name in header[1:])]
    return "\n".join(_row(cells) for cells in [header, align, *rows])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
