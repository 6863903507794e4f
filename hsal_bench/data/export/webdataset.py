"""WebDataset: tar files with a PNG and a JSON file per example."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from hsal_bench.data.export.examples import SPLIT_NAMES, Example, blocks
from hsal_bench.data.file import DataFile
from hsal_bench.data.schema import SPLITS
from hsal_bench.files import replacing

SHARD = 10_000
"""Examples of one tar file."""


def write_webdataset(
    data: DataFile, folder: Path, report: Callable[[int], None] = lambda done: None
) -> list[Path]:
    """Write SPLIT-000000.tar and so on, each with up to `SHARD` examples; return the files.

    The JSON file has labels, counts and boxes; its key is the row in the split. The bytes depend
    on the dataset alone. `report` gets the number of finished examples.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files, done = [], 0
    for split in SPLITS:
        for number, shard in enumerate(_shards(data, split)):
            path = folder / f"{SPLIT_NAMES[split]}-{number:06}.tar"
            with ExitStack() as stack:
                temporary = stack.enter_context(replacing(path))
                tar = stack.enter_context(tarfile.open(temporary, "w"))
                for example in shard:
                    _add(tar, f"{example.id:09}.png", example.png)
                    facts = {n: getattr(example, n) for n in ("labels", "counts", "boxes")}
                    _add(tar, f"{example.id:09}.json", json.dumps(facts).encode())
                    done += 1
            report(done)
            files.append(path)
    return files


def _shards(data: DataFile, split: str) -> Iterator[list[Example]]:
    shard: list[Example] = []
    for block in blocks(data, split):
        shard += block
        if len(shard) >= SHARD:
            yield shard
            shard = []
    if shard:
        yield shard


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
