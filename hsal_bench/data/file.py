"""Reading a dataset: a file, or a folder of shards."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import h5py
import numpy as np

from hsal_bench.data.deflate import decompressed
from hsal_bench.data.manifest import MANIFEST, is_shard, read_manifest, shard_path
from hsal_bench.data.names import rebuild_remedy
from hsal_bench.data.opening import open_hdf5, read_header, read_layout
from hsal_bench.data.schema import SPLITS, Examples, Header, Layout
from hsal_bench.errors import UsageError

_BLOCK_BYTES = 2**20
"""Read at once from an array without chunks."""


class DataFile:
    """An open dataset file: its header, layout and arrays.

    >>> with open_data(Path("data/mnist-multiset.h5")) as data:
    ...     counts = data.read("test", "counts")
    """

    shards: Sequence[DataFile] = ()

    def __init__(self, file: h5py.File, header: Header, layout: Layout) -> None:
        self.file, self.header, self.layout = file, header, layout

    @property
    def path(self) -> Path:
        """The path of the file."""
        return Path(self.file.filename)

    @property
    def files(self) -> list[Path]:
        """The path of the file, or of all shards."""
        return [data.path for data in self.shards or [self]]

    @property
    def stored_bytes(self) -> int:
        """The size of the file, or of all shards."""
        return sum(path.stat().st_size for path in self.files)

    def read(self, split: str, name: str) -> np.ndarray:
        """Return a complete array of a split, as in `Layout.arrays`.

        Raises:
            UsageError: the array cannot be decoded; so do `rows`, `runs` and `examples`.
        """
        return self._slice(split, name, 0, self.layout.sizes[split])

    def runs(self, split: str, name: str, rows: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (number of the first row, array) for each run of `rows` rows of an array."""
        size = self.layout.sizes[split]
        for start in range(0, size, rows):
            yield start, self._slice(split, name, start, min(start + rows, size))

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

    def _slice(self, split: str, name: str, start: int, stop: int) -> np.ndarray:
        dataset = self.file[split][name]
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


class ShardedData(DataFile):
    """An open dataset in shards; its arrays are those of the shards, one after the other."""

    def __init__(self, folder: Path, header: Header, shards: Sequence[DataFile]) -> None:
        sizes = {split: sum(shard.layout.sizes[split] for shard in shards) for split in SPLITS}
        # The last shard has the hashes of all glyphs.
        last = shards[-1]
        super().__init__(last.file, header, dataclasses.replace(last.layout, sizes=sizes))
        self.folder, self.shards = folder, shards

    @property
    def path(self) -> Path:
        """The path of the folder."""
        return self.folder

    def rows(self, split: str, name: str, indices: np.ndarray) -> np.ndarray:
        """Return the rows `indices`. Raises IndexError: the split has no such row."""
        indices = np.asarray(indices)
        if ((indices < 0) | (indices >= self.layout.sizes[split])).any():
            raise IndexError(f"{self.path} has {self.layout.sizes[split]:,} rows in {split}")
        result = self._empty(name, len(indices))
        for first, stop, shard in self._spans(split):
            here = np.flatnonzero((indices >= first) & (indices < stop))
            result[here] = shard.rows(split, name, indices[here] - first)
        return result

    def _slice(self, split: str, name: str, start: int, stop: int) -> np.ndarray:
        result = self._empty(name, stop - start)
        for first, end, shard in self._spans(split):
            low, high = max(start, first), min(stop, end)
            if low < high:
                rows = shard._slice(split, name, low - first, high - first)
                result[low - start : high - start] = rows
        return result

    def _empty(self, name: str, rows: int) -> np.ndarray:
        dtype, row_shape = self.layout.arrays()[name]
        return np.empty((rows, *row_shape), dtype)

    def _spans(self, split: str) -> Iterator[tuple[int, int, DataFile]]:
        """Yield the first row of each shard in a split, the row after its last, and the shard."""
        first = 0
        for shard in self.shards:
            stop = first + shard.layout.sizes[split]
            yield first, stop, shard
            first = stop


@contextmanager
def open_data(path: Path) -> Iterator[DataFile]:
    """Open the dataset `path` and check all that does not need the arrays' content.

    path: a dataset file, or a folder of shards.

    `hsal_bench.data.content.open_intact` also checks the content against its hash.

    Raises:
        UsageError: missing, not readable, not HDF5, truncated, a different schema version, not a
            dataset, one shard alone, or a split is empty; the message names a damaged shard.
    """
    if path.is_dir():
        with ExitStack() as stack:
            yield _complete(_open_shards(path, stack), path)
        return
    with _open_file(path) as data:
        if is_shard(data.file):
            raise UsageError(f"{path} is one shard of a dataset: name the folder of all shards")
        yield _complete(data, path)


def _complete(data: DataFile, path: Path) -> DataFile:
    """Return the data. Raises UsageError: a split is empty, which only a shard's may be."""
    for split, size in data.layout.sizes.items():
        if not size:
            raise UsageError(f"{path} has no image in {split}: {rebuild_remedy(path)}")
    return data


@contextmanager
def _open_file(path: Path) -> Iterator[DataFile]:
    with open_hdf5(path) as file:
        header = read_header(file, path)
        yield DataFile(file, header, read_layout(file, header, path))


def _open_shards(folder: Path, stack: ExitStack) -> ShardedData:
    try:
        header, hashes = read_manifest(folder)
    except FileNotFoundError as error:
        raise UsageError(
            f"{folder} is a folder without {MANIFEST}: name a dataset file, or a folder of shards"
        ) from error
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{folder / MANIFEST} is damaged ({error}): {rebuild_remedy(folder)}"
        ) from error
    shards: list[DataFile] = []
    for number, stated in enumerate(hashes):
        path = shard_path(folder, number)
        if not path.exists():
            raise UsageError(f"{path} is missing: {rebuild_remedy(folder, header.config)}")
        shard = stack.enter_context(_open_file(path))
        shards.append(shard)
        alike = dataclasses.replace(shard.layout, sizes=shards[0].layout.sizes) == shards[0].layout
        if shard.header != dataclasses.replace(header, content_sha256=stated) or not alike:
            raise UsageError(
                f"{path} is not the shard that {MANIFEST} describes: "
                f"{rebuild_remedy(folder, header.config)}"
            )
    return ShardedData(folder, header, shards)


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
