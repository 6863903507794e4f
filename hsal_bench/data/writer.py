"""Writing a dataset file: finished jobs are saved one by one, then joined into the HDF5 file.

The saved jobs lie in a folder next to the file, so that an interrupted build can resume.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hsal_bench.data.generator import Recipe
from hsal_bench.data.manifest import check_replaceable
from hsal_bench.data.schema import SPLITS, Header, Layout, content_sha256
from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.files import HOST, read_bytes, replacing
from hsal_bench.locks import locked

if TYPE_CHECKING:
    import h5py

Part = dict[str, np.ndarray]
"""The arrays of one finished job, as `build.make_part` returns them."""

_DEFLATE = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


class Parts:
    """The folder `.NAME.h5.parts` next to the target `NAME.h5`: one file per finished job."""

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder, self.identity = folder, identity

    @classmethod
    @contextmanager
    def open(cls, recipe: Recipe, path: Path) -> Iterator[Parts]:
        """Yield the parts of `path`, locked for this process. All other files there are removed.

        Jobs of an earlier command may still write parts: their files and those of Slurm stay. A
        dataset that a crash in `publish` left here returns to `path`.

        Waits for another process that is building `path`.

        Raises:
            BusyError: there is one, within `refusing_to_wait`.
            UsageError: a link is in the place of the folder.
        """
        # Worker processes may be in other folders.
        parts = cls(path.absolute().with_name(f".{path.name}.parts"), identity(recipe))
        if parts.folder.is_symlink():
            raise UsageError(f"{parts.folder} is a link, and files there are removed: remove it")
        with locked(parts.folder, f"building {path}"):
            if os.path.lexists(parts._replaced) and not os.path.lexists(path):
                parts._replaced.rename(path)
            parts._clear()
            yield parts

    def intact(self) -> set[str]:
        """Return the names of the complete parts; damaged ones and those of others are removed."""
        names = set()
        for file in self.folder.glob("*.npz"):
            if self.has(file.stem):
                names.add(file.stem)
            else:
                _remove(file)
        return names

    def has(self, name: str) -> bool:
        """Return whether a part is complete."""
        return _is_intact(self.folder / f"{name}.npz", self._label(name))

    def save(self, name: str, part: Part) -> None:
        """Write a part, from any process; under its name it is complete.

        A crash of the machine may damage it: `has` checks the content.
        """
        buffer = io.BytesIO()
        np.savez(buffer, label=self._label(name), **part)  # type: ignore[arg-type]
        temporary = self.folder / f"{name}.{os.getpid()}@{HOST}.tmp"
        temporary.write_bytes(buffer.getbuffer())
        temporary.replace(self.folder / f"{name}.npz")

    def load(self, name: str) -> Part:
        """Return a part.

        Raises:
            HsalBenchError: a job of an earlier command, with another recipe, has replaced it.
        """
        with np.load(self.folder / f"{name}.npz") as stored:
            part = dict(stored)
        if not np.array_equal(part.pop("label"), self._label(name)):
            raise HsalBenchError(
                f"{self.folder}: jobs of an earlier command write there too: cancel them, then run "
                "the same command again"
            )
        return part

    def expected(self) -> bool:
        """Return whether these parts are of the dataset that is being built in the folder."""
        try:
            return read_bytes(self.folder / "build.json") == self.identity.encode()
        except OSError:
            return False

    @property
    def joined(self) -> Path:
        """Where the parts become the dataset."""
        return self.folder / "joined.h5"

    @property
    def _replaced(self) -> Path:
        """Where the old dataset is while a new one takes its place."""
        return self.folder / "replaced.h5"

    def publish(self, path: Path) -> None:
        """Move the joined dataset to `path`; a dataset there is replaced.

        A folder takes two steps. After a crash between them, the next `open` undoes the first.

        Raises:
            UsageError: `path` is a folder with other files, which came during the build.
        """
        check_replaceable(path)
        if os.path.lexists(path) and (path.is_dir() or self.joined.is_dir()):
            path.rename(self._replaced)
        self.joined.replace(path)

    def remove(self) -> None:
        """Remove the folder with all parts, the lock last: a waiting process may recreate it.

        Files that cannot be removed stay: jobs that have just ended may still write their logs.
        """
        for file in self.folder.iterdir():
            if file.name != "lock":
                with suppress(OSError):
                    _remove(file)
        with suppress(OSError):
            (self.folder / "lock").unlink(missing_ok=True)
            self.folder.rmdir()

    def _label(self, name: str) -> np.ndarray:
        """Return the bytes in a part that say which recipe's it is, and which."""
        return np.frombuffer(hashlib.sha256(f"{self.identity}\n{name}".encode()).digest(), np.uint8)

    def _clear(self) -> None:
        stored, known = self.folder / "build.json", self.expected()
        kept = ["lock", "lock.txt", *(["build.json", "slurm"] if known else [])]
        for file in self.folder.iterdir():
            if file.name not in kept and not (known and file.suffix in (".npz", ".tmp")):
                _remove(file)
        if not known:
            temporary = stored.with_suffix(".tmp")
            temporary.write_text(self.identity, encoding="utf-8")
            temporary.replace(stored)


