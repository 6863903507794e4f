"""Labelled pictures, as the readers of the formats return them, and their division into splits."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hsal_bench.data.schema import SPLITS
from hsal_bench.errors import UsageError
from hsal_bench.generators.streams import fixed_order

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the picture, half-open."""


@dataclass(frozen=True)
class Picture:
    """A picture file and its objects.

    labels: class names, one per object. boxes: one per object, or () if unknown. split: None if the
    source does not state one.
    """

    path: Path
    labels: tuple[str, ...]
    boxes: tuple[Box, ...] = ()
    split: str | None = None


def with_split(pictures: Iterable[Picture], split: str) -> list[Picture]:
    """Return the pictures as those of one split."""
    return [dataclasses.replace(picture, split=split) for picture in pictures]


def divided(
    pictures: Sequence[Picture], shares: Sequence[float], seed: int
) -> dict[str, list[Picture]]:
    """Return the pictures of each split: as they state, or else drawn at random.

    shares: of train, valid and test; they add up to 1.

    Raises:
        UsageError: some state a split and others do not, or a split would be empty.
    """
    stated = {picture.split for picture in pictures}
    if None in stated and len(stated) > 1:
        lacking = next(picture for picture in pictures if picture.split is None)
        raise UsageError(
            f"{lacking.path} has no split: give a split for every picture, or for none"
        )
    if None in stated:
        # Each picture once, even if it is listed several times: else it could be in two splits.
        splits = _drawn(len(pictures), shares, seed)
        pictures = [
            dataclasses.replace(picture, split=split)
            for picture, split in zip(pictures, splits, strict=True)
        ]
    parts = {split: [p for p in pictures if p.split == split] for split in SPLITS}
    if empty := [split for split, part in parts.items() if not part]:
        raise UsageError(f"no pictures for {', '.join(empty)}: every split needs at least one")
    return parts


def class_names(pictures: Iterable[Picture]) -> tuple[str, ...]:
    """Return the classes in order: as numbers if all are numbers, else by the alphabet."""
    names = {label for picture in pictures for label in picture.labels}
    numbers = all(name.isdecimal() for name in names)
    return tuple(sorted(names, key=(lambda name: (int(name), name)) if numbers else None))


def _drawn(number: int, shares: Sequence[float], seed: int) -> list[str]:
    ends = np.rint(np.cumsum(shares) * number).astype(int)
    place = fixed_order(number, seed, stream=1)
    splits = np.empty(number, object)
    for split, start, end in zip(SPLITS, (0, *ends), ends, strict=False):
        splits[place[start:end]] = split
    return splits.tolist()
