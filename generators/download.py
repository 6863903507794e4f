"""Downloading a published file: resumable, and checked before it gets its name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from hsal_bench.errors import SourceUnavailable, UsageError
from hsal_bench.files import writable_folder
from hsal_bench.locks import locked
from hsal_bench.progress import progress

TIMEOUT_S = 30.0
"""A connection is closed after this many seconds without a byte."""

_STEP = 1 << 18
_MEGABYTE = 10**6
_COMPLETE = 416
"""HTTP status: no bytes follow those that are already here."""


class _ConnectionLostError(Exception):
    """The network, not the disk, failed."""


def download(url: str, path: Path, check: Callable[[Path], object], most_bytes: int) -> None:
    """Download `url` to `path` unless the file exists.

    The content goes to `path`.part first. An interrupted download resumes there if the server
    supports it (HTTP Range); a lost connection is reopened as long as bytes arrive. `check` gets
    the path of the complete download and raises if it is not the published file, which is then
    removed. A larger file than `most_bytes` is cut one byte after that.

    Raises:
        SourceUnavailable: the file cannot be downloaded, or its folder cannot be written to.
        BusyError: another process is downloading into the same folder, and this one does not wait.
        OSError: the system's own error (ENOSPC: the disk is full).
        Whatever `check` raises.
    """
    if path.exists():
        return
    try:
        writable_folder(path.parent)
    except UsageError as error:
        raise SourceUnavailable(f"{path} does not exist and {error}") from None
    with locked(path.parent, f"downloading into {path.parent}"):
        if path.exists():
            return
        part = path.with_name(f"{path.name}.part")
        if part.exists() and part.stat().st_size > most_bytes:
            part.unlink()
        with part.open("ab") as file:
            _complete(url, path, file, most_bytes)
            file.flush()
            os.fsync(file.fileno())
        try:
            check(part)
        except UsageError:
            part.unlink()
            raise
        part.replace(path)


def check_sha256(url: str, part: Path, sha256: str, size: int) -> None:
    """Check the size (bytes) and the SHA-256 (hex) of the file `part` that came from `url`.

    Raises:
        UsageError: it is a different file.
    """
    actual_size = part.stat().st_size
    with part.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if (actual, actual_size) == (sha256, size):
        return
    amount = f"more than {size:,}" if actual_size > size else f"{actual_size:,}"
    raise UsageError(
        f"{url} is not the published file ({amount} bytes with SHA-256 {actual}, expected "
        f"{size:,} with {sha256}): try again, or put the published file into {part.parent}"
    )


def _complete(url: str, path: Path, file: BinaryIO, most_bytes: int) -> None:
    """Append the rest of the server's file, at most up to one byte more than `most_bytes`."""
    while (start := file.tell()) < most_bytes:
        try:
            _append(url, path.name, file, most_bytes)
            return
        except _ConnectionLostError as error:
            if file.tell() > start:
                continue
            raise SourceUnavailable(
                f"{path.name} cannot be downloaded from {url} ({error}): run the same command "
                f"again when online, put the file into {path.parent}, or use --data-dir to name "
                "another folder of sources"
            ) from None


def _append(url: str, name: str, file: BinaryIO, most_bytes: int) -> None:
    start = file.tell()
    response = _open(url, start)
    if response is None:
        return
    with response:
        if not _resumes(response, start):
            file.seek(0)
            file.truncate()
        total = file.tell() + response.length if response.length else most_bytes
        with progress(f"downloading {name} (MB)", total // _MEGABYTE) as advance:
            for piece in _pieces(response):
                file.write(piece[: most_bytes + 1 - file.tell()])
                advance(file.tell() // _MEGABYTE)
                if file.tell() > most_bytes:
                    return


def _open(url: str, start: int) -> Any:
    """Return the server's response from byte `start` on; None: it has no more bytes."""
    # Imported here: this takes longer than all other imports, and a file is downloaded once.
    import http.client
    import urllib.request

    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except (OSError, http.client.HTTPException) as error:
        if start and getattr(error, "code", None) == _COMPLETE:
            return None
        raise _ConnectionLostError(getattr(error, "reason", None) or error) from None


def _pieces(response: Any) -> Iterator[bytes]:
    import http.client

    # read1(), not read(): if the connection is lost, read() discards the bytes before that.
    try:
        while piece := response.read1(_STEP):
            yield piece
    except (OSError, http.client.HTTPException) as error:
        raise _ConnectionLostError(error) from None
    if response.length:
        raise _ConnectionLostError("the connection was lost")


def _resumes(response: Any, start: int) -> bool:
    content_range = response.headers.get("Content-Range", "")
    return response.status == 206 and content_range.startswith(f"bytes {start}-")
