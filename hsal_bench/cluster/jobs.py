"""A job: a call that any process can make, and the places that run jobs."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

_POLL = 0.5


@dataclass(frozen=True)
class Job:
    """A call of `work` with a request, in the folder in which the job was created.

    title: of the run, its folder in the folder of results; of a block, its first images. log: the
    file to which its output is appended; None leaves it where the process has it.
    """

    work: Callable[[Any], Any]
    request: Any
    title: str
    log: Path | None = None
    folder: str = field(default_factory=os.getcwd)

    def __call__(self, *_waited_for: Any) -> Any:
        """Do the work and return its result; results of jobs it waited for are ignored."""
        os.chdir(self.folder)
        if self.log is None:
            return self.work(self.request)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with (
            self.log.open("a", encoding="utf-8", buffering=1) as file,
            contextlib.redirect_stdout(file),
            contextlib.redirect_stderr(file),
        ):
            return self.work(self.request)


class Result(Protocol):
    """What a place promises for a job; the futures of concurrent.futures, Dask and submitit."""

    def done(self) -> bool:
        """Return whether the job has ended."""

    def result(self) -> Any:
        """Return its result, or raise its error."""


class Place(Protocol):
    """Where jobs run. threads: of each job, unless the request says how many."""

    threads: int

    def start(self, prepare: Job | None, jobs: Sequence[Job]) -> Sequence[Result]:
        """Start the jobs, which wait for `prepare` if there is one; return the result of each."""

    def stop(self) -> None:
        """Stop what runs, so that it can be resumed, or leave it to the cluster."""


def ended(
    results: Mapping[str, Result],
    tick: Callable[[], None] = lambda: None,
    until: float = math.inf,
) -> Iterator[tuple[str, Result]]:
    """Yield the results by title, each once its job has ended; call `tick` twice a second.

    until: the end, on the monotonic clock.
    """
    left = dict(results)
    while left and time.monotonic() < until:
        for title in [title for title, result in left.items() if result.done()]:
            yield title, left.pop(title)
        tick()
        if left:
            time.sleep(_POLL)
