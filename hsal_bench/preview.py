"""A contact sheet: images of a data set with their boxes, labels and multisets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hsal_bench.datafile import DataFile
from hsal_bench.errors import UsageError
from hsal_bench.files import replacing, writable_folder
from hsal_bench.schema import PAD

# The colours of Okabe and Ito (https://jfly.uni-koeln.de/color/), which people with any colour
# vision tell apart; their black gives way to white and their blue is lighter, as the ground is
# black; two pale ones make ten. Further classes begin anew: the label is written beside its box.
PALETTE = (
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#3F7FE8",
    "#D55E00",
    "#CC79A7",
    "#FFFFFF",
    "#FFC0CB",
    "#9AD9C0",
)
_GROUND, _TEXT = "#202020", "#F0F0F0"
_MARGIN = 6


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
    channels, height, width = example.image.shape
    pixels = example.image[0] if channels == 1 else example.image.transpose(1, 2, 0)
    picture = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    picture = picture.resize((width * scale, height * scale), Image.Resampling.NEAREST)
    font = ImageFont.load_default(size=min(max(11, 7 * scale), 28))
    for label, box in zip(example.labels, example.boxes, strict=False):
        _draw_object(picture, box * scale, class_names[label], PALETTE[label % len(PALETTE)], font)
    names = ", ".join(class_names[label] for label in sorted(example.labels))
    return _caption(picture, f"{example.title}  {{{names}}}")


def _draw_object(
    picture: Image.Image,
    box: np.ndarray,
    name: str,
    colour: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    draw = ImageDraw.Draw(picture)
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
    size = 13
    font = ImageFont.load_default(size=size)
    while size > 7 and font.getlength(text) > picture.width:
        size -= 1
        font = ImageFont.load_default(size=size)
    tile = Image.new("RGB", (picture.width, picture.height + 18), _GROUND)
    tile.paste(picture)
    ImageDraw.Draw(tile).text((1, picture.height + 1), text, fill=_TEXT, font=font)
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
