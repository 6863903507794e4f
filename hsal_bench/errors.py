"""Failures a user can act on: one line that names the thing, the value and the remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class HsalBenchError(Exception):
    """A failure of the work itself: exit code 1."""

    exit_code = 1


class UsageError(HsalBenchError):
    """The request was wrong (a name, an option, a file not what it should be): exit code 2."""

    exit_code = 2


class SourceUnavailable(UsageError):  # noqa: N818 - it says what is the matter
    """Raised by a generator whose source cannot be had: nothing can be made from it here.

    `reason` says what is the matter with the source and how to mend that; `instead`, what could
    be made without it.
    """

    def __init__(self, reason: str, instead: str = "") -> None:
        super().__init__(f"{reason}, or {instead}" if instead else reason)
        self.reason = reason


def suggest(name: str, known: Iterable[str]) -> str:
    """Return the end of an error about an unknown `name`: the nearest known one, then all.

    Near is what begins like it, else what has much the same letters; case does not count, and a
    low line is a dash.
    """
    known = sorted(known)
    plain = {_plain(one): one for one in reversed(known)}
    begun = [one for one in sorted(plain) if _plain(name) and one.startswith(_plain(name))]
    near = begun or difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.5)
    hint = f"did you mean {plain[near[0]]!r}? " if near else ""
    return f"{hint}known: {', '.join(known) if known else 'none'}"


def _plain(name: str) -> str:
    return re.sub(r"[_\s]", "-", name).casefold()
