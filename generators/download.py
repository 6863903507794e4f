"""Getting the published files of a source: from the data folder, or from the network."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path

from hsal_bench.errors import UsageError
from hsal_bench.files import replacing, writable_folder

from .idx import read_bytes

_TIMEOUT_S = 30


def read_or_download(
    source: str, url: str, folders: Sequence[Path], name: str, md5: str
) -> tuple[Path, bytes]:
    """Return (path, unpacked content) of the file `name`, plain or `.gz`.

    It is looked for in `folders`; where it is in none, it is downloaded into the first.

    Raises:
        UsageError: it is not the published file, or is not there and cannot be downloaded.
    """
    for folder in folders:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.exists():
                content = read_bytes(path)
                _check(path, content, md5, "remove it, and it is downloaded again")
                return path, content
    path = folders[0] / f"{name}.gz"
    packed, content = _download(source, url + path.name, folders[-1])
    _check(url + path.name, content, md5, "name a folder that holds the right one with --data-dir")
    writable_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_bytes(packed)
    return path, content


def _check(origin: Path | str, content: bytes, md5: str, remedy: str) -> None:
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise UsageError(
            f"{origin} is not the published file (MD5 {found}, it should be {md5}): {remedy}"
        )


def _download(source: str, url: str, data_dir: Path) -> tuple[bytes, bytes]:
    # Imported here: they take longer than the rest, and a source is downloaded once.
    import http.client
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
            packed: bytes = response.read()
        return packed, gzip.decompress(packed)
    except (OSError, http.client.HTTPException, EOFError, zlib.error) as error:
        reason = getattr(error, "reason", None) or error
        raise UsageError(
            f"source {source} is not in {data_dir} and cannot be downloaded from {url} "
            f"({reason}): name a folder that holds it with --data-dir, or build synthetic digits "
            "instead: hsal-bench generate --source synthetic"
        ) from error
