"""A dataset in shards: a folder NAME.h5 with dataset files and a manifest.

Each shard has the form of a dataset file, with the next rows of every split and a mark: alone it is
refused, because its header is that of the dataset. The manifest has that header, with the content
hash that one file would have, and the hash of each shard.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hsal_bench.data.schema import Header
from hsal_bench.errors import UsageError
from hsal_bench.files import read_bytes, write_text
from hsal_bench.jsonio import parse

if TYPE_CHECKING:
    import h5py

MANIFEST = "manifest.json"
MOST_SHARDS = 500
"""Reading opens them all, and systems often allow 1,024 open files."""
_SHARD = re.compile(r"shard-\d{4}\.h5")
_MARK = "shard"


def shard_path(folder: Path, number: int) -> Path:
    """Return the path of a shard; the first has the number 0."""
    return folder / f"shard-{number:04}.h5"


def mark_as_shard(file: h5py.File, text: str) -> None:
    """Mark an open file as a shard. text: "1 of 4", for readers of the file."""
    file.attrs[_MARK] = text


def is_shard(file: h5py.File) -> bool:
    """Return whether an open file is a shard, wherever it is."""
    return _MARK in file.attrs


def write_manifest(folder: Path, header: Header, hashes: Sequence[str]) -> None:
    """Write the manifest. hashes: `content_sha256` of each shard."""
    content = {"header": header.attributes(), "shards": list(hashes)}
    write_text(folder / MANIFEST, json.dumps(content, indent=1) + "\n")


def read_manifest(folder: Path) -> tuple[Header, list[str]]:
    """Return the header of a dataset in shards, and the content hash of each shard.

    Raises:
        OSError: there is no manifest, or it cannot be read.
        KeyError, TypeError, ValueError: it is not a manifest.
    """
    content = parse(read_bytes(folder / MANIFEST).decode())
    hashes = content["shards"]
    if not isinstance(hashes, list) or not 1 <= len(hashes) <= MOST_SHARDS:
        raise ValueError(f"shards is not a list of 1 to {MOST_SHARDS} hashes")
    return Header.from_attributes(content["header"]), hashes


def number_of_shards(folder: Path) -> int:
    """Return the number of shards of a folder; 0: it has no manifest.

    The files count if the manifest is damaged.
    """
    try:
        return len(read_manifest(folder)[1])
    except OSError:
        return 0
    except (KeyError, TypeError, ValueError):
        return len([file for file in folder.iterdir() if _SHARD.fullmatch(file.name)])


def check_replaceable(path: Path) -> None:
    """Check that `path`, if it is a folder, holds nothing but a dataset in shards.

    Raises:
        UsageError: it has other files, which would be lost.
    """
    names = [file.name for file in path.iterdir()] if path.is_dir() else []
    if others := [name for name in names if name != MANIFEST and not _SHARD.fullmatch(name)]:
        raise UsageError(f"{path} is a folder with other files ({min(others)}): move it away")
