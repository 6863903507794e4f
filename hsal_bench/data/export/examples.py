"""The examples of a split as plain values with an encoded image, as the formats store them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from hsal_bench.data.file import DataFile
from hsal_bench.data.schema import PAD

ROWS = 1_000
"""Examples in memory at once."""
SPLIT_NAMES = {"train": "train", "valid": "validation", "test": "test"}
"""The names of the splits in other tools."""


class Example(NamedTuple):
    """An example: its row in the split, the image as PNG, and its objects without padding."""

    id: int
    png: bytes
    labels: list[int]
    counts: list[int]
    boxes: list[list[int]]


def blocks(data: DataFile, split: str) -> Iterator[list[Example]]:
    """Yield the examples of a split in blocks of `ROWS`, in the file's order."""
    labels, counts, boxes = (data.read(split, name) for name in ("labels", "counts", "boxes"))
    with ThreadPoolExecutor() as pool:  # zlib releases the interpreter lock
        for start, images in data.runs(split, "images", ROWS):
            rows = range(start, start + len(images))
            objects = [labels[row] != PAD for row in rows]
            yield [
                Example(
                    row,
                    png,
                    labels[row][real].tolist(),
                    counts[row].tolist(),
                    boxes[row][real].tolist(),
                )
                for row, png, real in zip(rows, pool.map(encoded, images), objects, strict=True)
            ]


def encoded(image: np.ndarray) -> bytes:
    """Return an image, uint8 [C, H, W] with 1 or 3 channels, as PNG."""
    from PIL import Image

    pixels = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png", compress_level=1)
    return buffer.getvalue()
