"""Reading labelled pictures from COCO files, CSV files and folders."""

from __future__ import annotations

import csv
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hsal_bench.data.schema import SPLITS
from hsal_bench.errors import UsageError, suggest
from hsal_bench.generators.own.pictures import Box, Picture, with_split
from hsal_bench.text import shown

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
_CORNERS = ("x0", "y0", "x1", "y1")


def read_coco(path: Path, images: Path) -> list[Picture]:
    """Return the pictures of a COCO file of detections; crowds are left out.

    Boxes are x, y, width, height there.

    Raises:
        UsageError: it is not such a file, or a picture is missing.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = {category["id"]: str(category["name"]) for category in content["categories"]}
        objects: dict[Any, list[tuple[str, Box]]] = defaultdict(list)
        for note in content["annotations"]:
            if not note.get("iscrowd"):
                x, y, width, height = map(float, note["bbox"])
                box = (x, y, x + width, y + height)
                objects[note["image_id"]].append((names[note["category_id"]], box))
        return [
            Picture(
                _file(images, picture["file_name"], str(path)),
                tuple(label for label, _ in objects[picture["id"]]),
                tuple(box for _, box in objects[picture["id"]]),
            )
            for picture in content["images"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise UsageError(f"{path} is not a COCO file of detections ({reason})") from error


def read_csv(path: Path, images: Path) -> list[Picture]:
    """Return the pictures of a CSV file with a header line.

    One line per picture with the columns image and labels ("3 3 7", or "cat;dog" with names that
    contain spaces), or one line per object with the columns image and label, and optionally x0, y0,
    x1, y1. A picture without objects has an empty label. An optional column split is train, valid
    or test.

    Raises:
        UsageError: a column or a picture is missing, or a line is invalid.
    """
    with _text_of(path), path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        if "image" not in columns or not {"label", "labels"} & set(columns):
            names = shown(", ".join(columns), 60) or "none"
            raise UsageError(
                f"{path} has the columns {names}: it needs image and label, "
                "one object per line, or image and labels, one picture per line"
            )
        several = "labels" in columns
        rows: dict[str, list[tuple[int, Mapping[str, str]]]] = defaultdict(list)
        for row in reader:
            rows[row["image"]].append((reader.line_num, row))
    read = _picture_line if several else _object_lines
    return [
        read(path, _file(images, name, f"{path} line {lines[0][0]}"), lines)
        for name, lines in rows.items()
    ]


def read_folder(path: Path, _: Path) -> list[Picture]:
    """Return the pictures of a folder: next to NAME.png, NAME.txt has one line per object.

    A line is a label, or a label and x0 y0 x1 y1 in pixels. A label of several words has no number
    among them. A picture without objects has an empty file. Sub-folders train, valid and test are
    the splits; else all pictures below the folder are one collection.

    Raises:
        UsageError: the folder has no pictures, a picture has no .txt, or a line is invalid.
    """
    if all((path / split).is_dir() for split in SPLITS):
        return [p for split in SPLITS for p in with_split(_folder(path / split), split)]
    return _folder(path)


READERS: Mapping[str, Callable[[Path, Path], list[Picture]]] = {
    "coco": read_coco,
    "csv": read_csv,
    "folder": read_folder,
}


@contextmanager
def _text_of(path: Path) -> Iterator[None]:
    """Turn errors of reading a text file into one that names it."""
    try:
        yield
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is not a text file in UTF-8 ({error}): convert it") from error


def _file(images: Path, name: str, where: str) -> Path:
    file = images / name
    if not file.is_file():
        raise UsageError(f"{where}: no picture {file}; name the folder of the pictures by --images")
    return file


def _picture_line(path: Path, image: Path, lines: list[tuple[int, Mapping[str, str]]]) -> Picture:
    (number, row), *more = lines
    if more:
        raise UsageError(
            f"{path} line {more[0][0]}: duplicate picture {row['image']}, first on line {number}"
        )
    text = row["labels"] or ""
    labels = text.split(";") if ";" in text else text.split()
    names = tuple(filter(None, map(str.strip, labels)))
    return Picture(image, names, split=_split(row, f"{path} line {number}"))


def _object_lines(path: Path, image: Path, lines: list[tuple[int, Mapping[str, str]]]) -> Picture:
    splits = {_split(row, f"{path} line {number}") for number, row in lines}
    if len(splits) > 1:
        raise UsageError(f"{path} line {lines[-1][0]}: {image.name} is in two splits")
    objects = [(number, row) for number, row in lines if (row["label"] or "").strip()]
    labels = tuple(row["label"].strip() for _, row in objects)
    boxes = tuple(_corners(row, f"{path} line {number}") for number, row in objects)
    return Picture(image, labels, _all_or_none(boxes, str(image)), splits.pop())


def _split(row: Mapping[str, str], where: str) -> str | None:
    split = row.get("split")
    if split is not None and split not in SPLITS:
        raise UsageError(f"{where}: no split {split!r}: {suggest(split, SPLITS)}")
    return split


def _corners(row: Mapping[str, str], where: str) -> Box | None:
    texts = [row.get(name) or "" for name in _CORNERS]
    return _box(texts, where) if any(texts) else None


def _box(texts: list[str], where: str) -> Box:
    if not all(map(_is_number, texts)):
        raise UsageError(f"{where}: a box is x0 y0 x1 y1 in pixels, not {texts}")
    x0, y0, x1, y1 = map(float, texts)
    return x0, y0, x1, y1


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _all_or_none(boxes: tuple[Box | None, ...], where: str) -> tuple[Box, ...]:
    known = tuple(box for box in boxes if box is not None)
    if known and len(known) < len(boxes):
        raise UsageError(f"{where}: some objects have a box and others have none")
    return known


def _folder(path: Path) -> list[Picture]:
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
    if not files:
        raise UsageError(f"{path} has no pictures ({', '.join(SUFFIXES)})")
    return [_with_objects(file) for file in files]


def _with_objects(file: Path) -> Picture:
    text = file.with_suffix(".txt")
    if not text.is_file():
        raise UsageError(
            f"label file {text} is missing: one label per line, or an empty file for no objects"
        )
    labels, boxes = [], []
    with _text_of(text):
        lines = text.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if line.strip():
            label, box = _object(line, f"{text} line {number}")
            labels.append(label)
            boxes.append(box)
    return Picture(file, tuple(labels), _all_or_none(tuple(boxes), str(text)))


def _object(line: str, where: str) -> tuple[str, Box | None]:
    """Return the label and the box of a line. A number in a label of several words is a mistake."""
    words = line.split()
    corners = words[-4:] if len(words) > 4 and all(map(_is_number, words[-4:])) else []
    label = words[: len(words) - len(corners)]
    if len(label) > 1 and any(map(_is_number, label)):
        raise UsageError(
            f'{where}: "{shown(line.strip(), 40)}" is neither LABEL nor LABEL x0 y0 x1 y1 '
            "(a label of several words has no number among them)"
        )
    return " ".join(label), _box(corners, where) if corners else None
