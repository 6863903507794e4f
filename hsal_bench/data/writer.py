"""Writing a dataset file: finished jobs are saved one by one, then joined into the HDF5 file.

The saved jobs lie in a folder next to the file, so that an interrupted build can resume.
"""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hsal_bench.data.generator import Recipe
from hsal_bench.data.schema import PAD, SPLITS, Header, Layout, content_sha256
from hsal_bench.files import read_bytes, replacing
from hsal_bench.locks import locked

if TYPE_CHECKING:
    import h5py

Part = dict[str, np.ndarray]
"""The arrays of one finished job, as `build.make_part` returns them."""

_DEFLATE = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


class Parts:
    """The folder `.NAME.h5.parts` next to the target `NAME.h5`: one file per finished job."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    @contextmanager
    def open(cls, recipe: Recipe, path: Path) -> Iterator[Parts]:
        """Yield the parts of `path`, locked for this process; parts of another recipe are removed.

        Waits for another process that is building `path`.

        Raises:
            BusyError: there is one, within `refusing_to_wait`.
        """
        parts = cls(path.with_name(f".{path.name}.parts"))
        with locked(parts.folder, f"building {path}"):
            parts._keep_only(_identity(recipe))
            yield parts

    def intact(self) -> set[str]:
        """Return the names of the complete parts; damaged ones are removed."""
        names = set()
        for file in self.folder.glob("*.npz"):
            if _is_intact(file):
                names.add(file.stem)
            else:
                file.unlink()
        return names

    def save(self, name: str, part: Part) -> None:
        """Write a part. It is complete once it has its name, unless the machine crashes."""
        buffer = io.BytesIO()
        np.savez(buffer, **part)  # type: ignore[arg-type]
        temporary = self.folder / f"{name}.tmp"
        temporary.write_bytes(buffer.getbuffer())
        temporary.replace(self.folder / f"{name}.npz")

    def load(self, name: str) -> Part:
        """Return a part."""
        with np.load(self.folder / f"{name}.npz") as stored:
            return dict(stored)

    def remove(self) -> None:
        """Remove the folder with all parts, the lock last: a waiting process may recreate it."""
        for file in self.folder.iterdir():
            if file.name != "lock":
                file.unlink(missing_ok=True)
        with suppress(OSError):
            (self.folder / "lock").unlink(missing_ok=True)
            self.folder.rmdir()

    def _keep_only(self, identity: str) -> None:
        stored = self.folder / "build.json"
        try:
            known = read_bytes(stored) == identity.encode()
        except OSError:
            known = False
        if not known:
            for file in self.folder.glob("*.npz"):
                file.unlink()
            temporary = stored.with_suffix(".tmp")
            temporary.write_text(identity, encoding="utf-8")
            temporary.replace(stored)


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
        """Return each `source_index` added so far, int32 [G], ascending."""
        used = np.unique(np.concatenate(self._used))
        return used[used != PAD]

    def content_sha256(self) -> str:
        """Return the hash of the examples added so far."""
        return content_sha256(self.layout, self.digests)

    def finish(self, header: Header) -> None:
        """Write the header; a file without it is not a dataset."""
        self.file.attrs.update(header.attributes())


@contextmanager
def file_writer(
    layout: Layout, path: Path, small_rows: int, temporary: Path
) -> Iterator[FileWriter]:
    """Yield a writer of the file `temporary`; it replaces `path` at the end of the block.

    Raises:
        OSError: the system's own error (ENOSPC: the disk is full); `path` is unchanged.
    """
    # Imported here: worker processes import this module and do not need HDF5.
    import h5py

    with (
        replacing(path, temporary),
        _system_errors(path),
        h5py.File(temporary, "w") as file,
    ):
        yield FileWriter(file, layout, small_rows)


@contextmanager
def _system_errors(path: Path) -> Iterator[None]:
    """Turn a system error that HDF5 reports as text back into an OSError with its number."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = re.search(r"errno = (\d+)", str(error))
        if number is None:
            raise
        code = int(number[1])
        raise OSError(code, os.strerror(code), str(path)) from error


def _identity(recipe: Recipe) -> str:
    """Return everything that determines the parts, except their position, as JSON."""
    header, layout = recipe.header.attributes(), recipe.layout
    arrays = {name: f"{dtype.str} {shape}" for name, (dtype, shape) in layout.arrays().items()}
    return json.dumps(
        {"header": header, "arrays": arrays, "sizes": dict(layout.sizes)}, sort_keys=True
    )


def _is_intact(file: Path) -> bool:
    try:
        # A pipe in its place would block. zipfile raises many kinds of errors on damaged files.
        with zipfile.ZipFile(io.BytesIO(read_bytes(file))) as archive:
            return archive.testzip() is None
    except Exception:
        return False
