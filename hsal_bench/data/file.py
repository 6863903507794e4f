"""Reading a dataset file."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from hsal_bench.data.deflate import decompressed
from hsal_bench.data.schema import SCHEMA_VERSION, SPLITS, Examples, Header, Layout
from hsal_bench.errors import UsageError

_REMEDY = "generate it again with `hsal-bench generate`"


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
        chunk_rows = dataset.chunks[0] if dataset.chunks else len(dataset)
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
                f"{self.path}: {dataset.name[1:]} cannot be decoded ({error}): {_REMEDY}"
            ) from error


@contextmanager
def open_data(path: Path) -> Iterator[DataFile]:
    """Open the dataset file `path` and check all that does not need the arrays' content.

    Raises:
        UsageError: missing, not HDF5, truncated, a different schema version, or not a dataset.
    """
    if not path.exists():
        raise UsageError(f"no dataset file {path}: build it with `hsal-bench generate`")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        detail = "is truncated" if "truncated" in str(error) else "cannot be read as HDF5"
        raise UsageError(f"{path} {detail}: {_REMEDY}") from error
    with file:
        header = _read_header(file, path)
        yield DataFile(file, header, _read_layout(file, header, path))


def _read_header(file: h5py.File, path: Path) -> Header:
    version = file.attrs.get("schema_version")
    if version is None:
        raise UsageError(f"{path} is HDF5 but not an hsal-bench dataset: {_REMEDY}")
    if version != SCHEMA_VERSION:
        raise UsageError(
            f"{path} has schema version {version}, this hsal-bench reads {SCHEMA_VERSION}: "
            f"{_REMEDY}"
        )
    try:
        return Header.from_attributes(dict(file.attrs))
    except (KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(f"{path} has a damaged header ({error}): {_REMEDY}") from error


def _read_layout(file: h5py.File, header: Header, path: Path) -> Layout:
    try:
        images, labels = file["train/images"], file["train/labels"]
        sizes = {split: len(file[split]["labels"]) for split in SPLITS}
        layout = Layout(images.shape[1:], labels.shape[1], header.num_classes, sizes)
        for split in SPLITS:
            for name, (dtype, row_shape) in layout.arrays().items():
                array = file[split][name]
                expected = (sizes[split], *row_shape)
                if array.dtype != dtype or array.shape != expected:
                    raise UsageError(
                        f"{path}: {split}/{name} is {array.dtype} {array.shape}, "
                        f"expected {dtype} {expected}: {_REMEDY}"
                    )
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise UsageError(f"{path} lacks an array ({error}): {_REMEDY}") from error
    return layout


def _is_plain_deflate(dataset: h5py.Dataset) -> bool:
    # HDF5's shuffle filter leaves one-byte elements as they are.
    return dataset.dtype.itemsize == 1 and dataset.compression == "gzip" and not dataset.fletcher32


def _inflate(dataset: h5py.Dataset, first: int, stop: int) -> np.ndarray:
    """Return the rows first..stop-1 of a compressed array; `first` is the start of a chunk.

    Threads decompress the chunks (zlib releases the interpreter lock).
    """
    result = np.empty((stop - first, *dataset.shape[1:]), dataset.dtype)
    rows = dataset.chunks[0]

    def inflate(start: int, stored: bytes) -> None:
        chunk = np.frombuffer(decompressed(stored), dataset.dtype)
        chunk = chunk.reshape(rows, *dataset.shape[1:])
        result[start : start + rows] = chunk[: len(result) - start]

    # h5py reads the stored bytes under its own lock, so they are read here, not in a thread.
    with ThreadPoolExecutor() as pool:
        jobs = []
        for start in range(0, len(result), rows):
            offset = (first + start,) + (0,) * (dataset.ndim - 1)
            _, stored = dataset.id.read_direct_chunk(offset)
            jobs.append(pool.submit(inflate, start, stored))
        for job in jobs:
            job.result()
    return result
