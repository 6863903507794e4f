"""Handwritten-looking digits drawn from strokes: a glyph source that needs no network.

Each digit has several hand styles. A style is a set of pen strokes: curves (Catmull-Rom splines)
through control points. A glyph is one style with its control points jittered, bent by a smooth
random displacement field, slanted, turned, stretched, and drawn with a soft round pen on 28 x 28
pixels, the way MNIST is: about 20 pixels tall, centred, white on black.

The glyphs are bit for bit the same on every machine: the only operations are elementwise + - * /
sqrt, minimum, maximum and floor, and the random numbers are uniform doubles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIDE = 28
CLASSES = 10
TRAIN_GLYPHS, TEST_GLYPHS = 10_000, 2_000

_SEED = 20_170_811
_BLOCK = 500
_PEN_POINTS = 96  # the longest style is about 60 pixels of line: a stamp every 0.6 pixels
_REACH = 3  # a stamp touches the 6 x 6 pixels around it, so pen radius + edge must be below 3
_SOFT_EDGE = 0.75  # ink fades from full to none over this many pixels on either side of the rim
_GRID = 4  # nodes per side of the displacement field

# x to the right, y down, 100 units tall. A point is "x y", points of a stroke are joined by commas,
# strokes by semicolons. The same point in two strokes is one control point: they stay joined.
_STYLES: dict[int, tuple[str, ...]] = {
    0: (
        "38 0, 12 14, 2 50, 14 86, 36 100, 58 86, 68 50, 58 15, 38 0, 28 4",
        "48 6, 30 0, 8 25, 4 65, 20 97, 44 92, 58 60, 58 25, 46 3, 32 4",
        "44 4, 16 16, 2 55, 18 92, 46 98, 68 70, 66 30, 50 6, 36 8",
    ),
    1: (
        "20 0, 20 34, 20 66, 20 100",
        "4 22, 15 13, 24 0; 24 0, 24 34, 24 66, 24 100",
        "6 20, 16 12, 24 0; 24 0, 24 34, 24 66, 24 100; 4 100, 24 100, 44 99",
    ),
    2: (
        "4 22, 18 3, 42 2, 56 22, 46 48, 24 74, 2 98; 2 98, 30 97, 62 99",
        "4 18, 24 0, 50 8, 54 32, 36 64, 14 94, 2 92, 6 79, 22 82, 42 96, 66 92",
        "6 30, 12 8, 36 0, 56 14, 52 42, 28 70, 4 96; 4 96, 22 88, 42 98, 64 90",
    ),
    3: (
        "6 10, 30 0, 54 12, 50 36, 24 46; 24 46, 54 56, 60 80, 34 100, 4 90",
        "6 3, 30 3, 58 2; 58 2, 43 20, 28 40; 28 40, 56 52, 60 78, 36 99, 4 90",
        "8 16, 28 1, 52 12, 48 36, 30 46; 30 46, 54 58, 58 84, 30 100, 4 84",
    ),
    4: (
        "14 0, 9 30, 4 56; 4 56, 34 58, 68 54; 52 8, 49 50, 45 100",
        "48 0, 24 34, 2 66; 2 66, 34 66, 70 64; 48 0, 48 50, 48 100",
        "6 2, 3 28, 8 48, 28 54, 56 46; 58 0, 56 46, 53 72, 50 100",
    ),
    5: (
        "60 2, 36 2, 14 4; 14 4, 12 22, 10 42; 10 42, 38 38, 60 60, 50 90, 24 100, 2 90",
        "16 6, 12 24, 8 46; 8 46, 34 40, 56 60, 50 88, 26 100, 2 92; 16 6, 36 8, 62 1",
        "62 3, 40 2, 18 6, 14 26, 20 42, 46 50, 58 74, 40 98, 4 93",
    ),
    6: (
        "48 2, 20 24, 4 60, 14 92, 38 99, 56 80, 48 58, 26 56, 8 74",
        "38 0, 16 38, 5 74, 22 99, 48 90, 50 66, 28 56, 8 72",
        "58 8, 38 1, 12 28, 4 68, 26 100, 54 86, 56 58, 30 50, 6 68",
    ),
    7: (
        "2 4, 32 5, 62 2; 62 2, 42 44, 26 100",
        "2 4, 32 5, 62 2; 62 2, 44 44, 28 100; 22 52, 40 50, 62 48",
        "4 20, 4 12, 5 4; 5 4, 32 4, 62 4; 62 4, 38 48, 28 100",
    ),
    8: (
        "52 12, 28 0, 8 18, 24 42, 48 60, 52 86, 28 100, 4 86, 14 58, 38 42, 54 22, 52 12",
        "30 46, 8 28, 12 6, 30 0, 50 8, 52 30, 30 46; "
        "30 46, 4 66, 6 92, 30 100, 56 92, 56 66, 30 46",
        "58 8, 34 2, 16 18, 26 40, 42 60, 42 86, 20 100, 3 86, 14 62, 40 42, 58 22, 58 8",
    ),
    9: (
        "52 12, 28 0, 6 14, 4 40, 24 52, 44 42, 52 12; 52 12, 52 40, 51 70, 50 100",
        "54 14, 30 0, 6 14, 6 40, 28 50, 46 38, 54 14; 54 14, 55 50, 44 88, 20 100, 4 92",
        "56 8, 32 1, 8 18, 6 42, 26 50, 44 36, 56 8; 56 8, 44 56, 28 100",
    ),
}


@dataclass(frozen=True)
class _Hands:
    """All styles as tables.

    start: [CLASSES + 1] number of the first style of each class. controls: [styles, C, 2] control
    points in units of the digit's height, padded with zeros. neighbours: [styles, _PEN_POINTS, 4]
    the four control points that make a pen point, with their weights (same shape).
    """

    start: np.ndarray
    controls: np.ndarray
    neighbours: np.ndarray
    weights: np.ndarray


def synthetic_glyphs() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (train images, train labels, test images, test labels); every call gives the same.

    Images: uint8 [10000, 28, 28] and [2000, 28, 28], ink 255 on 0. Labels: uint8, every class
    equally often, in random order. The two sets use two streams of random numbers.
    """
    hands = _hands()
    train = _glyphs(hands, TRAIN_GLYPHS, stream=0)
    return (*train, *_glyphs(hands, TEST_GLYPHS, stream=1))


