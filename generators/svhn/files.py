"""Finding, downloading and checking the archives of SVHN's full numbers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hsal_bench.errors import SourceUnavailable, UsageError
from hsal_bench.generators.download import check_sha256, download
from hsal_bench.generators.glyphs.sources import NAME, SOURCES

from .album import Album

OFFICIAL = "svhn"
ARCHIVES = ("train", "test")
_URL = "http://ufldl.stanford.edu/housenumbers/"


@dataclass(frozen=True)
class Published:
    """A published archive: size in bytes, SHA-256 (hex), number of pictures."""

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


def check_name(collection: str) -> None:
    """Check that a collection's name can be part of a dataset's name. Raises UsageError."""
    if not NAME.fullmatch(collection):
        raise UsageError(
            f"collection={collection!r} is not a valid name (letters, digits, '_', '.', '-'): put "
            "the folder into --data-dir and give its name"
        )
    if collection in SOURCES:
        raise UsageError(
            f"collection={collection!r} is also a source of glyphs, whose dataset is "
            f"{collection}-multiset: rename the folder"
        )


def find_albums(collection: str, data_dir: Path) -> dict[str, Album]:
    """Return the albums `train` and `test` of a collection, archives or unpacked folders.

    They are in `data_dir`/`collection`, or, for SVHN itself, in `data_dir`. Missing archives of
    SVHN are downloaded.

    Raises:
        UsageError: an archive has a published archive's size but not its content.
        SourceUnavailable: the collection does not exist, or SVHN cannot be downloaded.
    """
    folders = [data_dir / collection, *([data_dir] if collection == OFFICIAL else [])]
    for folder in folders:
        albums = {name: Album.find(folder, name) for name in ARCHIVES}
        present = {name: album for name, album in albums.items() if album is not None}
        if len(present) == len(ARCHIVES):
            return _checked(present)
    if collection != OFFICIAL:
        raise SourceUnavailable(
            f"no collection {collection!r}: {folders[0]} has no train.tar.gz and test.tar.gz (or "
            "folders train and test); put them there, or use --data-dir to name another folder"
        )
    return _checked({name: _download(name, folders[0]) for name in ARCHIVES})


def remarks(collection: str, pictures: dict[str, int]) -> list[str]:
    """Return a note for each album of `svhn` that differs from the published number of pictures."""
    if collection != OFFICIAL:
        return []
    return [
        f"{name}: {pictures[name]:,} pictures, {published.pictures:,} were published: this is not "
        "SVHN as others have it"
        for name, published in PUBLISHED.items()
        if pictures[name] != published.pictures
    ]


def _checked(albums: dict[str, Album]) -> dict[str, Album]:
    for name, album in albums.items():
        _check_published(name, album)
    return albums


def _check_published(name: str, album: Album) -> None:
    """Check the hash of an archive that has the published size. Raises UsageError."""
    published = PUBLISHED[name]
    if album.path.is_file() and album.path.stat().st_size == published.size:
        with album.path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if sha256 != published.sha256:
            raise UsageError(
                f"{album.path} has the size of the published archive, not its content (SHA-256 "
                f"{sha256[:12]}..., expected {published.sha256[:12]}...): remove it to download "
                "it again"
            )


def _download(name: str, folder: Path) -> Album:
    if (album := Album.find(folder, name)) is not None:
        return album
    path, published = folder / f"{name}.tar.gz", PUBLISHED[name]
    url = f"{_URL}{path.name}"
    check = partial(check_sha256, url, sha256=published.sha256, size=published.size)
    try:
        download(url, path, check, published.size)
    except UsageError as error:
        raise SourceUnavailable(str(error)) from None
    return Album(path, name)
