"""The content of a dataset file, checked against the hash in its header.

A command that states a dataset's content hash opens the file with `open_intact`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hsal_bench.data.file import DataFile, open_data
from hsal_bench.data.names import rebuild_remedy
from hsal_bench.data.schema import HASH_ROWS, SPLITS, content_sha256, run_digests
from hsal_bench.errors import UsageError
from hsal_bench.files import remembered


@contextmanager
def open_intact(path: Path) -> Iterator[DataFile]:
    """Open the dataset file `path` and check that its content has the hash in its header.

    This reads every array: about 2 s for 75,000 images of 100x100.

    Raises:
        UsageError: as `open_data` and `require_intact`.
    """
    with open_data(path) as data:
        require_intact(data)
        yield data


def content_hash(data: DataFile) -> str:
    """Return the hash of the file's decoded arrays, with one run of rows in memory at a time.

    Raises:
        UsageError: an array cannot be decoded.
    """
    digests = {
        (split, name): _digests(data, split, name)
        for split in SPLITS
        for name in data.layout.arrays()
    }
    return content_sha256(data.layout, digests)


def require_intact(data: DataFile) -> None:
    """Check that the content of a dataset matches the hash in its header.

    The runs of one process read unchanged files once.

    Raises:
        UsageError: it does not, or an array cannot be decoded.
    """
    stored = data.header.content_sha256
    actual = remembered(data.files, stored, lambda: content_hash(data))
    if stored != actual:
        for shard in data.shards:
            require_intact(shard)  # names the damaged one
        raise UsageError(
            f"{data.path} is damaged: its content has the hash {actual[:12]}, its header says "
            f"{stored[:12]}; {rebuild_remedy(data.path, data.header.config)}"
        )


def _digests(data: DataFile, split: str, name: str) -> Iterator[bytes]:
    for _, run in data.runs(split, name, HASH_ROWS):
        yield from run_digests(run)
