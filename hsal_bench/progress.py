"""Progress of long work: bars on a terminal, lines in a log, each with the time left (ETA).

Several works in a row, such as the runs of a grid, have a second bar for the whole (`grid`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

PLAIN_INTERVAL = 5.0
"""Seconds between two lines in a log."""
ASKED_INTERVAL = 1.0
"""Seconds between two lines in a log that the work asks for."""
UNKNOWN = "-:--:--"

_COUNT, _ETA, _GAPS = 13, 9, 5
"""Columns of "18,750/18,750", of "100:00:00", and between the parts of a line."""
_grid: Grid | None = None
_bars: Progress | None = None


class Advance(Protocol):
    """The callback that `progress` yields, called as the work proceeds."""

    def __call__(self, done: int, status: str = "", now: bool = False) -> None:
        """Show that `done` of the total is done.

        status: a short text such as "loss 0.31". now: ask for a line of a log.
        """
        ...


class TimeLeft:
    """The time left, by the mean speed since the first call. What was skipped has no speed."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.clock, self.skipped = total, clock, 0
        self.first: tuple[int, float] | None = None

    def at(self, done: int) -> str:
        """Return the time left as "h:mm:ss"; `UNKNOWN` before there is a speed."""
        self.first = self.first or (done, self.clock())
        work, seconds = done - self.first[0] - self.skipped, self.clock() - self.first[1]
        if work <= 0:
            return UNKNOWN
        left = round((self.total - done) * seconds / work)
        left = max(left, int(done < self.total))  # zero only at the end
        return f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02}"


class Grid:
    """The progress of `works` works of the same size, one after the other."""

    def __init__(self, works: int, size: int) -> None:
        self.works, self.size, self.done, self.ended = works, size, 0, 0
        self._begun = False
        self.time_left = TimeLeft(works * size)
        self.show: Callable[[int, str], None] = lambda done, eta: None

    def advance(self, done: int) -> None:
        """Show that `done` of the current work is done."""
        if not self._begun and self.time_left.first:
            self.time_left.skipped += done  # before an interruption
        self._begun = True
        self.done = self.ended * self.size + done
        self.show(self.done, self.time_left.at(self.done))

    def next(self) -> None:
        """Go on to the next work; what the current one did not do is skipped."""
        self.ended += 1
        self._begun = False
        if self.time_left.first:
            self.time_left.skipped += self.ended * self.size - self.done
        self.done = self.ended * self.size
        self.show(self.done, self.text)

    @property
    def text(self) -> str:
        """The time left."""
        return self.time_left.at(self.done) if self.time_left.first else UNKNOWN

    @property
    def line(self) -> str:
        """The share that is done and the time left, for a log."""
        share = 100 * self.done // max(1, self.works * self.size)
        return f"; all {self.works} runs: {share} %, ETA {self.text}"


@contextmanager
def grid(works: int, size: int, *, stream: TextIO | None = None) -> Iterator[Grid]:
    """Yield the progress of a grid of `works` runs of `size` updates each; call its `next`.

    A `progress(..., of_grid=True)` within it advances it.
    """
    global _grid
    stream = stream or sys.stderr
    whole = Grid(works, size)
    with ExitStack() as stack:
        if stream.isatty() and works > 1:
            bars = stack.enter_context(_shown(stream))
            task = bars.add_task(f"all {works} runs", total=works * size, eta=UNKNOWN, status="")
            whole.show = lambda done, eta: bars.update(task, completed=done, eta=eta)
        _grid = whole
        try:
            yield whole
        finally:
            _grid = None


@contextmanager
def progress(
    description: str, total: int, *, stream: TextIO | None = None, of_grid: bool = False
) -> Iterator[Advance]:
    """Yield a callback that shows progress on `stream` (default: standard error).

    On a terminal this is a bar with the time left. Elsewhere it is a line at most every
    `PLAIN_INTERVAL` seconds (none for shorter work). Where the work asks for one, it is a line at
    most every `ASKED_INTERVAL` seconds, and always the first and the last. of_grid: the work is one
    of the surrounding `grid`.
    """
    stream = stream or sys.stderr
    whole = _grid if of_grid else None
    if not stream.isatty():
        yield _Lines(description, total, stream, whole)
        return
    nested = _bars is not None
    with _shown(stream) as bars:
        task = bars.add_task(description, total=total, eta=UNKNOWN, status="")
        time_left = TimeLeft(total)

        def advance(done: int, status: str = "", now: bool = False) -> None:
            bars.update(task, completed=done, eta=time_left.at(done), status=status)
            if whole is not None:
                whole.advance(done)

        try:
            yield advance
        finally:
            if nested:
                bars.remove_task(task)


@contextmanager
def _shown(stream: TextIO) -> Iterator[Progress]:
    """Yield the bars on the terminal: those that are there, or new ones."""
    global _bars
    if _bars is not None:
        yield _bars
        return
    from rich.console import Console
    from rich.progress import Progress

    console = Console(file=stream)
    # What goes to a file on standard output must not end up among the bars.
    with Progress(*_columns(console), console=console, redirect_stdout=sys.stdout.isatty()) as bars:
        _bars = bars
        try:
            yield bars
        finally:
            _bars = None


def _columns(console: Any) -> list[Any]:
    """Return the parts of a line; texts are cut so that the time left is always complete."""
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn
    from rich.table import Column
    from rich.text import Text

    class Cut(ProgressColumn):
        """A text of the task that fits into a share of the line's room."""

        def __init__(self, name: str, share: float) -> None:
            super().__init__(Column(no_wrap=True))
            self.name, self.share = name, share

        def render(self, task: Task) -> Text:
            text = task.description if self.name == "description" else task.fields[self.name]
            bar = min(40, max(5, console.width // 8))
            room = console.width - bar - _COUNT - _ETA - _GAPS
            cut = Text(text)
            cut.truncate(max(1, int(self.share * room)), overflow="ellipsis")
            return cut

    return [
        Cut("description", 0.6),
        BarColumn(bar_width=min(40, max(5, console.width // 8))),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[eta]}", markup=False, table_column=Column(no_wrap=True)),
        Cut("status", 0.4),
    ]


class _Lines:
    def __init__(self, description: str, total: int, stream: TextIO, whole: Grid | None) -> None:
        self.description, self.total, self.stream, self.whole = description, total, stream, whole
        self.written, self.lines = time.monotonic(), 0
        self.time_left = TimeLeft(total)

    def __call__(self, done: int, status: str = "", now: bool = False) -> None:
        eta = self.time_left.at(done)
        if self.whole is not None:
            self.whole.advance(done)
        always = now and (not self.lines or done >= self.total)
        interval = ASKED_INTERVAL if now else PLAIN_INTERVAL
        if not always and time.monotonic() - self.written < interval:
            return
        self.written = time.monotonic()
        self.lines += 1
        share = 100 * done // max(1, self.total)
        line = f"{self.description}: {done}/{self.total} ({share} %), ETA {eta}"
        line += f", {status}" if status else ""
        if self.whole is not None and self.whole.works > 1:
            line += self.whole.line
        self.stream.write(line + "\n")
        self.stream.flush()
