"""Reading a dataset file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from hsal_bench.data.deflate import decompressed
from hsal_bench.data.names import rebuild_remedy
from hsal_bench.data.opening import open_hdf5, read_header, read_layout
from hsal_bench.data.schema import Examples, Header, Layout
from hsal_bench.errors import UsageError

_BLOCK_BYTES = 2**20
"""Read at once from an array without chunks."""


class DataFile:
    """An open dataset file: its header, layout and arrays.

    >>> with open_data(Path("data/mnist-multiset.h5")) as data:
    ...     counts = data.read("test", "counts")
    """

    def __init__(self, file: h5py.File, header: Header, layout: Layout) -> None:
        self.file, self.header, self.layout = file, header, layout

    @property
    def path(self) -> Path:
        """The path of the file."""
        return Path(self.file.filename)

    def read(self, split: str, name: str) -> np.ndarray:
        """Return a complete array of a split, as in `Layout.arrays`.

        Raises:
            UsageError: the array cannot be decoded; so do `rows`, `runs` and `examples`.
        """
        dataset = self.file[split][name]
        return self._slice(dataset, 0, len(dataset))

    def runs(self, split: str, name: str, rows: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (number of the first row, array) for each run of `rows` rows of an array."""
        dataset = self.file[split][name]
        for start in range(0, len(dataset), rows):
            yield start, self._slice(dataset, start, min(start + rows, len(dataset)))

    def rows(self, split: str, name: str, indices: np.ndarray) -> np.ndarray:
        """Return the rows `indices` (any order, repeats allowed), reading each chunk once."""
        dataset = self.file[split][name]
        indices = np.asarray(indices)
        result = np.empty((len(indices), *dataset.shape[1:]), dataset.dtype)
        row_bytes = dataset.dtype.itemsize * math.prod(dataset.shape[1:])
        chunk_rows = dataset.chunks[0] if dataset.chunks else 1 + _BLOCK_BYTES // max(1, row_bytes)
        chunk = indices // chunk_rows
        for number in np.unique(chunk):
            here = np.flatnonzero(chunk == number)
            start = int(number) * chunk_rows
            with self._decoding(dataset):
                result[here] = dataset[start : start + chunk_rows][indices[here] - start]
        return result

    def examples(self, split: str, indices: np.ndarray) -> Examples:
        """Return the rows `indices` of every array of a split."""
        return {name: self.rows(split, name, indices) for name in self.layout.arrays()}

    def _slice(self, dataset: h5py.Dataset, start: int, stop: int) -> np.ndarray:
        with self._decoding(dataset):
            if _is_plain_deflate(dataset) and start % dataset.chunks[0] == 0:
                return _inflate(dataset, start, stop)
            return dataset[start:stop]

    @contextmanager
    def _decoding(self, dataset: h5py.Dataset) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError, ValueError) as error:
            raise UsageError(
                f"{self.path}: {dataset.name[1:]} cannot be decoded ({error}): "
                f"{rebuild_remedy(self.path, self.header.config)}"
            ) from error


@contextmanager
def open_data(path: Path) -> Iterator[DataFile]:
    """Open the dataset file `path` and check all that does not need the arrays' content.

    `hsal_bench.data.content.open_intact` also checks the content against its hash.

    Raises:
        UsageError: missing, not readable, not HDF5, truncated, a different schema version, or not
            a dataset.
    """
    with open_hdf5(path) as file:
        header = read_header(file, path)
        yield DataFile(file, header, read_layout(file, header, path))


def _is_plain_deflate(dataset: h5py.Dataset) -> bool:
    """Whether each chunk is one zlib stream of complete rows."""
    if dataset.dtype.itemsize != 1 or not dataset.chunks or dataset.chunks[1:] != dataset.shape[1:]:
        return False
    stored = dataset.id.get_create_plist()
    filters = [stored.get_filter(number)[0] for number in range(stored.get_nfilters())]
    # HDF5's shuffle filter leaves one-byte elements as they are.
    return filters in (
        [h5py.h5z.FILTER_DEFLATE],
        [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE],
    )


def _inflate(dataset: h5py.Dataset, first: int, stop: int) -> np.ndarray:
    """Return the rows first..stop-1 of a compressed array; `first` is the start of a chunk.

    Threads decompress the chunks (zlib releases the interpreter lock).
    """
    result = np.empty((stop - first, *dataset.shape[1:]), dataset.dtype)
    rows = dataset.chunks[0]
    shape = (rows, *dataset.shape[1:])
    size = math.prod(shape)

    def inflate(start: int, stored: bytes) -> None:
        chunk = np.frombuffer(decompressed(stored, size), dataset.dtype).reshape(shape)
        result[start : start + rows] = chunk[: len(result) - start]

    # h5py reads the stored bytes under its own lock, so they are read here, not in a thread.
    with ThreadPoolExecutor() as pool:
        jobs = []
        for start in range(0, len(result), rows):
            at = first + start
            corner = (at,) + (0,) * (dataset.ndim - 1)
            chunk = dataset.id.get_chunk_info_by_coord(corner)
            # HDF5 itself reads a chunk that is absent, or that a writer stored unfiltered.
            if chunk.byte_offset is None or chunk.filter_mask:
                result[start : start + rows] = dataset[at : min(at + rows, stop)]
                continue
            _, stored = dataset.id.read_direct_chunk(corner)
            jobs.append(pool.submit(inflate, start, stored))
        for job in jobs:
            job.result()
    return result
