"""Measure reading a dataset: a complete split into an array, and random batches.

    python benchmarks/load.py data/mnist-multiset.h5

Prints the seconds and images/s of reading every image with this project's reader and with plain
h5py. For random batches it prints the number of chunks that were read and the number of chunks that
contain the batch's images: they are equal if each chunk is read once.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import h5py
import numpy as np

from hsal_bench.data.file import open_data
from hsal_bench.data.schema import SPLITS


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="dataset file")
    parser.add_argument("--repeats", type=int, default=5, help="runs, alternating (median shown)")
    parser.add_argument("--batch-size", type=int, default=128, help="images per random batch")
    arguments = parser.parse_args()
    whole(arguments.file, arguments.repeats)
    batches(arguments.file, arguments.batch_size)


def whole(path: Path, repeats: int) -> None:
    """Time reading all images, alternating with h5py's own reading."""
    ours, plain, images = [], [], 0
    for _ in range(repeats):
        started = time.perf_counter()
        with open_data(path) as data:
            images = sum(len(data.read(split, "images")) for split in SPLITS)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        with h5py.File(path) as file:
            for split in SPLITS:
                file[split]["images"][...]
        plain.append(time.perf_counter() - started)
    ratio = median(p / o for o, p in zip(ours, plain, strict=True))
    print(f"all {images} images: {median(ours):.2f} s ({images / median(ours):,.0f} images/s)")
    print(f"plain h5py: {median(plain):.2f} s; {ratio:.1f} times as long")


def batches(path: Path, size: int) -> None:
    """Time random batches of the training split, then count the chunks they read and touch."""
    generator = np.random.default_rng(0)
    with open_data(path) as data:
        length, rows = data.layout.sizes["train"], data.layout.chunk_rows
        indices = [generator.integers(length, size=size) for _ in range(20)]
        started = time.perf_counter()
        for chosen in indices:
            data.rows("train", "images", chosen)
        seconds = (time.perf_counter() - started) / len(indices)
        with counted_chunks() as read:
            for chosen in indices:
                data.rows("train", "images", chosen)
    touched = sum(len(np.unique(chosen // rows)) for chosen in indices)
    print(f"a random batch of {size}: {1e3 * seconds:.0f} ms")
    print(
        f"{sum(read) / len(indices):.1f} chunks of {rows} images read, "
        f"{touched / len(indices):.1f} touched"
    )


@contextmanager
def counted_chunks() -> Iterator[list[int]]:
    """Yield a list that grows by the number of chunks of every `dataset[start:stop]`."""
    read: list[int] = []
    getitem = h5py.Dataset.__getitem__

    def counting(dataset: h5py.Dataset, key: slice) -> np.ndarray:
        start, stop, _ = key.indices(len(dataset))
        read.append(-(-stop // dataset.chunks[0]) - start // dataset.chunks[0])
        return getitem(dataset, key)

    h5py.Dataset.__getitem__ = counting
    try:
        yield read
    finally:
        h5py.Dataset.__getitem__ = getitem


if __name__ == "__main__":
    main()
