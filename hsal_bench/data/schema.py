"""The format of a dataset file, and the hash of its content.

One HDF5 file holds a dataset: the groups `train`, `valid` and `test`, each with the arrays of
`Layout.arrays`, and the root attributes of `Header`. This module defines them; `file` reads them,
`writer` writes them, `verify` checks them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hsal_bench.hashes import check_sha256
from hsal_bench.text import shown

SCHEMA_VERSION = 1
SPLITS = ("train", "valid", "test")
PAD = -1
HASH_ROWS = 512

MOST_OBJECTS = 255
"""Labels are counted in uint8."""
MOST_PIXELS = 2**15 - 1
"""Boxes are kept in int16."""
MOST_IMAGES = 2**31 - 1
MOST_SEED = 2**63 - 1
"""The file keeps the seed as a signed 64-bit number."""

MOST_NAME = 100
"""Characters of a dataset's name, and of a class's."""
MOST_TEXT = 2**16
"""Characters of any other text of a header."""
MOST_CLASSES = 127
"""Labels are kept in int8."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")

Examples = dict[str, np.ndarray]


@dataclass(frozen=True)
class Layout:
    """The shapes that all examples of a dataset share.

    `image_shape` is (channels, height, width); `max_objects` (K) is the most objects of one
    image; `sizes` gives the number of examples of each split.
    """

    image_shape: tuple[int, int, int]
    max_objects: int
    num_classes: int
    sizes: Mapping[str, int]

    def arrays(self) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
        """Return, for each array of a split, its type and the shape of one row.

        images: uint8 (C, H, W). labels: int8 (K), one per object. counts: uint8 (num_classes),
        the multiset. boxes: int16 (K, 4), x0 y0 x1 y1 in pixels, half-open, tight around the
        object's ink. source_index: int32 (K), which glyph of the source made the object.
        labels, boxes and source_index are padded with -1.
        """
        K = self.max_objects
        return {
            "images": (np.dtype("u1"), self.image_shape),
            "labels": (np.dtype("i1"), (K,)),
            "counts": (np.dtype("u1"), (self.num_classes,)),
            "boxes": (np.dtype("<i2"), (K, 4)),
            "source_index": (np.dtype("<i4"), (K,)),
        }

    @property
    def chunk_rows(self) -> int:
        """Images per chunk: the power of two that brings a chunk nearest to 1 MiB."""
        image_bytes = int(np.prod(self.image_shape))
        return 2 ** max(0, min(9, round(float(np.log2(2**20 / image_bytes)))))


@dataclass(frozen=True)
class Header:
    """The root attributes of a dataset file.

    `config` is everything needed to generate the dataset again: {"generator": its name, and every
    field of its spec}. `source` names the glyphs or photographs, `source_sha256` is the hash of
    their content. `notes`: remarks about the source, such as skipped pictures and the reasons.
    """

    name: str
    version: str
    class_names: tuple[str, ...]
    config: Mapping[str, Any]
    seed: int
    source: str
    source_sha256: str
    generator_version: str
    license: str
    citation: str
    content_sha256: str = ""
    schema_version: int = SCHEMA_VERSION
    notes: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int:
        """Number of classes, without the stop class."""
        return len(self.class_names)

    def attributes(self) -> dict[str, Any]:
        """Return the header as HDF5 attributes (text and whole numbers only)."""
        values = {**self.__dict__, "num_classes": self.num_classes}
        for name in ("class_names", "notes"):
            values[name] = json.dumps(list(values[name]))
        values["config"] = json.dumps(self.config, sort_keys=True)
        return values

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> Header:
        """Return the header with these attributes.

        Raises:
            KeyError, TypeError, ValueError: an attribute is missing or invalid.
        """
        # A file may have no notes.
        present = {"notes": "[]", **attributes}
        values = {name: present[name] for name in cls.__dataclass_fields__}
        _check_texts(values)
        for name in ("class_names", "notes"):
            values[name] = tuple(json.loads(values[name]))
        values["config"] = json.loads(values["config"])
        if not isinstance(values["config"], dict):
            raise ValueError("config is not a JSON object")
        if not isinstance(values["config"].get("generator", ""), str):
            raise ValueError(f"config.generator is {values['config']['generator']!r}, not a name")
        values["seed"] = int(values["seed"])
        values["schema_version"] = int(values["schema_version"])
        if int(attributes["num_classes"]) != len(values["class_names"]):
            raise ValueError("num_classes differs from the number of class_names")
        check_sha256({"content_sha256": values["content_sha256"]})
        check_name(values["name"])
        _check_lines("notes", values["notes"], MOST_TEXT)
        _check_lines("class_names", values["class_names"], MOST_NAME)
        if not 1 <= len(values["class_names"]) <= MOST_CLASSES:
            raise ValueError(f"class_names has {len(values['class_names']):,} names")
        return cls(**values)


