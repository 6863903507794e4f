"""The recipe of a dataset of own pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hsal_bench.data.classes import class_warnings
from hsal_bench.data.generator import Rows
from hsal_bench.data.schema import MOST_OBJECTS, PAD, SPLITS, Examples, Fingerprints, Header, Layout
from hsal_bench.errors import UsageError
from hsal_bench.generators.own.pictures import Picture

VERSION = "1"
MOST_CLASSES = 127
"""Labels are int8."""
_MODES = {1: "L", 3: "RGB"}
_DEEP = ("I", "F")
"""Modes of whole and real numbers: Pillow's conversion to 8 bits would cut them off."""


@dataclass(frozen=True)
class Imported:
    """The facts about a dataset that its pictures do not tell.

    size: (height, width) to which pictures are resized; None: they must have one size. channels: 1
    (grey) or 3 (RGB).
    """

    name: str
    class_names: tuple[str, ...]
    size: tuple[int, int] | None
    channels: int
    license: str
    citation: str
    source: str
    config: Mapping[str, Any]
    seed: int = 0


@dataclass(frozen=True)
class PictureMaker:
    """Makes the examples `first`.. of a split from their pictures. start: number of the first."""

    pictures: tuple[Picture, ...]
    first: int
    start: int
    layout: Layout
    class_of: Mapping[str, int]

    def make(self, split: str, start: int, stop: int) -> Examples:
        """Return the examples start..stop-1 of the split."""
        arrays = self.layout.arrays()
        size = stop - start
        examples = {
            name: np.zeros((size, *shape), dtype) for name, (dtype, shape) in arrays.items()
        }
        for name in ("labels", "boxes", "source_index"):
            examples[name].fill(PAD)
        for row in range(size):
            number = start - self.first + row
            picture = self.pictures[number]
            image, scale = load(picture, self.layout.image_shape)
            examples["images"][row] = image
            labels = [self.class_of[label] for label in picture.labels]
            examples["labels"][row, : len(labels)] = labels
            np.add.at(examples["counts"][row], labels, 1)
            examples["source_index"][row, : len(labels)] = self.start + number
            if labels:
                boxes = _boxes(picture, scale, self.layout.image_shape)
                examples["boxes"][row, : len(labels)] = boxes
        return examples


@dataclass
class PictureRecipe:
    """Own pictures ready to become a dataset file."""

    header: Header
    layout: Layout
    splits: Mapping[str, Sequence[Picture]]
    sha256: np.ndarray
    """Of each picture's file, uint8 [pictures, 32], split after split."""

    def makers(self, wanted: Sequence[Rows]) -> Iterator[tuple[Rows, PictureMaker]]:
        """Yield each of `wanted` with the maker of its examples."""
        class_of = {name: number for number, name in enumerate(self.header.class_names)}
        first = dict(zip(SPLITS, np.cumsum([0, *map(len, self.splits.values())]), strict=False))
        for rows in wanted:
            pictures = tuple(self.splits[rows.split][rows.start : rows.stop])
            number = int(first[rows.split]) + rows.start
            yield rows, PictureMaker(pictures, rows.start, number, self.layout, class_of)

    def fingerprints(self, index: np.ndarray) -> Fingerprints:
        """Return the hashes of the files of the pictures `index`."""
        return Fingerprints(index, self.sha256[index])


def recipe(splits: Mapping[str, Sequence[Picture]], facts: Imported) -> PictureRecipe:
    """Return the recipe of the pictures in `splits`.

    Raises:
        UsageError: a picture cannot be read, has a different size, or a class that is not in
            `facts.class_names`; too many classes or objects.
    """
    every = [picture for split in SPLITS for picture in splits[split]]
    _check(every, facts)
    height, width = facts.size or _common_size(every)
    most = max(1, *(len(picture.labels) for picture in every))
    sizes = {split: len(splits[split]) for split in SPLITS}
    layout = Layout((facts.channels, height, width), most, len(facts.class_names), sizes)
    hashes = [hashlib.sha256(_content(picture)).digest() for picture in every]
    notes = _class_notes(splits, facts.class_names)
    if not any(picture.boxes for picture in every):
        notes.insert(0, "Boxes are unknown: each object has the box of the whole image.")
    header = Header(
        name=facts.name,
        version=VERSION,
        class_names=facts.class_names,
        config=facts.config,
        seed=facts.seed,
        source=facts.source,
        source_sha256=hashlib.sha256(b"".join(hashes)).hexdigest(),
        generator_version=VERSION,
        license=facts.license,
        citation=facts.citation,
        notes=tuple(notes),
    )
    ordered = {split: splits[split] for split in SPLITS}
    return PictureRecipe(
        header, layout, ordered, np.frombuffer(b"".join(hashes), "u1").reshape(-1, 32)
    )


