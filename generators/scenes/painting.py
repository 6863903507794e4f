"""Painting scenes: clutter, and in front of it the objects, resized bilinearly.

The pixels are the same on every machine: the weights of a resize are multiples of 1/256, so each
product and sum is a multiple of 2^-16 below 2^8. Float32 holds these exactly, whatever the order of
summation in the BLAS.
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from hsal_bench.data.schema import PAD
from hsal_bench.generators.glyphs.sources import GLYPH_SIZE

from .sampling import Scenes

_BLOCK = 512


def paint(
    scenes: Scenes, glyphs: np.ndarray, canvas: int, clutter_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (images uint8 [n, 1, canvas, canvas], boxes int16 [n, K, 4]) of n scenes.

    Clutter is painted first; an object covers it where it has ink. A box is
    x0, y0, x1, y1, half-open, tight around the object's ink (its complete square if
    resizing left no ink); -1 without an object. glyphs: uint8 [N, 28, 28], the complete source.
    """
    images = np.zeros((len(scenes.counts), canvas, canvas), np.uint8)
    boxes = np.full((*scenes.glyphs.shape, 4), PAD, np.int16)
    # Blocks that fit into the processor's cache.
    for begin in range(0, len(images), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        _paint_clutter(images[block], scenes, block, glyphs, clutter_size)
        _paint_objects(images[block], boxes[block], scenes, block, glyphs)
    return images[:, None], boxes


def resize(glyphs: np.ndarray, size: int) -> np.ndarray:
    """Return glyphs (uint8 [m, 28, 28]) resized to [m, size, size].

    Bilinear with half-pixel centres and no antialiasing, as OpenCV's INTER_LINEAR.
    """
    weights = _weights(size)
    # One product per glyph: they are so small that the BLAS uses no threads, which would cost
    # more than they gain here.
    grey = weights @ glyphs.astype(np.float32) @ weights.T
    grey += np.float32(0.5)
    return grey.astype(np.uint8)


@lru_cache(maxsize=256)
def _weights(size: int) -> np.ndarray:
    """Return the weights of 28 pixels in each of `size` pixels, float32 [size, 28], of 1/256."""
    # Pixel i lies at (i + 1/2) * 28 / size - 1/2, kept as a fraction of whole numbers.
    above = (2 * np.arange(size) + 1) * GLYPH_SIZE - size
    left, rest = np.divmod(above, 2 * size)
    share = (rest * 256 + size) // (2 * size)
    weights = np.zeros((size, GLYPH_SIZE), np.float32)
    for neighbour, weight in ((left, 256 - share), (left + 1, share)):
        np.add.at(weights, (np.arange(size), neighbour.clip(0, GLYPH_SIZE - 1)), weight / 256)
    return weights


def _paint_clutter(
    images: np.ndarray, scenes: Scenes, block: slice, glyphs: np.ndarray, side: int
) -> None:
    of_glyphs = sliding_window_view(glyphs, (side, side), axis=(1, 2))
    windows = scenes.clutter_windows[block]
    pieces = of_glyphs[scenes.clutter_glyphs[block], windows[..., 0], windows[..., 1]]
    corners = scenes.clutter_corners[block]
    target = sliding_window_view(images, (side, side), axis=(1, 2), writeable=True)
    target[np.arange(len(images))[:, None], corners[..., 0], corners[..., 1]] = pieces


def _paint_objects(
    images: np.ndarray, boxes: np.ndarray, scenes: Scenes, block: slice, glyphs: np.ndarray
) -> None:
    scene, slot = np.nonzero(scenes.glyphs[block] != PAD)
    sizes = scenes.sizes[block][scene, slot]
    order = np.argsort(sizes, kind="stable")
    scene, slot, sizes = scene[order], slot[order], sizes[order]
    glyph = scenes.glyphs[block][scene, slot]
    top, left = scenes.corners[block][scene, slot].T
    bounds = np.flatnonzero(np.diff(sizes, prepend=0, append=2**31)).tolist()
    for begin, end in itertools.pairwise(bounds):
        group, size = slice(begin, end), int(sizes[begin])
        ink = resize(glyphs[glyph[group]], size)
        where = scene[group], top[group], left[group]
        windows = sliding_window_view(images, (size, size), axis=(1, 2), writeable=True)
        # Squares do not overlap, so a whole group is read, painted and written back at once.
        windows[where] = windows[where] * (ink == 0) + ink
        boxes[scene[group], slot[group]] = _boxes(ink, top[group], left[group])


def _boxes(ink: np.ndarray, top: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Return x0, y0, x1, y1 around the ink (uint8 [m, s, s]) of squares at top, left; [m, 4]."""
    x0, x1 = _extent(np.bitwise_or.reduce(ink, axis=1))
    y0, y1 = _extent(np.bitwise_or.reduce(ink, axis=2))
    return np.stack([left + x0, top + y0, left + x1, top + y1], axis=1)


def _extent(line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inked = line != 0
    # Without ink both searches return 0, so the extent is the complete line.
    return inked.argmax(axis=1), line.shape[1] - inked[:, ::-1].argmax(axis=1)
