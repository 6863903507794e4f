"""What `verify` looks at in the arrays of a data set file, each for all examples at once.

A check returns what it saw. It raises `Failed` with the split, the rows and their values, or
`Skipped` with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from hsal_bench.checking import Failed, Skipped
from hsal_bench.data import fingerprints, leaks
from hsal_bench.data.file import DataFile
from hsal_bench.data.generator import leaks_by_design
from hsal_bench.data.leaks import Overlap
from hsal_bench.data.schema import HASH_ROWS, PAD, SPLITS, Fingerprints

RUN_ROWS = HASH_ROWS
"""Images held in memory at once."""

_SHOWN = 3


def check_labels(data: DataFile) -> str:
    """Labels are classes, or the padding."""
    classes = data.layout.num_classes
    for split, labels in _each(data, "labels"):
        _refuse(split, (labels < PAD) | (labels >= classes), labels=labels)
    return f"0 to {classes - 1}"


def check_counts(data: DataFile) -> str:
    """Counts are those of the labels."""
    for split, labels in _each(data, "labels"):
        counts = data.read(split, "counts")
        wrong = _bincount(labels, data.layout.num_classes) != counts
        _refuse(split, wrong, counts=counts, labels=labels)
    return "those of the labels"


def check_padding(data: DataFile) -> str:
    """-1 stands at the end only, and alike in labels, boxes and source_index."""
    for split, labels in _each(data, "labels"):
        real = labels != PAD
        _refuse(split, real[:, 1:] & ~real[:, :-1], labels=labels)
        for name in ("boxes", "source_index"):
            array = data.read(split, name)
            values = array.reshape(*labels.shape, -1)
            padded = values == PAD
            wrong = (padded.any(axis=2) == real) | (padded.all(axis=2) == real)
            wrong |= (values < PAD).any(axis=2)
            _refuse(split, wrong, labels=labels, **{name: array})
    return "at the end, alike in labels, boxes and source_index"


def check_objects(data: DataFile) -> str:
    """Every image has as many objects as the config allows."""
    fewest, most = _config(data, "min_objects", "max_objects")
    for split, labels in _each(data, "labels"):
        number = (labels != PAD).sum(axis=1)
        _refuse(split, (number < fewest) | (number > most), objects=number)
    return f"{fewest} to {most} in an image"


def check_repeats(data: DataFile) -> str:
    """A data set of sets has no class twice in an image."""
    (unique,) = _config(data, "unique")
    if not unique:
        return "allowed"
    for split, labels in _each(data, "labels"):
        twice = _bincount(labels, data.layout.num_classes) > 1
        _refuse(split, twice, labels=labels)
    return "none, as in a set"


def check_boxes(data: DataFile) -> str:
    """Boxes lie in the image and hold at least a pixel."""
    _, height, width = data.layout.image_shape
    for split, boxes in _each(data, "boxes"):
        wrong = ~boxes_in_range(boxes, height, width) & ~(boxes == PAD).all(axis=2)
        _refuse(split, wrong, boxes=boxes)
    return f"0 <= x0 < x1 <= {width} and 0 <= y0 < y1 <= {height}"


def check_ink(data: DataFile) -> str:
    """Boxes are tight around ink, and no ink lies outside them but for the clutter."""
    pieces, side = _config(data, "clutter", "clutter_size")
    most = pieces * side * side
    for split, boxes in _each(data, "boxes"):
        loose, outside = [], []
        for start, images in data.runs(split, "images", RUN_ROWS):
            ink = np.asarray(images.any(axis=1))
            here = boxes[start : start + len(images)]
            loose.append(loose_boxes(ink, here))
            outside.append(ink_outside(ink, here))
        without_ink = np.concatenate(loose)
        _refuse(
            split,
            without_ink,
            boxes=boxes,
            border_row_or_column_without_ink=without_ink,
        )
        pixels = np.concatenate(outside)
        _refuse(split, pixels > most, pixels_of_ink_outside_boxes=pixels, allowed=most)
    return f"tight boxes, at most {most} pixels of ink outside them"


def check_leaks_by_index(data: DataFile) -> str:
    """No glyph of the source is in two splits, unless the config says so."""
    return _leaks(data, None)


def check_leaks_by_content(data: DataFile) -> str:
    """No two splits have equal glyphs, unless the config says so."""
    known = fingerprints.read(data)
    if known is None:
        raise Skipped(leaks.NO_HASHES)
    return _leaks(data, known)


CHECKS: dict[str, Callable[[DataFile], str]] = {
    "labels": check_labels,
    "counts": check_counts,
    "padding": check_padding,
    "objects": check_objects,
    "repeats": check_repeats,
    "boxes": check_boxes,
    "ink": check_ink,
    "leaks by index": check_leaks_by_index,
    "leaks by content": check_leaks_by_content,
}


def _leaks(data: DataFile, known: Fingerprints | None) -> str:
    """Return what the splits share; `known` is None: by index.

    Raises:
        Failed: they share glyphs and the config does not say so.
    """
    overlaps = leaks.overlaps(data, known)
    near = _near(overlaps)
    if shared := leaks.leaking(overlaps):
        if not leaks_by_design(data.header.config):
            raise Failed("; ".join(_example(data, overlap) for overlap in shared) + near)
        sentences = "; ".join(map(str, shared))
        return f"LEAKS, as its config says (glyph_pools=shared): {sentences}{near}"
    if leaks_by_design(data.header.config):
        return f"one pool for all splits (glyph_pools=shared), but no glyph of it in two{near}"
    used = [f"{len(leaks.used_sources(data, split))} in {split}" for split in SPLITS]
    return f"{', '.join(used)}, none in two{near}"


def _example(data: DataFile, overlap: Overlap) -> str:
    earlier, later = overlap.equal[0].tolist()
    row = int(np.argwhere(data.read(overlap.later, "source_index") == later)[0, 0])
    equal = "" if earlier == later else f" equals glyph {earlier}"
    return f"{overlap}, first glyph {later} ({overlap.later} row {row}){equal}"


def _near(overlaps: list[Overlap]) -> str:
    """Return how many glyphs are near duplicates, "" where that is not known."""
    if any(overlap.shifted is None for overlap in overlaps):
        return ""
    shown = [
        f"{len(near):,} of {overlap.later} in {overlap.earlier} "
        f"(first glyph {near[0, 1]}, from glyph {near[0, 0]})"
        for overlap in overlaps
        if (near := overlap.shifted) is not None and len(near)
    ]
    return f"; equal after a shift by one pixel: {', '.join(shown) or 'none'}"


def _each(data: DataFile, name: str) -> Iterator[tuple[str, np.ndarray]]:
    for split in SPLITS:
        yield split, data.read(split, name)


def _config(data: DataFile, *names: str) -> list[Any]:
    missing = [name for name in names if name not in data.header.config]
    if missing:
        raise Skipped(f"the config has no {' and no '.join(missing)}")
    return [data.header.config[name] for name in names]


def _bincount(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the counts int64 [N, classes] of labels [N, K]; what is no class is not counted."""
    rows, _ = np.nonzero(known := (labels >= 0) & (labels < classes))
    flat = np.bincount(rows * classes + labels[known], minlength=len(labels) * classes)
    return flat.reshape(len(labels), classes)


def _refuse(split: str, wrong: np.ndarray, **values: Any) -> None:
    """Raise Failed if anything is wrong (bool [N, ...]), showing the first rows and values."""
    if wrong.any():
        raise Failed(_describe(split, wrong, values))


def _describe(split: str, wrong: np.ndarray, values: dict[str, Any]) -> str:
    rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
    shown = "; ".join(f"{split} row {row}: {_values(row, values)}" for row in rows[:_SHOWN])
    return f"{shown}; {len(rows)} such rows in all" if len(rows) > _SHOWN else shown


def _values(row: int, values: dict[str, Any]) -> str:
    shown = {
        name: value[row].tolist() if isinstance(value, np.ndarray) else value
        for name, value in values.items()
    }
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())


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
    """Return int [N]: how many pixels of ink lie outside all boxes of an image (as above)."""
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
