"""Texts that nobody vouches for, as they may be shown: in a line, without what does not print.

Escape sequences (they steer a terminal), marks that reverse the direction of writing and halves of
characters do not print.
"""

from __future__ import annotations


def shown(text: str, longest: int | None = None) -> str:
    """Return the text with what does not print escaped, cut after `longest` characters."""
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:longest])
    return plain if longest is None or len(text) <= longest else f"{plain}..."


def file_name(name: str) -> str:
    """Return a file's name with `_` for all that does not print, and for backslashes.

    Not as `shown`: a backslash parts folders on some systems, and what is kept is a name alone.
    """
    return "".join(c if c.isprintable() and c != "\\" else "_" for c in name)


def one_line(text: str) -> str:
    """Return the text as `shown`, its lines and runs of spaces folded into one space each."""
    return shown(" ".join(text.split()))
