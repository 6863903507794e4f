"""Reading IDX files, the format of MNIST (yann.lecun.com/exdb/mnist)."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from pathlib import Path

import numpy as np

from hsal_bench.errors import SourceUnavailable, UsageError, near_path

from .sources import GLYPH_SIZE

_IMAGES, _LABELS = 2051, 2049
_NUMBERS = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4"}
"""The types of whole numbers in IDX files, by the third byte of the file."""
_MOST_BYTES = 1 << 32
_MOST_HEADER = 16
_GZIP = b"\x1f\x8b"
REMEDY = "give IDX files that exist"
_MOST_LABEL = 126
"""Labels are kept in int8, and the stop class is one more."""


def read_file(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        SourceUnavailable: it does not exist.
        UsageError: it cannot be read.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UsageError(f"{path} is a pipe or a device: name a regular file")
        if path.exists() and path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path} has more than {_MOST_BYTES >> 30} GiB: name an IDX file")
        return path.read_bytes()
    except FileNotFoundError:
        raise SourceUnavailable(f"no file {path}: {near_path(path) or REMEDY}") from None
    except OSError as error:
        raise UsageError(f"cannot read {path} ({error.strerror}): name a file") from error


def unpacked(origin: Path | str, stored: bytes, remedy: str = "use a complete file") -> bytes:
    """Return the content of an IDX file that came from `origin`, packed by gzip or plain.

    At most one byte more than its header declares is unpacked.

    Raises:
        UsageError: it is damaged, or named .gz but not a gzip file; `remedy` ends the message.
    """
    if not stored.startswith(_GZIP) and not str(origin).endswith(".gz"):
        return stored
    try:
        with gzip.open(io.BytesIO(stored)) as file:
            head = file.read(_MOST_HEADER)
            return head + file.read(max(0, _declared(head, origin) + 1 - len(head)))
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"cannot unpack {origin} ({error}): {remedy}") from error


def _declared(head: bytes, origin: Path | str) -> int:
    """Return the bytes that an IDX file has by its header; 0 if it is not IDX."""
    number = head[3] if len(head) == _MOST_HEADER and head[2] in _NUMBERS else 0
    if not 1 <= number <= 3:
        return 0
    sizes = np.frombuffer(head, ">u4", count=number, offset=4).tolist()
    size = 4 + 4 * number + math.prod(sizes) * np.dtype(_NUMBERS[head[2]]).itemsize
    if size > _MOST_BYTES:
        raise UsageError(
            f"{origin} declares {size:,} bytes, more than {_MOST_BYTES >> 30} GiB: use an IDX file "
            "of glyphs"
        )
    return size


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
    return _items(content, path, 16, count * height * width, "u1").reshape(count, height, width)


def parse_labels(content: bytes, path: Path) -> np.ndarray:
    """Return the labels of an IDX label file, uint8 [N].

    The file has one number per image, or a row of which the first number is the label (QMNIST).

    Raises:
        UsageError: not an IDX label file, truncated, or a label is not one of 0 to 126.
    """
    kind, number = (content[2], content[3]) if len(content) > 3 else (0, 0)
    if content[:2] != b"\0\0" or kind not in _NUMBERS or number not in (1, 2):
        kind, number = 0x08, 1
    shape = _dimensions(content, path, 256 * kind + number, number)
    values = _items(content, path, 4 + 4 * number, math.prod(shape), _NUMBERS[kind])
    labels = values.reshape(shape[0], -1)[:, 0] if len(values) else values
    for wrong in labels[(labels < 0) | (labels > _MOST_LABEL)][:1].tolist():
        raise UsageError(f"{path} has label {wrong}: use labels from 0 to {_MOST_LABEL}")
    return labels.astype("u1")


def _dimensions(content: bytes, path: Path, magic: int, number: int) -> list[int]:
    if int.from_bytes(content[:4], "big") != magic or len(content) < 4 * (number + 1):
        kind = "an image" if magic == _IMAGES else "a label"
        raise UsageError(
            f"{path} is not {kind} file in IDX format: it starts with "
            f"{content[:4].hex() or 'nothing'}, not {magic:08x}: name the right file"
        )
    return np.frombuffer(content, ">u4", count=number, offset=4).tolist()


def _items(content: bytes, path: Path, offset: int, expected: int, kind: str) -> np.ndarray:
    size, wanted = len(content) - offset, expected * np.dtype(kind).itemsize
    if size != wanted:
        fault = "is truncated" if size < wanted else "is too long"
        raise UsageError(
            f"{path} {fault}: {size} bytes of data, its header says {wanted}: use a complete file"
        )
    return np.frombuffer(content, kind, offset=offset)
