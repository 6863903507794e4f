"""The published files of a glyph source: which folders may hold them, and their MD5."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from hsal_bench.errors import UsageError
from hsal_bench.generators.download import download

from .idx import read_file, unpacked
from .sources import PublishedFile

_MOST_BYTES = 1 << 28
"""The largest published file has about 26 MB."""


def read_or_download(url: str, folders: Sequence[Path], file: PublishedFile) -> tuple[Path, bytes]:
    """Return the path and the unpacked content of a published file, stored plain or as `.gz`.

    If no folder of `folders` has it, it is downloaded into the first. A plain file is not checked
    if only the MD5 of the packed file is known.

    Raises:
        UsageError: it is not the published file.
        SourceUnavailable: it is in no folder and cannot be downloaded.
    """
    # Files that can be checked come first: torchvision leaves the packed file next to the plain.
    names = [file.name, f"{file.name}.gz"] if file.content_md5 else [f"{file.name}.gz", file.name]
    path = next(_existing(folders, names), None)
    if path is None:
        path = folders[0] / f"{file.name}.gz"
        address, remedy = url + path.name, f"put the published file into {path.parent}"
        download(
            address,
            path,
            lambda part: _checked_content(address, read_file(part), file, remedy),
            _MOST_BYTES,
        )
    return path, _checked_content(path, read_file(path), file, "remove it to download it again")


def _existing(folders: Sequence[Path], names: Sequence[str]) -> Iterator[Path]:
    """Yield the files with one of the names, also as others write them.

    Some have a dot, `train-images.idx3-ubyte`; some archives unpack to a folder around the file.
    """
    for folder in folders:
        for name in names:
            spellings = (name, name.replace("-idx", ".idx"))
            for spelling in spellings:
                path = folder / spelling
                if path.is_dir():
                    inside = (path / other for other in spellings)
                    yield from (file for file in inside if file.is_file())
                elif path.exists():
                    yield path


def _checked_content(origin: Path | str, stored: bytes, file: PublishedFile, remedy: str) -> bytes:
    """Return the unpacked content of `stored`, checked against the MD5 that is known."""
    packed = str(origin).endswith(".gz")
    if packed and file.packed_md5:
        _check_md5(origin, stored, file.packed_md5, remedy)
    content = unpacked(origin, stored, remedy)
    if file.content_md5:
        _check_md5(origin, content, file.content_md5, remedy)
    return content


def _check_md5(origin: Path | str, content: bytes, md5: str, remedy: str) -> None:
    actual = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if actual != md5:
        raise UsageError(
            f"{origin} is not the published file (MD5 {actual}, expected {md5}): {remedy}"
        )
