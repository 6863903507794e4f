"""Where SVHN's full numbers are found or downloaded from, and whether they are as published."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from hsal_bench.errors import SourceUnavailable, UsageError

from .album import Album
from .fetch import fetch

OFFICIAL = "svhn"
ARCHIVES = ("train", "test")
_URL = "http://ufldl.stanford.edu/housenumbers/"


@dataclass(frozen=True)
class Published:
    """A published archive: bytes, SHA-256 (hex), pictures."""

    size: int
    sha256: str
    pictures: int


PUBLISHED = {
    "train": Published(
        404_141_560, "4b17bb33b6cd8f963493168f80143da956f28ec406cc12f8e5745a9f91a51898", 33_402
    ),
    "test": Published(
        276_555_967, "57ac9ceb530e4aa85b55d991be8fc49c695b3d71c6f6a88afea86549efde7fb5", 13_068
    ),
}


def find_albums(collection: str, data_dir: Path) -> dict[str, Album]:
    """Return the albums `train` and `test` of a collection, archives or unpacked folders.

    They are looked for in `data_dir`/`collection`, those of SVHN itself in `data_dir` too; what is
    missing of SVHN is downloaded.

    Raises:
        UsageError: an archive is not what its size promises.
        SourceUnavailable: the collection is not there, or, of SVHN, cannot be downloaded.
    """
    folders = [data_dir / collection, *([data_dir] if collection == OFFICIAL else [])]
    for folder in folders:
        albums = {name: Album.find(folder, name) for name in ARCHIVES}
        found = {name: album for name, album in albums.items() if album is not None}
        if len(found) == len(ARCHIVES):
            for name, album in found.items():
                _check_published(name, album)
            return found
    if collection != OFFICIAL:
        raise SourceUnavailable(
            f"no collection {collection!r}: {folders[0]} holds no train.tar.gz and test.tar.gz (or "
            "folders train and test); put them there, or name another folder with --data-dir"
        )
    return {name: _download(name, folders[0]) for name in ARCHIVES}


def remarks(collection: str, found: dict[str, int]) -> list[str]:
    """Return a line for each album of `svhn` that has not as many pictures as were published."""
    if collection != OFFICIAL:
        return []
    return [
        f"{name}: {found[name]:,} pictures, {published.pictures:,} were published: this is not "
        "SVHN as others have it"
        for name, published in PUBLISHED.items()
        if found[name] != published.pictures
    ]


def _check_published(name: str, album: Album) -> None:
    """Check an archive of a published one's size against its hash. Raises UsageError."""
    published = PUBLISHED[name]
    if not album.path.is_file() or album.path.stat().st_size != published.size:
        return
    with album.path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != published.sha256:
        raise UsageError(
            f"{album.path} has the size of the published archive, not its content (sha256 "
            f"{sha256[:12]}..., it should be {published.sha256[:12]}...): remove it, and it is "
            "downloaded again"
        )


def _download(name: str, folder: Path) -> Album:
    if (album := Album.find(folder, name)) is not None:
        return album
    path, published = folder / f"{name}.tar.gz", PUBLISHED[name]
    try:
        fetch(f"{_URL}{path.name}", path, published.sha256, published.size)
    except UsageError as error:
        raise SourceUnavailable(str(error)) from error
    return Album(path, name)
