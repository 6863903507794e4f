"""Errors that a user can act on: one line with the object, the value and the remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class HsalBenchError(Exception):
    """The work failed: exit code 1."""

    exit_code = 1


class UsageError(HsalBenchError):
    """The input is wrong (a name, an option, a damaged file): exit code 2."""

    exit_code = 2


class SourceUnavailable(UsageError):  # noqa: N818 - the name of the state
    """Raised by a generator whose source is not available.

    reason: what is wrong with the source and how to fix it. alternative: a spec of the same dataset
    whose source is available. instead: in words, what to do with that.
    """

    def __init__(self, reason: str, alternative: Any = None, instead: str = "") -> None:
        super().__init__(f"{reason}, or {instead}" if instead else reason)
        self.reason, self.alternative = reason, alternative


def suggest(name: str, known: Iterable[str]) -> str:
    """Return the end of an error about an unknown `name`: the nearest known name, then all names.

    Nearest is the shortest name that starts with it, else the most similar one. Case does not
    count, and underscores count as dashes.
    """
    known = sorted(known)
    plain = {_plain(other): other for other in reversed(known)}
    longer = [other for other in plain if _plain(name) and other.startswith(_plain(name))]
    near = sorted(longer, key=len) or difflib.get_close_matches(
        _plain(name), plain, n=1, cutoff=0.5
    )
    hint = f"did you mean {plain[near[0]]!r}? " if near else ""
    return f"{hint}known: {', '.join(known) if known else 'none'}"


def near_path(path: Path) -> str:
    """Return "did you mean NAME?" with the most similar path of the same suffix, "" without one.

    path: one that does not exist; the names next to it, or to its missing folder, are compared.
    """
    if not path.parent.is_dir():
        return near_path(path.parent)
    try:
        names = {
            other.stem: other for other in path.parent.iterdir() if other.suffix == path.suffix
        }
    except OSError:  # of a folder that cannot be read
        return ""
    near = difflib.get_close_matches(path.stem, names, n=1, cutoff=0.7)
    return f"did you mean {names[near[0]]}?" if near else ""


def _plain(name: str) -> str:
    return re.sub(r"[_\s]", "-", name).casefold()
