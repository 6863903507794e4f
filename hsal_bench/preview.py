"""A contact sheet: images of a data set with their boxes, labels and multisets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from hsal_bench import style
from hsal_bench.datafile import DataFile
from hsal_bench.errors import UsageError
from hsal_bench.files import replacing, writable_folder
from hsal_bench.schema import PAD

_GROUND, _TEXT = "white", "black"
_MARGIN, _CAPTION = 6, 18


@dataclass(frozen=True)
class _Example:
    """One picture: image uint8 [C, H, W]; boxes int16 [K, 4]; the labels, without padding."""

    title: str
    image: np.ndarray
    boxes: np.ndarray
    labels: list[int]


def contact_sheet(
    data: DataFile, split: str, indices: Sequence[int], *, columns: int = 8, scale: int = 2
) -> Image.Image:
    """Return the examples `indices` of a split as an RGB grid of `columns` pictures.

    Each picture is enlarged `scale` times, has its boxes and labels drawn in the colour of the
    class, and "SPLIT INDEX  {labels}" below it.
    """
    examples = data.examples(split, np.asarray(indices, dtype=np.intp))
    tiles = [
        _tile(
            _Example(
                f"{split} {index}",
                examples["images"][i],
                examples["boxes"][i],
                examples["labels"][i][examples["labels"][i] != PAD].tolist(),
            ),
            data.header.class_names,
            scale,
        )
        for i, index in enumerate(indices)
    ]
    return _grid(tiles, columns)


def save(sheet: Image.Image, path: Path) -> None:
    """Write the picture to `path`, in the format its suffix says.

    Raises:
        UsageError: no picture has that suffix, or the folder cannot be written in.
    """
    formats = Image.registered_extensions()
    if path.suffix.lower() not in formats:
        raise UsageError(f"{path} has no picture's suffix: call it {path.with_suffix('.png')}")
    writable_folder(path.parent)
    with replacing(path) as temporary:
        sheet.save(temporary, format=formats[path.suffix.lower()])


def _tile(example: _Example, class_names: Sequence[str], scale: int) -> Image.Image:
    _, height, width = example.image.shape
    picture = Image.fromarray(style.shown(example.image)).convert("RGB")
    picture = picture.resize((width * scale, height * scale), Image.Resampling.NEAREST)
    size = min(max(11, 7 * scale), 28)
    for label, box in zip(example.labels, example.boxes, strict=False):
        colour = style.CLASSES[label % len(style.CLASSES)]
        _draw_object(picture, box * scale, class_names[label], colour, size)
    return _caption(picture, f"{example.title}  {style.multiset(example.labels, class_names)}")


def _draw_object(picture: Image.Image, box: np.ndarray, name: str, colour: str, size: int) -> None:
    draw, font = ImageDraw.Draw(picture), style.font(size)
    x0, y0, x1, y1 = (int(side) for side in box)
    # Drawn just around the half-open box, so that the line hides none of the object's ink.
    draw.rectangle((x0 - 1, y0 - 1, x1, y1), outline=colour)
    left, top, right, bottom = draw.textbbox((0, 0), name, font=font)
    width, height = right - left + 4, bottom - top + 4
    if y0 >= height:  # above the box, or beside it where there is no room above
        x, y = min(max(x0 - 1, 0), picture.width - width), y0 - height
    else:
        x, y = (x1 + 1 if x1 + 1 + width <= picture.width else max(x0 - 1 - width, 0)), y0
    draw.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
    draw.text((x + 2 - left, y + 2 - top), name, fill="black", font=font)


def _caption(picture: Image.Image, text: str) -> Image.Image:
    size = 12
    while size > 7 and style.font(size).getlength(text) > picture.width:
        size -= 1
    tile = Image.new("RGB", (picture.width, picture.height + _CAPTION), _GROUND)
    tile.paste(picture)
    draw = ImageDraw.Draw(tile)
    draw.text((1, picture.height + 2), text, fill=_TEXT, font=style.font(size))
    return tile


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
