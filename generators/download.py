"""Downloading a large published file: whole and checked under its name, or not there at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from hsal_bench.errors import UsageError
from hsal_bench.files import locked, writable_folder
from hsal_bench.progress import Advance, progress

TIMEOUT_S = 30.0
"""Seconds without a byte after which a connection is given up."""

_STEP = 1 << 18
_MEGABYTE = 10**6


class _BrokenOffError(Exception):
    """The network, not the disk, failed."""


def fetch(url: str, path: Path, sha256: str, size: int) -> None:
    """Download `url` to `path` unless it is there; `size` bytes with that SHA-256 (hex).

    What has come goes into `path`.part, on which an interrupted download goes on where the server
    can do so (HTTP Range). A connection that breaks off is taken up again as long as bytes come.

    Raises:
        UsageError: it cannot be downloaded, or is not the published file (then nothing is kept).
        HsalBenchError: another process downloads into the same folder.
        OSError: as the system says it (ENOSPC: the disk is full).
    """
    if path.exists():
        return
    writable_folder(path.parent)
    with locked(path.parent, f"downloading into {path.parent}"):
        if path.exists():
            return
        part = path.with_name(f"{path.name}.part")
        if part.exists() and part.stat().st_size > size:
            part.unlink()
        with part.open("ab") as file:
            _complete(url, path, file, size)
            file.flush()
            os.fsync(file.fileno())
        _check(url, part, sha256, size)
        part.replace(path)


def _complete(url: str, path: Path, file: BinaryIO, size: int) -> None:
    """Append to `file` all that the server has, or one byte more than `size`."""
    with progress(f"downloading {path.name} (MB)", size // _MEGABYTE) as advance:
        while (have := file.tell()) < size:
            try:
                _append(url, file, size, advance)
                return
            except _BrokenOffError as error:
                if file.tell() > have:
                    continue
                raise UsageError(
                    f"{path.name} cannot be downloaded from {url} ({error}): give the same command "
                    f"again with a network, put the file into {path.parent} by hand, or name a "
                    "folder that holds it"
                ) from error


def _append(url: str, file: BinaryIO, size: int, advance: Advance) -> None:
    for piece in _pieces(url, file):
        file.write(piece[: size + 1 - file.tell()])
        advance(file.tell() // _MEGABYTE)
        if file.tell() > size:
            return


def _pieces(url: str, file: BinaryIO) -> Iterator[bytes]:
    """Yield what follows the content of `file`, which is emptied if the server starts anew."""
    # Imported here: they take longer than the rest, and a file is downloaded once.
    import http.client
    import urllib.request

    have = file.tell()
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            if not _goes_on(response, have):
                file.seek(0)
                file.truncate()
            # Not read(): where a connection breaks off, that loses what came before.
            while piece := response.read1(_STEP):
                yield piece
            if response.length:
                raise _BrokenOffError("the connection broke off")
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenOffError(getattr(error, "reason", None) or error) from error


def _goes_on(response: Any, have: int) -> bool:
    starts = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
    return response.status == 206 and starts


def _check(url: str, part: Path, sha256: str, size: int) -> None:
    found_size = part.stat().st_size
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found == sha256 and found_size == size:
        return
    part.unlink()
    amount = f"more than {size:,}" if found_size > size else f"{found_size:,}"
    raise UsageError(
        f"{url} is not the published file ({amount} bytes with SHA-256 {found}, it should be "
        f"{size:,} with {sha256}; removed): try again, or put the right one into {part.parent} "
        "by hand"
    )
