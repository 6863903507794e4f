"""From a photograph to an image of the dataset: decode, crop, resize, transform the boxes.

The crop is the union of the digits' boxes, enlarged, within the picture. Boxes are half-open
(x0, y0, x1, y1) from the picture's top left corner, as in the publishers' own viewer.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from hsal_bench.data.schema import PAD
from hsal_bench.errors import UsageError

COLOURS = {"rgb": ("RGB", 3), "grey": ("L", 1)}
"""Pillow's mode and the number of channels."""
MOST_PIXELS = 50_000_000
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")


UNREADABLE = "an unreadable PNG"
SIXTEEN_BITS = "16-bit grey, which is not supported"


class _UnreadableError(Exception):
    """Pillow cannot decode a picture, or only into an unsupported mode.

    kind: what is wrong in a few words, the same for all such pictures.
    """

    def __init__(self, message: str, kind: str = UNREADABLE) -> None:
        super().__init__(message)
        self.kind = kind


def measure(content: bytes, origin: str) -> tuple[int, int, str]:
    """Return (width, height, "") of a PNG in pixels, or of one that `photograph` cannot read 0, 0
    and what is wrong with it.

    It is decoded completely: correct headers and checksums do not prove that this works. `origin`
    names the picture in errors.

    Raises:
        UsageError: it has more than `MOST_PIXELS`; it was not decoded.
    """
    try:
        width, height = _decoded(content, origin).size
    except _UnreadableError as error:
        return 0, 0, error.kind
    return width, height, ""


def clip_boxes(boxes: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes clipped to their pictures, and which of them lie completely outside.

    boxes: float64 [N, K, 4], left, top, width, height as published, padded with NaN. sizes: int
    [N, 2], the pictures' widths and heights. Returned: float64 [N, K, 4] as x0, y0, x1, y1, padded
    likewise, and bool [N, K], False for the padding.
    """
    corners = np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)
    clipped = np.clip(corners, 0, np.tile(sizes, 2)[:, None])
    return clipped, (clipped[..., :2] >= clipped[..., 2:]).any(axis=-1)


def crops(boxes: np.ndarray, sizes: np.ndarray, grow: float) -> np.ndarray:
    """Return each picture's crop, int32 [N, 4]: the union of its boxes, enlarged, clipped.

    boxes: as `clip_boxes` returns them, at least one per picture. sizes: int [N, 2], widths and
    heights. grow: share of its side by which the union is enlarged, half of it at each end.
    """
    low, high = np.nanmin(boxes[..., :2], axis=1), np.nanmax(boxes[..., 2:], axis=1)
    margin = (high - low) * grow / 2
    low, high = np.floor(low - margin), np.ceil(high + margin)
    return np.concatenate([np.maximum(low, 0), np.minimum(high, sizes)], axis=1).astype(np.int32)


def resize_boxes(boxes: np.ndarray, crops: np.ndarray, resolution: int) -> np.ndarray:
    """Return the boxes in the crops after resizing to squares: int16 [N, K, 4], padded with -1.

    A box holds every pixel that the digit's box touches: at least one, within the square.
    """
    corner = crops[:, None, :2]
    scale = resolution / (crops[:, None, 2:] - corner)
    low = np.clip(np.floor((boxes[..., :2] - corner) * scale), 0, resolution - 1)
    high = np.clip(np.ceil((boxes[..., 2:] - corner) * scale), low + 1, resolution)
    carried = np.concatenate([low, high], axis=-1)
    return np.where(np.isnan(carried), PAD, carried).astype(np.int16)


def photograph(
    content: bytes, crop: Sequence[int], resolution: int, colour: str, origin: str
) -> np.ndarray:
    """Return the crop x0, y0, x1, y1 of a PNG resized to a square, uint8 [C, side, side].

    The resize is bilinear, widened where it shrinks (no aliasing), in Pillow's fixed-point
    arithmetic: the same on every machine. Transparency is dropped; the colours below it stay.
    `origin` names the picture in errors.

    Raises:
        UsageError: it cannot be decoded, has an unsupported mode (such as 16 bits), or has more
            than `MOST_PIXELS`.
    """
    from PIL import Image

    mode, channels = COLOURS[colour]
    try:
        picture = _decoded(content, origin).convert(mode)
    except _UnreadableError as error:
        remedy = "convert it to 8 bits" if error.kind == SIXTEEN_BITS else "use the published files"
        raise UsageError(f"{origin} cannot be decoded ({error}): {remedy}") from error
    x0, y0, x1, y1 = crop
    small = picture.crop((x0, y0, x1, y1)).resize((resolution,) * 2, Image.Resampling.BILINEAR)
    pixels = np.asarray(small).reshape(resolution, resolution, channels)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _decoded(content: bytes, origin: str) -> Any:
    """Return a PNG as a Pillow image in one of `_MODES`, without transparency."""
    from PIL import PngImagePlugin

    try:
        # Not Image.open, which has its own, different limit of pixels.
        picture = PngImagePlugin.PngImageFile(io.BytesIO(content))
        if 0 in picture.size:
            raise _UnreadableError("it has no pixels")
        _check_size(picture.size, origin)
        picture.load()
    except (_UnreadableError, UsageError, MemoryError):
        raise
    except Exception as error:  # Pillow raises many kinds of errors
        raise _UnreadableError(str(error)) from error
    if picture.mode not in _MODES:
        # Pillow reads 16 bits of colour as 8; of grey it keeps them, in the modes I and I;16.
        raise _UnreadableError(SIXTEEN_BITS, SIXTEEN_BITS)
    picture.info.pop("transparency", None)
    return picture


def _check_size(size: tuple[int, int], origin: str) -> None:
    width, height = size
    if width * height > MOST_PIXELS:
        raise UsageError(
            f"{origin} has {width:,} x {height:,} pixels, more than {MOST_PIXELS:,}: "
            "use the published pictures"
        )
