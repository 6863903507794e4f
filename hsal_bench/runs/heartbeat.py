"""The sign of life of a run: a small file that its process rewrites until the run ends."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hsal_bench.files import write_text

FILE = "heartbeat"
"""JSON; without .json, so that no command takes it for a record."""
EVERY = 5.0
"""Seconds between two writes."""

Beat = Callable[[int], None]
"""Takes the update that a run has reached."""


@contextmanager
def beating(folder: Path, updates: int | None) -> Iterator[Beat]:
    """Write the file `heartbeat` in the folder of a run until the block ends; then remove it.

    updates: of the whole run; None for a method with its own budget.

    A thread writes it, so that a run that is busy with a long step still shows that it is alive.
    """
    fact = {"host": platform.node(), "process": os.getpid(), "updates": updates}
    latest = {"update": 0}
    ended = threading.Event()

    def write() -> None:
        while True:
            with contextlib.suppress(OSError):  # a full disk is the run's own matter
                write_text(folder / FILE, json.dumps({**fact, **latest}))
            if ended.wait(EVERY):
                return

    def beat(update: int) -> None:
        latest["update"] = update

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield beat
    finally:
        ended.set()
        writer.join()
        (folder / FILE).unlink(missing_ok=True)
