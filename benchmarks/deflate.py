"""Measure compression and decompression of a dataset's images: ISA-L and zlib, one thread.

    python benchmarks/deflate.py data/mnist-multiset.h5

Prints images per CPU second and the compression ratio for the chunks of the test split.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from hsal_bench.data import deflate
from hsal_bench.data.file import open_data


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="dataset file")
    parser.add_argument("--repeats", type=int, default=5, help="rounds, alternating (median shown)")
    arguments = parser.parse_args()
    with open_data(arguments.file) as data:
        rows = data.layout.chunk_rows
        chunks = [chunk.data for _, chunk in data.runs("test", "images", rows)]
        images = data.layout.sizes["test"]
    size = chunks[0].nbytes
    seconds: dict[str, list[float]] = {}
    for _ in range(arguments.repeats):
        for name, library in (("ISA-L", deflate.isal_zlib), ("zlib", None)):
            with patch.object(deflate, "isal_zlib", library):
                streams = [deflate.compressed([chunk]) for chunk in chunks]
                packing = timed(lambda chunk: deflate.compressed([chunk]), chunks)
                seconds.setdefault(f"{name} packs", []).append(packing)
                unpacking = timed(lambda stream: deflate.decompressed(stream, size), streams)
                seconds.setdefault(f"{name} unpacks", []).append(unpacking)
    for name, measured in seconds.items():
        print(f"{name:14} {images / median(measured):10,.0f} images/s")
    for job in ("packs", "unpacks"):
        pairs = zip(seconds[f"ISA-L {job}"], seconds[f"zlib {job}"], strict=True)
        print(f"ISA-L {job} {median(theirs / ours for ours, theirs in pairs):.1f} times as fast")


def timed(work: Callable[[Any], object], pieces: Iterable[Any]) -> float:
    """Return the CPU seconds of some work on every piece."""
    started = time.process_time()
    for piece in pieces:
        work(piece)
    return time.process_time() - started


if __name__ == "__main__":
    main()