def load(picture: Picture, shape: tuple[int, int, int]) -> tuple[np.ndarray, tuple[float, float]]:
    """Return a picture's pixels, uint8 [C, H, W], and its scale (horizontal, vertical).

    Raises:
        UsageError: it cannot be decoded, or has more than 8 bits per channel.
    """
    from PIL import Image

    channels, height, width = shape
    try:
        with Image.open(picture.path) as file:
            if file.mode.startswith(_DEEP):
                raise UsageError(
                    f"{picture.path} has more than 8 bits per channel (Pillow's mode {file.mode}), "
                    "which is not supported: convert it to 8 bits"
                )
            scale = width / file.width, height / file.height
            image = file.convert(_MODES[channels])
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BILINEAR)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(f"{picture.path} cannot be decoded ({error})") from error
    pixels = np.asarray(image).reshape(height, width, channels)
    return pixels.transpose(2, 0, 1), scale


def _boxes(picture: Picture, scale: tuple[float, float], shape: tuple[int, int, int]) -> np.ndarray:
    """Return the boxes in the image, int16 [objects, 4]: every pixel that they touch."""
    _, height, width = shape
    if not picture.boxes:
        return np.tile(np.array([0, 0, width, height], np.int16), (len(picture.labels), 1))
    boxes = np.array(picture.boxes) * np.tile(scale, 2)
    limit = np.array([width, height])
    low = np.clip(np.floor(boxes[:, :2]), 0, limit - 1)
    high = np.clip(np.ceil(boxes[:, 2:]), low + 1, limit)
    return np.concatenate([low, high], 1).astype(np.int16)


def _class_notes(splits: Mapping[str, Sequence[Picture]], class_names: Sequence[str]) -> list[str]:
    """Return warnings about classes that are missing from all splits, or from train."""
    number_of = {name: number for number, name in enumerate(class_names)}
    occurring = {
        split: {number_of[label] for picture in pictures for label in picture.labels}
        for split, pictures in splits.items()
    }
    return class_warnings(occurring, class_names, "leave it out of --class-names")


def _check(pictures: Sequence[Picture], facts: Imported) -> None:
    known = set(facts.class_names)
    if len(known) > MOST_CLASSES:
        raise UsageError(f"{len(known)} classes: a dataset file holds at most {MOST_CLASSES}")
    for picture in pictures:
        if picture.path.exists() and not picture.path.is_file():  # a pipe would block
            raise UsageError(f"{picture.path} is not a regular file: name a picture")
        if unknown := [label for label in picture.labels if label not in known]:
            raise UsageError(
                f"{picture.path} has the class {unknown[0]!r}, which is not in --class-names"
            )
        if len(picture.labels) > MOST_OBJECTS:
            raise UsageError(
                f"{picture.path} has {len(picture.labels)} objects: at most {MOST_OBJECTS} fit"
            )


def _common_size(pictures: Sequence[Picture]) -> tuple[int, int]:
    from PIL import Image

    first: tuple[int, int] | None = None
    for picture in pictures:
        try:
            with Image.open(picture.path) as file:
                size = file.height, file.width
        except OSError as error:
            raise UsageError(f"{picture.path} cannot be opened ({error})") from error
        if first is not None and size != first:
            raise UsageError(
                f"{picture.path} has {size[1]} x {size[0]} pixels, {pictures[0].path} has "
                f"{first[1]} x {first[0]}: give all images one size with --size"
            )
        first = size
    assert first is not None
    return first


def _content(picture: Picture) -> bytes:
    try:
        return picture.path.read_bytes()
    except OSError as error:
        raise UsageError(f"{picture.path} cannot be read ({error.strerror})") from error