def _glyphs(hands: _Hands, number: int, stream: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((_SEED, stream))))
    order = np.argsort(rng.random(number), kind="stable")
    labels = (order % CLASSES).astype(np.uint8)
    images = np.empty((number, SIDE, SIDE), np.uint8)
    for first in range(0, number, _BLOCK):
        block = slice(first, first + _BLOCK)
        style = _choose_styles(rng, hands, labels[block])
        points = _place(rng, _shape(rng, _bend(rng, _write(rng, hands, style))))
        images[block] = _ink(points, _pen_radius(rng, len(style)))
    return images, labels


def _choose_styles(rng: np.random.Generator, hands: _Hands, labels: np.ndarray) -> np.ndarray:
    start = hands.start[labels]
    choices = hands.start[labels.astype(np.intp) + 1] - start
    return start + np.floor(rng.random(len(labels)) * choices).astype(np.intp)


def _write(rng: np.random.Generator, hands: _Hands, style: np.ndarray) -> np.ndarray:
    """Return the pen points float64 [B, P, 2] of each style, its control points jittered."""
    controls = hands.controls[style]
    controls = controls + 0.06 * _spread(rng, controls.shape)
    rows = np.arange(len(style))[:, None]
    neighbours, weights = hands.neighbours[style], hands.weights[style]
    points = np.zeros((len(style), _PEN_POINTS, 2))
    for corner in range(4):
        points += weights[:, :, corner, None] * controls[rows, neighbours[:, :, corner]]
    return points


def _bend(rng: np.random.Generator, points: np.ndarray) -> np.ndarray:
    """Move the points by a smooth random displacement field over the digit's box."""
    field = 0.09 * _spread(rng, (len(points), _GRID, _GRID, 2))
    position = np.minimum(np.maximum(points, 0.0), 0.999) * (_GRID - 1)
    cell = np.floor(position).astype(np.intp)
    fraction = position - cell
    blend = fraction * fraction * (3.0 - 2.0 * fraction)
    (x, y), (u, v) = np.moveaxis(cell, -1, 0), np.moveaxis(blend, -1, 0)[..., None]
    rows = np.arange(len(points))[:, None]
    above = field[rows, y, x] * (1 - u) + field[rows, y, x + 1] * u
    below = field[rows, y + 1, x] * (1 - u) + field[rows, y + 1, x + 1] * u
    return points + above * (1 - v) + below * v


def _shape(rng: np.random.Generator, points: np.ndarray) -> np.ndarray:
    """Stretch, slant (mostly to the right, as people write) and turn a little."""
    width, slant, turn = (_spread(rng, (len(points), 1)) for _ in range(3))
    x = points[..., 0] * (1.12 + 0.36 * width)
    y = points[..., 1]
    x = x - (0.14 + 0.46 * slant) * y
    angle = 0.18 * turn
    return np.stack((x - angle * y, y + angle * x), axis=-1)