def check_name(name: str) -> None:
    """Check that a dataset's name is safe as a part of a path.

    Raises:
        ValueError: it does not start with a letter or digit, has other characters than letters,
            digits and `._+-`, or has more than `MOST_NAME`.
    """
    if len(name) > MOST_NAME or not _NAME.fullmatch(name):
        raise ValueError(
            f"name is {shown(name, MOST_NAME)!r}: at most {MOST_NAME} letters, digits and ._+- are "
            "allowed, a letter or digit first"
        )


def _check_texts(values: Mapping[str, Any]) -> None:
    """Raises TypeError, ValueError: an attribute is not of its type, or a text is too long."""
    for name, value in values.items():
        if name in ("seed", "schema_version"):
            continue
        if not isinstance(value, str):
            raise TypeError(f"{name} is not a text")
        if len(value) > MOST_TEXT:
            raise ValueError(f"{name} has {len(value):,} characters, more than {MOST_TEXT:,}")


def _check_lines(name: str, lines: tuple[Any, ...], most: int) -> None:
    for line in lines:
        if not isinstance(line, str) or len(line) > most or not line.isprintable():
            raise ValueError(f"{name} has {shown(str(line), 40)!r}, not a line of text")


_COLUMNS = {"index": ("<i4", ()), "sha256": ("|u1", (32,)), "corner": ("<i2", (2,))}
"""Type and shape of a row of each column of `Fingerprints`."""


@dataclass(frozen=True)
class Fingerprints:
    """Hashes of the content of G glyphs or photographs.

    index: int32 [G], ascending, as in `source_index`. sha256: uint8 [G, 32]. corner: int16 [G, 2]
    or None. Two glyphs are equal if both `sha256` and `corner` are. Glyphs that differ only by a
    shift have the same `sha256` and different corners.
    """

    index: np.ndarray
    sha256: np.ndarray
    corner: np.ndarray | None = None

    def columns(self) -> dict[str, np.ndarray]:
        """Return the arrays by name, little-endian, without those that are None."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            name: np.ascontiguousarray(array, _COLUMNS[name][0])
            for name, array in values.items()
            if array is not None
        }

    @property
    def digest(self) -> str:
        """Hash of all columns."""
        digest = hashlib.sha256()
        for name, array in self.columns().items():
            digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(array.data)
        return digest.hexdigest()

    @property
    def well_formed(self) -> bool:
        """Whether every column has one row per glyph, and the glyphs are in ascending order."""
        rows = len(self.index)
        return bool((np.diff(self.index) > 0).all()) and all(
            array.shape == (rows, *_COLUMNS[name][1]) for name, array in self.columns().items()
        )


def run_digests(array: np.ndarray) -> list[bytes]:
    """Return the SHA-256 of each run of `HASH_ROWS` rows, C order, little-endian."""
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return [
        hashlib.sha256(array[start : start + HASH_ROWS].data).digest()
        for start in range(0, len(array), HASH_ROWS)
    ]


def content_sha256(layout: Layout, digests: Mapping[tuple[str, str], Iterable[bytes]]) -> str:
    """Return the hash of a dataset's decoded arrays.

    `digests` maps (split, array name) to the digests of its runs of rows, in order. Runs are
    hashed separately so that workers can do it in parallel. The hash does not depend on the file's
    bytes (compression, HDF5 version).
    """
    content = hashlib.sha256()
    for split in SPLITS:
        for name, (dtype, row_shape) in layout.arrays().items():
            shape = (layout.sizes[split], *row_shape)
            content.update(f"{split}/{name} {dtype.str} {shape}\n".encode())
            for digest in digests[split, name]:
                content.update(digest)
    return content.hexdigest()
