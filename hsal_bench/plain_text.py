"""Texts that nobody vouches for, as they may be shown: in a line, without what does not print.

Escape sequences (they steer a terminal), marks that reverse the direction of writing and halves of
characters do not print.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_BREAKS = (r"(?<=[ /:])|(?=\+)", r"(?<=[-_=,])", r"(?s)(?<=.)")
"""Where a name may go on in another line, the best places first: a setting, a word, any letter."""


def shown(text: str, longest: int | None = None) -> str:
    """Return the text with what does not print escaped, cut after `longest` characters."""
    plain = text[:longest]
    if not plain.isprintable():
        plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in plain)
    return plain if longest is None or len(text) <= longest else f"{plain}..."


def file_name(name: str) -> str:
    """Return a file's name with `_` for all that does not print, and for backslashes.

    Not as `shown`: a backslash parts folders on some systems, and what is kept is a name alone.
    """
    return "".join(c if c.isprintable() and c != "\\" else "_" for c in name)


def one_line(text: str) -> str:
    """Return the text as `shown`, its lines and runs of spaces folded into one space each."""
    return shown(" ".join(text.split()))


def named(names: Sequence[str], most: int = 3) -> str:
    """Return "a", "a and b", "a, b and c"; "a, b, c and 2 more" of more than `most`."""
    rest = len(names) - most
    *first, last = [*names[:most], f"{rest} more"] if rest > 0 else names
    return f"{', '.join(first)} and {last}" if first else last


def wrapped(
    text: str,
    width: float,
    measure: Callable[[str], float] = len,
    breaks: Sequence[str] = _BREAKS,
) -> list[str]:
    """Return the text in lines of at most `width`, all of its letters.

    A line ends before a setting (`+`), or after a space, a slash or a colon, where it can; else
    after a mark within a word, and within the word only where that alone is too long. `measure`
    says how wide a text is.
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
