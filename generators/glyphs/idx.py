"""Reading IDX files, the format of MNIST (yann.lecun.com/exdb/mnist)."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

from hsal_bench.errors import SourceUnavailable, UsageError

from .sources import GLYPH_SIZE

_IMAGES, _LABELS = 2051, 2049


def read_file(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        SourceUnavailable: it does not exist.
        UsageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise SourceUnavailable(f"no file {path}: name existing files") from error
    except OSError as error:
        raise UsageError(f"cannot read {path} ({error.strerror}): name a file") from error


def gunzip(origin: Path | str, packed: bytes, remedy: str = "use a complete file") -> bytes:
    """Return the content of a gzip file that came from `origin`.

    Raises:
        UsageError: it is damaged or not a gzip file; `remedy` ends the message.
    """
    try:
        return gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"cannot unpack {origin} ({error}): {remedy}") from error


def parse_images(content: bytes, path: Path) -> np.ndarray:
    """Return the glyphs of an IDX image file, uint8 [N, 28, 28] (a view of `content`).

    Raises:
        UsageError: not an IDX image file, truncated, or its images are not 28x28.
    """
    count, height, width = _dimensions(content, path, _IMAGES, 3)
    if (height, width) != (GLYPH_SIZE, GLYPH_SIZE):
        raise UsageError(
            f"{path} has {height}x{width} images: use images of {GLYPH_SIZE}x{GLYPH_SIZE}"
        )
    return _items(content, path, 16, count * height * width).reshape(count, height, width)


def parse_labels(content: bytes, path: Path) -> np.ndarray:
    """Return the labels of an IDX label file, uint8 [N] (a view of `content`).

    Raises:
        UsageError: not an IDX label file, or truncated.
    """
    (count,) = _dimensions(content, path, _LABELS, 1)
    return _items(content, path, 8, count)


def _dimensions(content: bytes, path: Path, magic: int, number: int) -> list[int]:
    if int.from_bytes(content[:4], "big") != magic or len(content) < 4 * (number + 1):
        kind = "an image" if magic == _IMAGES else "a label"
        raise UsageError(
            f"{path} is not {kind} file in IDX format: it starts with "
            f"{content[:4].hex() or 'nothing'}, not {magic:08x}: name the right file"
        )
    return np.frombuffer(content, ">u4", count=number, offset=4).tolist()


def _items(content: bytes, path: Path, offset: int, expected: int) -> np.ndarray:
    items = np.frombuffer(content, "u1", offset=offset)
    if len(items) != expected:
        fault = "is truncated" if len(items) < expected else "is too long"
        raise UsageError(
            f"{path} {fault}: {len(items)} bytes of data, its header says {expected}: "
            "use a complete file"
        )
    return items
