"""The checks of `verify` on the arrays of a dataset file, each over all examples at once.

A check returns a short description of the result. It raises `Failed` with the split, the rows and
their values, or `Skipped` with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from hsal_bench.checking import Failed, Skipped
from hsal_bench.data import leaks
from hsal_bench.data.classes import class_warnings
from hsal_bench.data.file import DataFile
from hsal_bench.data.fingerprints import read_fingerprints
from hsal_bench.data.generator import leaks_by_design
from hsal_bench.data.leaks import Overlap
from hsal_bench.data.schema import HASH_ROWS, PAD, SPLITS, Fingerprints

RUN_ROWS = HASH_ROWS
"""Images held in memory at once."""

_SHOWN = 3


def check_labels(data: DataFile) -> str:
    """Labels are classes or padding."""
    classes = data.layout.num_classes
    for split, labels in _each(data, "labels"):
        _refuse(split, (labels < PAD) | (labels >= classes), labels=labels)
    return f"0 to {classes - 1}"


def check_classes(data: DataFile) -> str:
    """Every class occurs, and is trained if it is tested; a warning if not."""
    occurring = {split: set(np.unique(labels).tolist()) for split, labels in _each(data, "labels")}
    warnings = class_warnings(occurring, data.header.class_names)
    return "; ".join(warnings) or "every class occurs; every tested class is also in training"


def check_counts_match(data: DataFile) -> str:
    """Counts match the labels."""
    for split, labels in _each(data, "labels"):
        counts = data.read(split, "counts")
        wrong = _bincount(labels, data.layout.num_classes) != counts
        _refuse(split, wrong, counts=counts, labels=labels)
    return "match the labels"


def check_padding(data: DataFile) -> str:
    """Padding (-1) is at the end, in the same rows of labels, boxes and source_index."""
    for split, labels in _each(data, "labels"):
        real = labels != PAD
        _refuse(split, real[:, 1:] & ~real[:, :-1], labels=labels)
        for name in ("boxes", "source_index"):
            array = data.read(split, name)
            values = array.reshape(*labels.shape, math.prod(array.shape[2:]))
            padded = values == PAD
            wrong = (padded.any(axis=2) == real) | (padded.all(axis=2) == real)
            wrong |= (values < PAD).any(axis=2)
            _refuse(split, wrong, labels=labels, **{name: array})
    return "at the end, the same in labels, boxes and source_index"


def check_objects(data: DataFile) -> str:
    """The number of objects of every image is within the config's range."""
    fewest, most = _config(data, "min_objects", "max_objects")
    for split, labels in _each(data, "labels"):
        number = (labels != PAD).sum(axis=1)
        _refuse(split, (number < fewest) | (number > most), objects=number)
    return f"{fewest} to {most} per image"


def check_repeats(data: DataFile) -> str:
    """If the config says `unique`, no image has a class twice."""
    (unique,) = _config(data, "unique")
    if not unique:
        return "allowed"
    for split, labels in _each(data, "labels"):
        twice = _bincount(labels, data.layout.num_classes) > 1
        _refuse(split, twice, labels=labels)
    return "none (unique=True)"


def check_boxes(data: DataFile) -> str:
    """Boxes lie in the image and hold at least one pixel."""
    _, height, width = data.layout.image_shape
    for split, boxes in _each(data, "boxes"):
        wrong = ~boxes_in_range(boxes, height, width) & ~(boxes == PAD).all(axis=2)
        _refuse(split, wrong, boxes=boxes)
    return f"0 <= x0 < x1 <= {width} and 0 <= y0 < y1 <= {height}"


def check_ink(data: DataFile) -> str:
    """Boxes are tight around ink, and no ink except clutter lies outside them."""
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
    """No two splits use the same glyph of the source, unless the config says so."""
    return _leaks(data, None)


def check_leaks_by_content(data: DataFile) -> str:
    """No two splits use equal glyphs, unless the config says so."""
    known = read_fingerprints(data)
    if known is None:
        raise Skipped(leaks.NO_HASHES)
    return _leaks(data, known)


CHECKS: dict[str, Callable[[DataFile], str]] = {
    "labels": check_labels,
    "classes": check_classes,
    "counts": check_counts_match,
    "padding": check_padding,
    "objects": check_objects,
    "repeats": check_repeats,
    "boxes": check_boxes,
    "ink": check_ink,
    "leaks by index": check_leaks_by_index,
    "leaks by content": check_leaks_by_content,
}


def _leaks(data: DataFile, known: Fingerprints | None) -> str:
    """Return a description of the glyphs that the splits share; `known` is None: by index.

    Raises:
        Failed: they share glyphs and the config does not say so.
    """
    overlaps = leaks.overlaps(data, known)
    near = _near(overlaps)
    if shared := leaks.nonempty(overlaps):
        if not leaks_by_design(data.header.config):
            raise Failed("; ".join(_example(data, overlap) for overlap in shared) + near)
        sentences = "; ".join(map(str, shared))
        return f"LEAKS, as the config says (glyph_pools=shared): {sentences}{near}"
    if leaks_by_design(data.header.config):
        return f"one pool for all splits (glyph_pools=shared), but no glyph is shared{near}"
    used = [f"{len(leaks.used_sources(data, split))} in {split}" for split in SPLITS]
    return f"{', '.join(used)}, none shared{near}"


def _example(data: DataFile, overlap: Overlap) -> str:
    earlier, later = overlap.equal[0].tolist()
    row = int(np.argwhere(data.read(overlap.later, "source_index") == later)[0, 0])
    equal = "" if earlier == later else f" equals glyph {earlier}"
    return f"{overlap}, first glyph {later} ({overlap.later} row {row}){equal}"


def _near(overlaps: list[Overlap]) -> str:
    """Return the number of near duplicates as text, "" if it is unknown."""
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
    """Return the counts int64 [N, classes] of labels [N, K]; other values are not counted."""
    rows, _ = np.nonzero(known := (labels >= 0) & (labels < classes))
    flat = np.bincount(rows * classes + labels[known], minlength=len(labels) * classes)
    return flat.reshape(len(labels), classes)


def _refuse(split: str, wrong: np.ndarray, **values: Any) -> None:
    """Raise Failed with the first rows and values if any example is `wrong`, bool [N, ...]."""
    if wrong.any():
        raise Failed(_describe(split, wrong, values))


def _describe(split: str, wrong: np.ndarray, values: dict[str, Any]) -> str:
    rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
    shown = "; ".join(f"{split} row {row}: {_values(row, values)}" for row in rows[:_SHOWN])
    return f"{shown}; {len(rows)} such rows in total" if len(rows) > _SHOWN else shown


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
    """Return bool [N, K]: whether a border row or column of the box has no ink.

    ink: bool [N, H, W]. boxes: int16 [N, K, 4]; boxes out of range (padding) are not loose.
    """
    rows, sound, in_x, in_y, (x0, y0, x1, y1) = _spans(ink, boxes)
    top = (ink[rows, y0] & in_x).any(axis=2)
    bottom = (ink[rows, y1 - 1] & in_x).any(axis=2)
    left = (ink[rows, :, x0] & in_y).any(axis=2)
    right = (ink[rows, :, x1 - 1] & in_y).any(axis=2)
    return sound & ~(top & bottom & left & right)


def ink_outside(ink: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return int [N]: the pixels of ink outside all boxes of an image (arguments as above)."""
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
