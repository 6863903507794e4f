"""The composition of a dataset, measured from its arrays: part of its card."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hsal_bench.data.file import DataFile
from hsal_bench.data.leaks import used_sources
from hsal_bench.data.schema import PAD, SPLITS

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)
SIDES = ("left", "top", "right", "bottom")
_MARGIN = 10  # the outer tenth of an image
_SAMPLED_RUNS, _SAMPLED_ROWS = 8, 64


@dataclass(frozen=True)
class Composition:
    """Statistics of the images of one split; NaN where there is nothing to measure.

    images: their number. objects: int [K + 1], images with 0..K objects. classes: int
    [num_classes], objects of each. repeated: share of the images that have a class more than once.
    sizes: float [3, 5], the `QUANTILES` of the objects' boxes: width and height in pixels, share of
    the image's area. centres: float [3, 3], share of the objects with their centre in each ninth of
    the image, top row first. unreached: float [4], share of the images with no object in the outer
    tenth at each of `SIDES`. overlapping: share of the images with several objects in which two
    boxes overlap. sources: number of distinct `source_index`. sampled: number of images measured
    for brightness (mean grey value) and contrast (mean standard deviation within an image), both
    from 0 to 1.
    """

    images: int
    objects: np.ndarray
    classes: np.ndarray
    repeated: float
    sizes: np.ndarray
    centres: np.ndarray
    unreached: np.ndarray
    overlapping: float
    sources: int
    sampled: int
    brightness: float
    contrast: float


def compositions(data: DataFile) -> dict[str, Composition]:
    """Return the composition of each split.

    Raises:
        UsageError: an array cannot be decoded.
    """
    return {split: _composition(data, split) for split in SPLITS}


def without_boxes(splits: Iterable[Composition]) -> bool:
    """Return whether every object has the box of the whole image: its place is unknown."""
    smallest = [split.sizes[2, 0] for split in splits if split.classes.any()]
    return bool(smallest) and min(smallest) == 1


def _composition(data: DataFile, split: str) -> Composition:
    _, height, width = data.layout.image_shape
    counts = data.read(split, "counts")
    boxes = data.read(split, "boxes").astype(np.int32)
    present = data.read(split, "labels") != PAD
    placed = boxes[present]
    sample = _sample(data, split)
    return Composition(
        images=len(counts),
        objects=np.bincount(present.sum(axis=1), minlength=data.layout.max_objects + 1),
        classes=counts.sum(axis=0, dtype=np.int64),
        repeated=float((counts > 1).any(axis=1).mean()),
        sizes=_sizes(placed, height, width),
        centres=_centres(placed, height, width),
        unreached=_unreached(boxes, present, height, width),
        overlapping=_overlapping(boxes, present),
        sources=len(used_sources(data, split)),
        sampled=len(sample),
        brightness=float(sample.mean()),
        contrast=float(sample.std(axis=1).mean()),
    )


def _sizes(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    if not len(boxes):
        return np.full((3, len(QUANTILES)), np.nan)
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return np.quantile(np.stack([w, h, w * h / (height * width)]), QUANTILES, axis=1).T


def _centres(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    if not len(boxes):
        return np.full((3, 3), np.nan)
    # Twice the centre, times three, in whole numbers: no rounding errors.
    column = np.clip((boxes[:, 0] + boxes[:, 2]) * 3 // (2 * width), 0, 2)
    row = np.clip((boxes[:, 1] + boxes[:, 3]) * 3 // (2 * height), 0, 2)
    return np.bincount(row * 3 + column, minlength=9).reshape(3, 3) / len(boxes)


def _unreached(boxes: np.ndarray, present: np.ndarray, height: int, width: int) -> np.ndarray:
    size = np.array([width, height])
    margin = np.maximum(size // _MARGIN, 1)
    low, high = boxes[..., :2] < margin, boxes[..., 2:] > size - margin
    reached = (np.concatenate([low, high], axis=-1) & present[..., None]).any(axis=1)
    return 1 - reached.mean(axis=0)


def _overlapping(boxes: np.ndarray, present: np.ndarray) -> float:
    several = present.sum(axis=1) > 1
    if not several.any():
        return math.nan
    boxes, present = boxes[several], present[several]
    overlap = np.zeros(len(boxes), bool)
    for apart in range(1, boxes.shape[1]):
        first, second = boxes[:, :-apart], boxes[:, apart:]
        low = np.maximum(first[..., :2], second[..., :2])
        high = np.minimum(first[..., 2:], second[..., 2:])
        both = present[:, :-apart] & present[:, apart:]
        overlap |= (both & (low < high).all(axis=-1)).any(axis=1)
    return float(overlap.mean())


def _sample(data: DataFile, split: str) -> np.ndarray:
    """Return images spread over a split, flattened, from 0 to 1: float32 [n, C*H*W]."""
    size = data.layout.sizes[split]
    starts = np.linspace(0, max(size - _SAMPLED_ROWS, 0), _SAMPLED_RUNS).astype(np.int64)
    rows = np.unique(starts[:, None] + np.arange(_SAMPLED_ROWS))
    images = data.rows(split, "images", rows[rows < size])
    return images.reshape(len(images), -1).astype(np.float32) / 255
