"""Uniform random numbers by position, and integers and orders derived from them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


class Stream:
    """Rows of uniform doubles in [0, 1): row i is the same no matter which other rows are drawn.

    `key` (non-negative integers) names the stream, `width` is the number of doubles of a row.
    """

    def __init__(self, key: tuple[int, ...], width: int) -> None:
        self._seed, self.width = np.random.SeedSequence(key), width

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """Return the rows `indices` (ascending), float64 [len(indices), width]."""
        bits = np.random.PCG64(self._seed)
        draw = np.random.Generator(bits)
        result = np.empty((len(indices), self.width))
        position = 0
        breaks = np.flatnonzero(np.diff(indices, prepend=-2) != 1).tolist()
        for begin, end in pairwise([*breaks, len(indices)]):
            # A double takes exactly one step of PCG64.
            bits.advance((int(indices[begin]) - position) * self.width)
            draw.random(out=result[begin:end])
            position = int(indices[end - 1]) + 1
        return result


def fixed_order(number: int, key: int, stream: int = 0) -> np.ndarray:
    """Return 0..number-1 in the random order of (key, stream), int64 [number]."""
    # Raw doubles of PCG64 and a stable sort are the same in every NumPy; `permutation` is not.
    # The spawn key separates these streams from those of the scenes.
    seed = np.random.SeedSequence(key, spawn_key=(stream,))
    uniform = np.random.Generator(np.random.PCG64(seed)).random(number)
    return np.argsort(uniform, kind="stable")


def integers(uniform: np.ndarray, number: int | np.ndarray) -> np.ndarray:
    """Return integers 0..number-1 (int64), each equally likely."""
    return (uniform * number).astype(np.int64)


def distinct(uniform: np.ndarray, number: int | np.ndarray) -> np.ndarray:
    """Return k distinct integers below `number` per row, in random order, int64 [n, k].

    uniform: [n, k]. number: a scalar, or one per row [n]; at least k.
    """
    picks = np.empty(uniform.shape, np.int64)
    for j in range(uniform.shape[1]):
        # The pick is an index among the free numbers; skipping the taken ones in ascending order
        # turns it into a number.
        pick = integers(uniform[:, j], number - j)
        for taken in np.sort(picks[:, :j], axis=1).T:
            pick += pick >= taken
        picks[:, j] = pick
    return picks
