"""Atomic writing of files: under its final name a file is complete, or does not exist."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import click

from hsal_bench.errors import HsalBenchError, UsageError

PACKAGE = Path(__file__).resolve().parent
"""The folder of the package `hsal_bench`."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; on success it replaces `path` atomically.

    The old file stays until the block has ended without an error and the new content is on disk. On
    an error the temporary file is removed and the error is raised.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path`, completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def locked(folder: Path, what: str, *, wait: bool = False) -> Iterator[None]:
    """Keep other processes out of `folder` while the block runs.

    what: the work, for the messages of other processes ("building data/a.h5"). wait: wait for
    another process, with a message once a minute.

    Raises:
        HsalBenchError: another process works in it.
    """
    with (folder / "lock").open("w") as lock:
        for second in count():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if not wait:
                    raise HsalBenchError(
                        f"another process is {what}: wait for it, or use another folder"
                    ) from error
            if second % 60 == 0:
                click.echo(f"waiting: another process is {what}", err=True)
            time.sleep(1)
        yield


def writable_folder(path: Path) -> Path:
    """Create the folder `path` and return it.

    Raises:
        UsageError: it cannot be created or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".write-test.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"cannot write to {path} ({reason}): use another folder") from error
    return path
