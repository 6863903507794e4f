"""Progress of long work: a bar on a terminal, a line every few seconds in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

PLAIN_INTERVAL = 5.0
"""Seconds between two lines in a log."""


class Advance(Protocol):
    """The callback that `progress` yields, called as the work proceeds."""

    def __call__(self, done: int, status: str = "") -> None:
        """Show that `done` of the total is done. status: a short text such as "loss 0.31"."""
        ...


@contextmanager
def progress(description: str, total: int, *, stream: TextIO | None = None) -> Iterator[Advance]:
    """Yield a callback that shows progress on `stream` (default: standard error).

    On a terminal this is a bar with the time left. Elsewhere it is a line at most every
    `PLAIN_INTERVAL` seconds, and none for shorter work.
    """
    stream = stream or sys.stderr
    if stream.isatty():
        with _bar(description, total, stream) as advance:
            yield advance
    else:
        yield _Lines(description, total, stream)


@contextmanager
def _bar(description: str, total: int, stream: TextIO) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[status]}", markup=False),
    )
    with Progress(*columns, console=Console(file=stream)) as bars:
        task = bars.add_task(description, total=total, status="")

        def advance(done: int, status: str = "") -> None:
            bars.update(task, completed=done, status=status)

        yield advance


class _Lines:
    def __init__(self, description: str, total: int, stream: TextIO) -> None:
        self.description, self.total, self.stream = description, total, stream
        self.started = self.written = time.monotonic()
        self.first: int | None = None

    def __call__(self, done: int, status: str = "") -> None:
        now = time.monotonic()
        if self.first is None:
            self.first = done  # done earlier, such as the parts of an interrupted build
        if now - self.written < PLAIN_INTERVAL:
            return
        self.written = now
        rate = (done - self.first) / (now - self.started)
        share = 100 * done // max(1, self.total)
        line = f"{self.description}: {done}/{self.total} ({share} %), {rate:,.1f}/s {status}"
        self.stream.write(line.rstrip() + "\n")
        self.stream.flush()