def _place(rng: np.random.Generator, points: np.ndarray) -> np.ndarray:
    """Return the points in pixels: the longer side about 17, the extent's middle near the centre.

    The pen adds its radius on either side, which makes the digit about 20 pixels long.
    """
    low, high = points.min(axis=1, keepdims=True), points.max(axis=1, keepdims=True)
    side = 17.0 + 1.6 * _spread(rng, (len(points), 1, 1))
    scale = side / (high - low).max(axis=2, keepdims=True)
    middle = (SIDE - 1) / 2 + 1.4 * _spread(rng, (len(points), 1, 2))
    return (points - (low + high) / 2) * scale + middle


def _pen_radius(rng: np.random.Generator, number: int) -> np.ndarray:
    """Return the pen's radius in pixels at each pen point, float64 [B, P]: 0.65 to 1.95."""
    along = np.arange(_PEN_POINTS) / (_PEN_POINTS - 1) - 0.5
    press, drift = _spread(rng, (number, 1)), _spread(rng, (number, 1))
    return 1.3 + 0.45 * press + 0.4 * drift * along


def _ink(points: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Stamp a soft disc at each pen point; return uint8 [B, 28, 28]."""
    number = len(points)
    corner = np.floor(points).astype(np.intp) - (_REACH - 1)
    pixel = corner[..., None] + np.arange(2 * _REACH)
    offset = pixel - points[..., None]
    squared = offset * offset
    flat = pixel[:, :, 1, :, None] * SIDE + pixel[:, :, 0, None, :]
    flat += (np.arange(number) * SIDE * SIDE)[:, None, None, None]
    canvas = np.full(number * SIDE * SIDE, -1.0)
    for p in range(_PEN_POINTS):
        distance = np.sqrt(squared[:, p, 1, :, None] + squared[:, p, 0, None, :])
        here = flat[:, p]
        canvas[here] = np.maximum(canvas[here], radius[:, p, None, None] - distance)
    shade = np.minimum(np.maximum((canvas + _SOFT_EDGE) / (2 * _SOFT_EDGE), 0.0), 1.0)
    return np.floor(255.0 * shade + 0.5).astype(np.uint8).reshape(number, SIDE, SIDE)


def _spread(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return numbers in (-1, 1), mostly near 0: the sum of two uniform ones."""
    return rng.random(shape) + rng.random(shape) - 1.0


def _hands() -> _Hands:
    styles = [_parse(text) for digit in range(CLASSES) for text in _STYLES[digit]]
    most = max(len(controls) for controls, _ in styles)
    start = np.cumsum([0, *(len(_STYLES[digit]) for digit in range(CLASSES))])
    controls = np.zeros((len(styles), most, 2))
    neighbours = np.empty((len(styles), _PEN_POINTS, 4), np.intp)
    weights = np.empty((len(styles), _PEN_POINTS, 4))
    for number, (points, strokes) in enumerate(styles):
        controls[number, : len(points)] = points
        neighbours[number], weights[number] = _spline(points, strokes)
    return _Hands(start, controls, neighbours, weights)


def _parse(text: str) -> tuple[np.ndarray, list[list[int]]]:
    """Return a style's control points [C, 2], 1 unit tall, and its strokes as indices of them."""
    strokes = [[point.strip() for point in stroke.split(",")] for stroke in text.split(";")]
    known = list(dict.fromkeys(point for stroke in strokes for point in stroke))
    points = np.array([[float(part) for part in point.split()] for point in known])
    return points / 100.0, [[known.index(point) for point in stroke] for stroke in strokes]


def _spline(points: np.ndarray, strokes: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Spread the pen points over the spans of all strokes by length; return (indices, weights)."""
    spans = [
        (stroke[max(i - 1, 0)], stroke[i], stroke[i + 1], stroke[min(i + 2, len(stroke) - 1)])
        for stroke in strokes
        for i in range(len(stroke) - 1)
    ]
    ends = np.array(spans)
    step = points[ends[:, 2]] - points[ends[:, 1]]
    until = np.cumsum(np.sqrt(step[:, 0] * step[:, 0] + step[:, 1] * step[:, 1]))
    along = (np.arange(_PEN_POINTS) + 0.5) / _PEN_POINTS * until[-1]
    span = np.searchsorted(until, along)
    since = np.concatenate(([0.0], until[:-1]))[span]
    t = (along - since) / (until[span] - since)
    return ends[span], _catmull_rom(t)


def _catmull_rom(t: np.ndarray) -> np.ndarray:
    """Return the weights [..., 4] of the four control points at t in [0, 1] between the middle two.

    Source: Catmull and Rom, "A class of local interpolating splines", 1974.
    """
    t2, t3 = t * t, t * t * t
    return 0.5 * np.stack(
        (2 * t2 - t3 - t, 3 * t3 - 5 * t2 + 2, t + 4 * t2 - 3 * t3, t3 - t2), axis=-1
    )