class FileWriter:
    """Fills an HDF5 file part by part; the parts of a split come in order.

    `small_rows` is the number of rows per chunk of the arrays other than images. used: each
    `source_index` added so far.
    """

    def __init__(self, file: h5py.File, layout: Layout, small_rows: int) -> None:
        self.file, self.layout = file, layout
        self.digests: dict[tuple[str, str], list[bytes]] = {}
        self._rows = dict.fromkeys(SPLITS, 0)
        self.used: set[int] = set()
        for split in SPLITS:
            size = layout.sizes[split]
            for name, (dtype, row_shape) in layout.arrays().items():
                rows = min(size, layout.chunk_rows if name == "images" else small_rows)
                # HDF5 has no chunks of an empty array.
                packed = {"chunks": (rows, *row_shape), **_DEFLATE} if rows else {}
                file.create_dataset(f"{split}/{name}", (size, *row_shape), dtype, **packed)
                self.digests[split, name] = []

    def add(self, split: str, part: Part) -> None:
        """Write the next examples of a split."""
        group, start = self.file[split], self._rows[split]
        self._rows[split] += len(part["labels"])
        for name in self.layout.arrays():
            self.digests[split, name] += [bytes(digest) for digest in part[f"sha256-{name}"]]
            if name != "images":
                group[name][start : start + len(part[name])] = part[name]
        self.used.update(part["source_index"].ravel().tolist())
        images, begin, row = group["images"], 0, start
        stored = part["chunks"].data
        for length in part["chunk_bytes"].tolist():
            # The shuffle filter leaves one-byte items as they are: a plain deflate stream fits.
            images.id.write_direct_chunk((row, 0, 0, 0), bytes(stored[begin : begin + length]))
            begin, row = begin + length, row + images.chunks[0]

    def content_sha256(self) -> str:
        """Return the hash of the examples added so far."""
        return content_sha256(self.layout, self.digests)

    def finish(self, header: Header) -> None:
        """Write the header; a file without it is not a dataset."""
        self.file.attrs.update(header.attributes())


@contextmanager
def file_writer(layout: Layout, path: Path, small_rows: int) -> Iterator[FileWriter]:
    """Yield a writer of a temporary file, which replaces `path` at the end of the block.

    Raises:
        OSError: the system's own error (ENOSPC: the disk is full); `path` is unchanged.
    """
    # Imported here: worker processes import this module and do not need HDF5.
    import h5py

    with (
        replacing(path) as temporary,
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


def identity(recipe: Recipe) -> str:
    """Return everything that determines the parts, except their position, as JSON."""
    header, layout = recipe.header.attributes(), recipe.layout
    arrays = {name: f"{dtype.str} {shape}" for name, (dtype, shape) in layout.arrays().items()}
    return json.dumps(
        {"header": header, "arrays": arrays, "sizes": dict(layout.sizes)}, sort_keys=True
    )


def _is_intact(file: Path, label: np.ndarray) -> bool:
    try:
        # A pipe in its place would block. zipfile raises many kinds of errors on damaged files.
        content = io.BytesIO(read_bytes(file))
        with zipfile.ZipFile(content) as archive:
            complete = archive.testzip() is None
        content.seek(0)
        with np.load(content) as part:
            return complete and np.array_equal(part["label"], label)
    except Exception:
        return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
