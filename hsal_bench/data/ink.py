"""Where the ink of pictures lies against the boxes of their objects."""

from __future__ import annotations

import numpy as np


def boxes_in_range(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return bool [N, K]: 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height (int16 [N, K, 4])."""
    x0, y0, x1, y1 = np.moveaxis(boxes, -1, 0)
    return (x0 >= 0) & (x0 < x1) & (x1 <= width) & (y0 >= 0) & (y0 < y1) & (y1 <= height)


def loose_boxes(ink: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return bool [N, K]: a border row or column of the box holds no ink.

    ink: bool [N, H, W]. boxes: int16 [N, K, 4]; those out of range (padding) are not loose.
    """
    rows, sound, in_x, in_y, (x0, y0, x1, y1) = _spans(ink, boxes)
    top = (ink[rows, y0] & in_x).any(axis=2)
    bottom = (ink[rows, y1 - 1] & in_x).any(axis=2)
    left = (ink[rows, :, x0] & in_y).any(axis=2)
    right = (ink[rows, :, x1 - 1] & in_y).any(axis=2)
    return sound & ~(top & bottom & left & right)


def ink_outside(ink: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return int [N]: how many pixels of ink lie in none of a picture's boxes (as above)."""
    _, sound, in_x, in_y, _ = _spans(ink, boxes)
    outside = ink.copy()
    for k in range(boxes.shape[1]):
        in_box = (in_y & sound[..., None])[:, k, :, None] & in_x[:, k, None, :]
        outside &= ~in_box
    return np.count_nonzero(outside, axis=(1, 2))


def _spans(
    ink: np.ndarray, boxes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    height, width = ink.shape[1:]
    sound = boxes_in_range(boxes, height, width)
    corners = np.moveaxis(np.where(sound[..., None], boxes, (0, 0, 1, 1)), -1, 0)
    x0, y0, x1, y1 = corners[..., None]
    in_x = (np.arange(width) >= x0) & (np.arange(width) < x1)
    in_y = (np.arange(height) >= y0) & (np.arange(height) < y1)
    return np.arange(len(ink))[:, None], sound, in_x, in_y, corners
