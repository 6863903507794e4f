"""Atomic writing of files.

Under its final name a file is complete, or does not exist.
"""

from __future__ import annotations

import errno
import glob
import os
import platform
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hsal_bench.errors import UsageError

PACKAGE = Path(__file__).resolve().parent
"""The folder of the package `hsal_bench`."""
HOST = platform.node() or "localhost"
SETTLED_AFTER = 2_000_000_000
"""Nanoseconds after its last change from which a file's times tell a further change."""

_T = TypeVar("_T")
_remembered: dict[Hashable, Any] = {}


def remembered(paths: Sequence[Path], key: Hashable, compute: Callable[[], _T]) -> _T:
    """Return `compute()`, a fact about the content of large files, computed once per process.

    The runs of one process read the same files. The fact is computed again if a file's inode,
    size or times have changed, or if they may hide a change because the last one was just now.
    """
    facts = [path.stat() for path in paths]
    if time.time_ns() - max(fact.st_mtime_ns for fact in facts) < SETTLED_AFTER:
        return compute()
    files = ((f.st_dev, f.st_ino, f.st_size, f.st_mtime_ns, f.st_ctime_ns) for f in facts)
    same = (*files, key)
    if same not in _remembered:
        _remembered[same] = compute()
    value: _T = _remembered[same]
    return value


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path; on success it replaces `path` atomically.

    The old file stays until the block has ended without an error and the new content is on disk. On
    an error the temporary file is removed and the error is raised. It is next to `path`, under a
    name that no other process uses. Those that killed processes of this host left are removed.
    """
    _remove_stale(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}@{HOST}.tmp")
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


def _remove_stale(path: Path) -> None:
    """Remove temporary files of `path` whose process, on this host, has ended."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*@{HOST}.tmp"):
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
