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

FILE = "heartbeat.json"
EVERY = 5.0
"""Seconds between two writes."""

Beat = Callable[[int, str], None]
"""Takes the update that a run has reached and its status: "valid exact match 0.412"."""


@contextmanager
def beating(folder: Path, updates: int) -> Iterator[Beat]:
    """Write `heartbeat.json` in the folder of a run until the block ends; then remove it.

    A thread writes it, so that a run that is busy with a long step still shows that it is alive.
    """
    fact = {"host": platform.node(), "process": os.getpid(), "updates": updates}
    latest: dict[str, int | str] = {"update": 0, "status": ""}
    ended = threading.Event()

    def write() -> None:
        while True:
            with contextlib.suppress(OSError):  # a full disk is the run's own matter
                write_text(folder / FILE, json.dumps({**fact, **latest}))
            if ended.wait(EVERY):
                return

    def beat(update: int, status: str = "") -> None:
        latest.update(update=update, status=status)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield beat
    finally:
        ended.set()
        writer.join()
        (folder / FILE).unlink(missing_ok=True)
