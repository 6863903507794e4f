"""Locks of folders: one process works in a folder at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from itertools import count
from pathlib import Path

import click
from filelock import FileLock, Timeout

from hsal_bench.errors import HsalBenchError
from hsal_bench.files import HOST, read_bytes
from hsal_bench.text import one_line

_REFUSE: ContextVar[bool] = ContextVar("refuse", default=False)


class BusyError(HsalBenchError, BlockingIOError):
    """Another process works in a folder; an OSError, because it is no fault of a method."""


@contextmanager
def refusing_to_wait(refuse: bool = True) -> Iterator[None]:
    """Let `locked` raise BusyError instead of waiting while the block runs, for `--no-wait`."""
    token = _REFUSE.set(refuse)
    try:
        yield
    finally:
        _REFUSE.reset(token)


@contextmanager
def locked(folder: Path, work: str, *, wait: bool = True) -> Iterator[None]:
    """Keep other processes out of `folder` while the block runs; create the folder.

    work: for the messages of other processes ("building data/a.h5"). wait: wait for another
    process, with a message once a minute, unless within `refusing_to_wait`. The lock ends with its
    process. Where locks are not possible, a warning is printed and the block runs all the same.

    Raises:
        BusyError: another process works in the folder, and this one does not wait.
    """
    lock, holder = FileLock(folder / "lock"), folder / "lock.txt"
    try:
        _acquire(lock, folder, work, wait and not _REFUSE.get())
    except (OSError, NotImplementedError) as error:
        if isinstance(error, BusyError):
            raise
        reason = getattr(error, "strerror", None) or error
        click.echo(
            f"warning: cannot lock {folder} ({reason}): make sure that no other process writes "
            "there",
            err=True,
        )
        yield
        return
    try:
        with suppress(OSError):
            holder.unlink(missing_ok=True)  # a pipe would block, a link lead elsewhere
            holder.write_text(f"{work} (host {HOST}, process {os.getpid()}, since {_now()})")
        yield
    finally:
        with suppress(OSError):
            holder.unlink()
        lock.release()


def _acquire(lock: FileLock, folder: Path, work: str, wait: bool) -> None:
    for second in count():
        folder.mkdir(parents=True, exist_ok=True)
        # The folder may be removed by the process that finishes its work there.
        with suppress(Timeout, FileNotFoundError):
            lock.acquire(timeout=0)
            return
        if not wait:
            raise BusyError(
                f"another process is {_holder(folder) or work}: wait for it, or use another folder"
            )
        if second % 60 == 0:
            click.echo(f"waiting: another process is {_holder(folder) or work}", err=True)
        time.sleep(1)


def _holder(folder: Path) -> str:
    """Return the work, host, process and start time of the process that works in `folder`."""
    try:
        return one_line(read_bytes(folder / "lock.txt").decode("utf-8")[:500])
    except (OSError, ValueError):
        return ""


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
