"""Selecting the pictures of an archive for a dataset, with their labels, boxes and crops."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hsal_bench.data.schema import PAD

from .album import Index
from .digit_struct import Numbers
from .photographs import clip_boxes, crops, resize_boxes

_SHOWN = 5


@dataclass(frozen=True)
class HouseNumbers:
    """House numbers, ascending by their pictures' numbers.

    number: int32 [N]; labels: int8 [N, K]; boxes: int16 [N, K, 4], in the stored image; both padded
    with -1. crops: int32 [N, 4], x0 y0 x1 y1 in the picture.
    """

    number: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    crops: np.ndarray

    def __getitem__(self, at: Any) -> HouseNumbers:
        return HouseNumbers(self.number[at], self.labels[at], self.boxes[at], self.crops[at])


@dataclass(frozen=True)
class Selection:
    """The pictures selected from an archive, and those left out: picture numbers by reason.

    pictures: int32 [N], the numbers of all pictures in the archive, ascending. known: the number of
    house numbers that have a picture, an entry in digitStruct.mat, or both. most: digits of the
    picture with most.
    """

    numbers: HouseNumbers
    left_out: Mapping[str, np.ndarray]
    pictures: np.ndarray
    known: int
    most: int

    def notes(self, archive: str) -> list[str]:
        """Return one line per reason for which pictures are left out."""
        lines = []
        for reason, numbers in self.left_out.items():
            shown = ", ".join(f"{number}.png" for number in numbers[:_SHOWN].tolist())
            more = ", ..." if len(numbers) > _SHOWN else ""
            lines.append(
                f"{archive}: {len(numbers)} of {self.known} left out, {reason}: {shown}{more}"
            )
        return lines


def house_numbers(
    index: Index, digits: Numbers, most: int, grow: float, resolution: int
) -> Selection:
    """Return the selection from an archive: readable pictures with 1 to `most` digits.

    digits: the content of the archive's digitStruct.mat. grow, resolution: of the crop and the
    stored image, as in `photographs`.
    """
    labels, boxes, amount = _padded(index, digits, most)
    clipped, outside = clip_boxes(boxes, index.size)
    faults = {
        **{str(fault): index.fault == fault for fault in np.unique(index.fault) if fault},
        "no digits": amount == 0,
        too_many(most): amount > most,
        "a box without a pixel in the picture": outside.any(axis=1),
    }
    kept = np.ones(len(index.number), bool)
    without = np.setdiff1d(digits.number, index.number)
    left_out = {"no picture": without} if len(without) else {}
    for reason, wrong in faults.items():
        # A picture with several faults counts once, for the first.
        if len(numbers := index.number[kept & wrong]):
            left_out[reason] = numbers
        kept &= ~wrong
    crop = crops(clipped[kept], index.size[kept], grow)
    resized = resize_boxes(clipped[kept], crop, resolution)
    numbers = HouseNumbers(index.number[kept], labels[kept], resized, crop)
    known = len(index.number) + len(without)
    return Selection(numbers, left_out, index.number, known, int(amount.max(initial=0)))


def too_many(most: int) -> str:
    """Return the reason for which pictures with more than `most` digits are left out."""
    return f"more than {most} digit{'' if most == 1 else 's'}"


def source_sha256(indices: Mapping[str, Index]) -> str:
    """Return the hash of all pictures and their labels, the same for archives and folders."""
    content = hashlib.sha256()
    for name, index in indices.items():
        content.update(f"{name} {len(index.number)}\n".encode())
        for array in (index.number.astype("<i4"), index.sha256):
            content.update(np.ascontiguousarray(array).data)
        content.update(hashlib.sha256(index.digit_struct).digest())
    return content.hexdigest()


def _padded(index: Index, digits: Numbers, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return padded labels int8 [N, K] and boxes float64 [N, K, 4], and digits per picture int [N].

    A picture without an entry has 0 digits.
    """
    amount = np.zeros(len(index.number), np.int64)
    labels = np.full((len(amount), most), PAD, np.int8)
    boxes = np.full((len(amount), most, 4), np.nan)
    # Entries without a picture are dropped.
    entry_has_picture = np.isin(digits.number, index.number)
    row = np.searchsorted(index.number, digits.number)
    size = np.diff(digits.first)
    amount[row[entry_has_picture]] = size[entry_has_picture]
    place = np.arange(len(digits.labels)) - np.repeat(digits.first[:-1], size)
    fits = np.repeat(entry_has_picture, size) & (place < most)
    at = np.repeat(row, size)[fits], place[fits]
    labels[at], boxes[at] = digits.labels[fits], digits.boxes[fits]
    return labels, boxes, amount
