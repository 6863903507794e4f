"""Writing the HDF5 file of a data set from the parts of its splits."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from hsal_bench.data.parts import Part
from hsal_bench.data.schema import PAD, SPLITS, Header, Layout, content_sha256
from hsal_bench.files import replacing

_DEFLATE = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


class FileWriter:
    """Fills an HDF5 file part by part; the parts of a split come in order.

    `small_rows` is the number of rows per chunk of the arrays other than images.
    """

    def __init__(self, file: h5py.File, layout: Layout, small_rows: int) -> None:
        self.file, self.layout = file, layout
        self.digests: dict[tuple[str, str], list[bytes]] = {}
        self._used: list[np.ndarray] = []
        for split in SPLITS:
            size = layout.sizes[split]
            for name, (dtype, row_shape) in layout.arrays().items():
                rows = min(size, layout.chunk_rows if name == "images" else small_rows)
                file.create_dataset(
                    f"{split}/{name}",
                    (size, *row_shape),
                    dtype,
                    chunks=(rows, *row_shape),
                    **_DEFLATE,
                )
                self.digests[split, name] = []

    def add(self, split: str, start: int, part: Part) -> None:
        """Write the examples of a split from `start` on."""
        group = self.file[split]
        for name in self.layout.arrays():
            self.digests[split, name] += [bytes(digest) for digest in part[f"sha256-{name}"]]
            if name != "images":
                group[name][start : start + len(part[name])] = part[name]
        self._used.append(np.unique(part["source_index"]))
        images, begin, row = group["images"], 0, start
        stored = part["chunks"].data
        for length in part["chunk_bytes"].tolist():
            # The shuffle filter leaves one-byte items as they are: a plain deflate stream fits.
            images.id.write_direct_chunk((row, 0, 0, 0), bytes(stored[begin : begin + length]))
            begin, row = begin + length, row + images.chunks[0]

    def used_sources(self) -> np.ndarray:
        """Return every `source_index` that was added, int32 [G], ascending."""
        used = np.unique(np.concatenate(self._used))
        return used[used != PAD]

    def content_sha256(self) -> str:
        """Return the hash of all that was added."""
        return content_sha256(self.layout, self.digests)

    def finish(self, header: Header) -> None:
        """Write the header: without it the file is no data set."""
        self.file.attrs.update(header.attributes())


@contextmanager
def writing(layout: Layout, path: Path, small_rows: int) -> Iterator[FileWriter]:
    """Yield the writer of a file that becomes `path` when the block ends without an error.

    Raises:
        OSError: as the system says it (ENOSPC: the disk is full); `path` is as it was.
    """
    with replacing(path) as temporary, _system_errors(path), h5py.File(temporary, "w") as file:
        yield FileWriter(file, layout, small_rows)


@contextmanager
def _system_errors(path: Path) -> Iterator[None]:
    """Turn HDF5's report of a system error, a text, back into the error."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = re.search(r"errno = (\d+)", str(error))
        if number is None:
            raise
        code = int(number[1])
        raise OSError(code, os.strerror(code), str(path)) from error
