"""Placing the objects of a scene: one per cell of a grid, or anywhere without overlap."""

from __future__ import annotations

import numpy as np

from hsal_bench.data.schema import SPLITS
from hsal_bench.errors import HsalBenchError
from hsal_bench.generators.streams import Stream, distinct, integers

from .spec import SceneSpec

# Attempts to place a scene before its sizes are drawn again, and how often they are drawn.
_ATTEMPTS, _REDRAWS = 40, 25
_PROPOSALS = 16


def place_in_grid(
    canvas: int,
    sizes: np.ndarray,
    present: np.ndarray,
    u_cell: np.ndarray,
    u_offset: np.ndarray,
) -> np.ndarray:
    """Return the corners (top, left) of objects placed as the paper's authors did, [n, K, 2].

    The cells of an image's grid are as large as its largest object; each object gets a cell of
    its own and a random place in it. sizes, present, u_cell: [n, K]; u_offset: [n, K, 2].
    """
    cell = np.where(present, sizes, 1).max(axis=1)
    per_side = canvas // cell
    cells = distinct(u_cell, per_side**2)
    rows, columns = np.divmod(cells, per_side[:, None])
    free = np.where(present, cell[:, None] - sizes + 1, 1)
    return np.stack([rows, columns], -1) * cell[:, None, None] + integers(u_offset, free[..., None])


def place_uniformly(
    spec: SceneSpec, split: str, start: int, sizes: np.ndarray, present: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (sizes, corners) of objects placed anywhere on the canvas without overlap.

    The largest object of a scene is placed first, each other object at the first of several random
    places where its square is free. A scene with no free place starts over; after many attempts
    its sizes are drawn again. sizes: [n, K]; corners: [n, K, 2], top and left.

    Raises:
        HsalBenchError: a scene does not fit after a bounded number of attempts.
    """
    sizes, corners = sizes.copy(), np.zeros((*sizes.shape, 2), np.int64)
    todo = np.arange(len(sizes))
    K = spec.max_objects
    for attempt in range(_ATTEMPTS * _REDRAWS):
        stream = Stream((spec.seed, SPLITS.index(split), 1 + attempt), K + 2 * K * _PROPOSALS)
        u_size, u_place = np.split(stream.rows(start + todo), [K], axis=1)
        if attempt and attempt % _ATTEMPTS == 0:
            sizes[todo] = spec.min_size + integers(u_size, spec.max_size - spec.min_size + 1)
        u_place = u_place.reshape(len(todo), K, _PROPOSALS, 2)
        corners[todo], placed = _attempt(spec.canvas, sizes[todo], present[todo], u_place)
        todo = todo[~placed]
        if not len(todo):
            return sizes, corners
    raise HsalBenchError(
        f"image {start + todo[0]} of {split}: no place found for "
        f"{present[todo[0]].sum()} objects with min_size={spec.min_size}, "
        f"max_size={spec.max_size}, canvas={spec.canvas}: "
        "lower max_objects or min_size, raise canvas, or use placement=grid"
    )


def _attempt(
    canvas: int, sizes: np.ndarray, present: np.ndarray, u_place: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners [n, K, 2] of one attempt, and which scenes it placed completely [n]."""
    scenes = np.arange(len(sizes))
    order = np.argsort(np.where(present, -sizes, 0), axis=1, kind="stable")
    corners = np.zeros((*sizes.shape, 2), np.int64)
    placed = np.ones(len(sizes), bool)
    for rank, here in enumerate(order.T):
        side = sizes[scenes, here]
        places = integers(u_place[:, rank], (canvas - side + 1)[:, None, None])
        free = np.ones(places.shape[:2], bool)
        for other in order.T[:rank]:
            gap = corners[scenes, other][:, None] - places
            apart = (gap >= side[:, None, None]) | (-gap >= sizes[scenes, other][:, None, None])
            free &= apart.any(axis=2)
        first = free.argmax(axis=1)
        corners[scenes, here] = places[scenes, first]
        placed &= free[scenes, first] | ~present[scenes, here]
    return corners, placed
