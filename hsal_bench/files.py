"""Atomic writing of files, and locks of folders.

Under its final name a file is complete, or does not exist.
"""

from __future__ import annotations

import errno
import glob
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from itertools import count
from pathlib import Path

import click
from filelock import FileLock, Timeout

from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.text import one_line

PACKAGE = Path(__file__).resolve().parent
"""The folder of the package `hsal_bench`."""
_HOST = platform.node() or "localhost"
_REFUSE: ContextVar[bool] = ContextVar("refuse", default=False)


@contextmanager
def replacing(path: Path, temporary: Path | None = None) -> Iterator[Path]:
    """Yield a temporary path; on success it replaces `path` atomically.

    The old file stays until the block has ended without an error and the new content is on disk. On
    an error the temporary file is removed and the error is raised. temporary: by default a name
    next to `path` that no other process uses; such files of killed processes are removed.
    """
    if temporary is None:
        _remove_stale(path)
        temporary = path.with_name(f".{path.name}.{os.getpid()}@{_HOST}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        OSError: it cannot be read, or is a folder, a pipe or a device, which may have no end.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return path.read_bytes()


def write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path`, completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


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
            holder.write_text(f"{work} (host {_HOST}, process {os.getpid()}, since {_now()})")
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
        return one_line((folder / "lock.txt").read_text(encoding="utf-8")[:500])
    except (OSError, ValueError):
        return ""


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")


def _remove_stale(path: Path) -> None:
    """Remove temporary files of `path` whose process, on this host, has ended."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*@{_HOST}.tmp"):
        number = left.name.removeprefix(f".{path.name}.").partition("@")[0]
        if number.isdecimal() and not _is_alive(int(number)):
            left.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    if os.name == "nt":
        return True  # there, os.kill would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # of another user
    return True


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
