"""Getting the published files of a source: from the data folder, or from the network."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from hsal_bench.errors import SourceUnavailable, UsageError
from hsal_bench.files import replacing, writable_folder

from .idx import read, unpack
from .sources import PublishedFile

_TIMEOUT_S = 30


def read_or_download(
    title: str, url: str, folders: Sequence[Path], file: PublishedFile
) -> tuple[Path, bytes]:
    """Return (path, unpacked content) of a published file, plain or `.gz`.

    It is looked for in `folders`; where it is in none, it is downloaded into the first. A plain
    file of which only the packed one's MD5 is known is returned as it is.

    Raises:
        UsageError: it is not the published file.
        SourceUnavailable: it is not there and cannot be downloaded.
    """
    # What can be proven goes first: torchvision leaves the packed file beside the plain one.
    names = [file.name, f"{file.name}.gz"] if file.content_md5 else [f"{file.name}.gz", file.name]
    for path in (folder / name for folder in folders for name in names):
        if path.exists():
            stored = read(path)
            return path, _proven(path, stored, file, "remove it, and it is downloaded again")
    path = folders[0] / f"{file.name}.gz"
    packed = _download(title, url + path.name, folders[0])
    content = _proven(url + path.name, packed, file, f"put the right one into {path.parent}")
    writable_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_bytes(packed)
    return path, content


def _proven(origin: Path | str, stored: bytes, file: PublishedFile, remedy: str) -> bytes:
    """Return the unpacked content of what is stored at `origin`, checked where it can be."""
    packed = str(origin).endswith(".gz")
    if packed and file.packed_md5:
        _check_md5(origin, stored, file.packed_md5, remedy)
    content = unpack(origin, stored, remedy) if packed else stored
    if file.content_md5:
        _check_md5(origin, content, file.content_md5, remedy)
    return content


def _check_md5(origin: Path | str, content: bytes, md5: str, remedy: str) -> None:
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise UsageError(
            f"{origin} is not the published file (MD5 {found}, it should be {md5}): {remedy}"
        )


def _download(title: str, url: str, folder: Path) -> bytes:
    # Imported here: they take longer than the rest, and a source is downloaded once.
    import http.client
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
            packed: bytes = response.read()
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise SourceUnavailable(
            f"{title} is not in {folder} and cannot be downloaded from {url} ({reason}): "
            "put its files there, or name another folder with --data-dir"
        ) from error
    return packed
