"""Ways in which a file comes to differ from what was written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Damage = Callable[[Path, np.random.Generator], None]


def _bytes(file: Path, rng: np.random.Generator) -> None:
    content = _content(file)
    places = rng.integers(len(content), size=rng.integers(1, 65))
    content[places] ^= rng.integers(1, 256, len(places), np.uint8)
    file.write_bytes(content.tobytes())


def _zeros(file: Path, rng: np.random.Generator) -> None:
    content = _content(file)
    start = int(rng.integers(len(content)))
    content[start : start + len(content) // 2] = 0
    file.write_bytes(content.tobytes())


def _truncated(file: Path, rng: np.random.Generator) -> None:
    content = _content(file)
    size = 0 if rng.random() < 0.2 else rng.integers(len(content))
    file.write_bytes(content[:size].tobytes())


def _permuted(file: Path, rng: np.random.Generator) -> None:
    content = _content(file)
    size = max(1, min(4096, len(content) // 8))
    blocks = content[: len(content) // size * size].reshape(-1, size)
    content[: blocks.size] = rng.permutation(blocks).ravel()
    file.write_bytes(content.tobytes())


def _missing(file: Path, rng: np.random.Generator) -> None:
    file.unlink()


def _folder(file: Path, rng: np.random.Generator) -> None:
    file.unlink()
    file.mkdir()


def _fifo(file: Path, rng: np.random.Generator) -> None:
    file.unlink()
    os.mkfifo(file)


def _unreadable(file: Path, rng: np.random.Generator) -> None:
    file.chmod(0)


def _rows_permuted(file: Path, rng: np.random.Generator) -> None:
    array = np.load(file)
    np.save(file, array[rng.permutation(len(array))])


def _rows_zeroed(file: Path, rng: np.random.Generator) -> None:
    array = np.load(file)
    array[: len(array) // 2] = 0
    np.save(file, array)


def _weights_changed(file: Path, rng: np.random.Generator) -> None:
    import torch

    state = torch.load(file, weights_only=True)
    if (weights := _largest(state)) is not None:
        weights.neg_()
        torch.save(state, file)


def _largest(state: object) -> Any:
    """Return the tensor with most numbers outside the optimizer's state, or None."""
    import torch

    tensors, pending = [], [state]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += [v for name, v in value.items() if "optim" not in str(name)]
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, torch.Tensor) and value.is_floating_point():
            tensors.append(value)
    return max(tensors, key=lambda tensor: tensor.numel(), default=None)


def _content(file: Path) -> np.ndarray:
    return np.frombuffer(file.read_bytes() or b"\0", np.uint8).copy()


KINDS: dict[str, Damage] = {
    "random bytes": _bytes,
    "zeros": _zeros,
    "truncated": _truncated,
    "blocks permuted": _permuted,
    "missing": _missing,
    "a folder in its place": _folder,
    "a FIFO in its place": _fifo,
} | ({"no permission": _unreadable} if os.getuid() else {})
BY_SUFFIX: dict[str, dict[str, Damage]] = {
    ".npy": {"rows permuted": _rows_permuted, "rows zeroed": _rows_zeroed},
    ".pt": {"weights changed": _weights_changed},
}
"""Damage that keeps the file readable."""


def of_file(file: Path) -> dict[str, Damage]:
    """Return the ways to damage a file."""
    return KINDS | BY_SUFFIX.get(file.suffix, {})
