"""Contact sheets: images of a dataset with their boxes, labels and multisets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from hsal_bench.data.file import DataFile
from hsal_bench.data.schema import PAD
from hsal_bench.files import replacing
from hsal_bench.report.figures import style

_GROUND, _TEXT = "#dcdcdc", "black"  # distinct from dark and from white images
_MARGIN, _CAPTION, _LINE = 6, 18, 16

PICTURES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".gif": "GIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".pdf": "PDF",
}
"""Pillow's formats by suffix."""

Line = tuple[str, str]
"""A text and its colour."""


@dataclass(frozen=True)
class _Example:
    """One picture: image uint8 [C, H, W]; boxes int16 [K, 4]; the labels, without padding.

    lines: written below the title and the labels.
    """

    title: str
    image: np.ndarray
    boxes: np.ndarray
    labels: list[int]
    lines: Sequence[Line] = ()


def contact_sheet(
    data: DataFile,
    split: str,
    indices: Sequence[int],
    *,
    columns: int = 8,
    scale: int = 2,
    title: str = "",
    lines: Sequence[Sequence[Line]] = (),
) -> Image.Image:
    """Return the examples `indices` of a split as an RGB grid of `columns` pictures.

    Each picture is enlarged `scale` times, with its boxes and labels in the colour of the class.
    Below it are "SPLIT INDEX  {labels}" and its `lines`, the same number for each picture. The
    title is above the grid.
    """
    examples = data.examples(split, np.asarray(indices, dtype=np.intp))
    tiles = [
        _tile(
            _Example(
                f"{split} {index}",
                examples["images"][i],
                examples["boxes"][i],
                examples["labels"][i][examples["labels"][i] != PAD].tolist(),
                lines[i] if lines else (),
            ),
            data.header.class_names,
            scale,
        )
        for i, index in enumerate(indices)
    ]
    sheet = _grid(tiles, columns)
    return _titled(sheet, title) if title else sheet


def save(sheet: Image.Image, path: Path, form: str) -> None:
    """Write the picture to `path` in one of Pillow's formats, such as those of `PICTURES`."""
    with replacing(path) as temporary:
        sheet.save(temporary, format=form)


def _tile(example: _Example, class_names: Sequence[str], scale: int) -> Image.Image:
    _, height, width = example.image.shape
    picture = Image.fromarray(style.as_pixels(example.image)).convert("RGB")
    picture = picture.resize((width * scale, height * scale), Image.Resampling.NEAREST)
    size = min(max(11, 7 * scale), 28)
    for number, (label, box) in enumerate(zip(example.labels, example.boxes, strict=False)):
        colour = style.CLASSES[label % len(style.CLASSES)]
        row = int((example.boxes[:number] == box).all(axis=1).sum())
        _draw_object(picture, box * scale, class_names[label], colour, size, row)
    truth = f"{example.title}  {style.multiset(example.labels, class_names)}"
    return _caption(picture, [(truth, _TEXT), *example.lines])


def _draw_object(
    picture: Image.Image, box: np.ndarray, name: str, colour: str, size: int, row: int
) -> None:
    """Draw a box and its label; row: how many labels of the same box are above it."""
    draw, font = ImageDraw.Draw(picture), style.font(size)
    x0, y0, x1, y1 = (int(side) for side in box)
    # Just outside the half-open box, so that the line hides no pixel of the object.
    draw.rectangle((x0 - 1, y0 - 1, x1, y1), outline=colour)
    left, top, right, bottom = draw.textbbox((0, 0), name, font=font)
    width, height = right - left + 4, bottom - top + 4
    if y0 >= height:  # above the box, or next to it if there is no room above
        x, y = min(max(x0 - 1, 0), picture.width - width), y0 - height
    else:
        x, y = (x1 + 1 if x1 + 1 + width <= picture.width else max(x0 - 1 - width, 0)), y0
    y += row * (size + 5)
    draw.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
    draw.text((x + 2 - left, y + 2 - top), name, fill="black", font=font)


def _caption(picture: Image.Image, lines: Sequence[Line]) -> Image.Image:
    height = picture.height + _CAPTION + _LINE * (len(lines) - 1)
    tile = Image.new("RGB", (picture.width, height), _GROUND)
    tile.paste(picture)
    for number, (text, colour) in enumerate(lines):
        _write(tile, (1, picture.height + 2 + number * _LINE), text, colour)
    return tile


def _titled(sheet: Image.Image, title: str) -> Image.Image:
    titled = Image.new("RGB", (sheet.width, sheet.height + _CAPTION), _GROUND)
    titled.paste(sheet, (0, _CAPTION))
    _write(titled, (_MARGIN, 4), title, _TEXT)
    return titled


def _write(picture: Image.Image, at: tuple[int, int], text: str, colour: str) -> None:
    """Write a line in the largest font that fits the picture's width."""
    size = 12
    while size > 7 and at[0] + style.font(size).getlength(text) > picture.width:
        size -= 1
    ImageDraw.Draw(picture).text(at, text, fill=colour, font=style.font(size))


def _grid(tiles: list[Image.Image], columns: int) -> Image.Image:
    width = max(tile.width for tile in tiles) + _MARGIN
    height = max(tile.height for tile in tiles) + _MARGIN
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * width + _MARGIN, rows * height + _MARGIN), _GROUND)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        sheet.paste(tile, (_MARGIN + column * width, _MARGIN + row * height))
    return sheet
