"""Ways in which a file comes to differ from what was written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

Damage = Callable[[Path, Path, np.random.Generator], None]
"""(file, the same file of another run, source of randomness): changes the file."""


def _bytes(file: Path, other: Path, rng: np.random.Generator) -> None:
    content = _content(file)
    places = rng.integers(len(content), size=rng.integers(1, 65))
    content[places] ^= rng.integers(1, 256, len(places), np.uint8)
    file.write_bytes(content.tobytes())


def _zeros(file: Path, other: Path, rng: np.random.Generator) -> None:
    content = _content(file)
    start = int(rng.integers(len(content)))
    content[start : start + len(content) // 2] = 0
    file.write_bytes(content.tobytes())


def _truncated(file: Path, other: Path, rng: np.random.Generator) -> None:
    content = _content(file)
    file.write_bytes(content[: rng.integers(len(content))].tobytes())


def _permuted(file: Path, other: Path, rng: np.random.Generator) -> None:
    content = _content(file)
    size = max(1, min(4096, len(content) // 8))
    blocks = content[: len(content) // size * size].reshape(-1, size)
    content[: blocks.size] = rng.permutation(blocks).ravel()
    file.write_bytes(content.tobytes())


def _other(file: Path, other: Path, rng: np.random.Generator) -> None:
    shutil.copyfile(other, file)


def _content(file: Path) -> np.ndarray:
    return np.frombuffer(file.read_bytes() or b"\0", np.uint8).copy()


KINDS: dict[str, Damage] = {
    "random bytes": _bytes,
    "zeros": _zeros,
    "truncated": _truncated,
    "blocks permuted": _permuted,
    "another run's": _other,
}
