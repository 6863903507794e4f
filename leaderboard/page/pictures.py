"""Attention pictures, small enough to be part of the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .sections import Row

NAME = "attention.png"
WIDTH = 1000
LARGEST_FILE = 8 * 2**20
"""Bytes."""
LARGEST_PICTURE = 40 * 10**6
"""Pixels, however few bytes they are packed in."""
LARGEST_ALL = 2**20
"""Bytes of all pictures on a page."""


@dataclass(frozen=True)
class Pictures:
    """By a row's anchor: its picture as a data URI, or why the one that it has is left out."""

    shown: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


class _LeftOut(Exception):  # noqa: N818 - an outcome of reading a picture
    """Raised with why a picture is not shown."""


def pictures(rows: Iterable[Row]) -> Pictures:
    """Return the picture beside the first record of each row that has one.

    They are given until `LARGEST_ALL` is reached.
    """
    shown: dict[str, str] = {}
    left_out = {}
    for row in rows:
        files = (entry.path.with_name(NAME) for entry in row.entries)
        file = next((file for file in files if file.is_file()), None)
        if file is None:
            continue
        try:
            uri = data_uri(file)
            if sum(map(len, shown.values())) + len(uri) > LARGEST_ALL:
                raise _LeftOut(f"with it, the pictures would be more than {LARGEST_ALL:,} bytes")
            shown[row.anchor] = uri
        except _LeftOut as reason:
            left_out[row.anchor] = str(reason)
    return Pictures(shown, left_out)


def data_uri(file: Path) -> str:
    """Return a picture, drawn anew at most `WIDTH` wide, as a data URI."""
    from PIL import Image

    if file.stat().st_size > LARGEST_FILE:
        raise _LeftOut(f"{file.name} has more than {LARGEST_FILE:,} bytes")
    try:
        with Image.open(file) as image:
            if image.width * image.height > LARGEST_PICTURE:
                raise _LeftOut(f"{file.name} has more than {LARGEST_PICTURE:,} pixels")
            small = image.convert("RGB")
    except Image.DecompressionBombError:
        raise _LeftOut(f"{file.name} has more than {LARGEST_PICTURE:,} pixels") from None
    except (OSError, SyntaxError):  # a broken PNG is a SyntaxError to Pillow
        raise _LeftOut(f"{file.name} is no picture that can be read") from None
    small.thumbnail((WIDTH, 10 * WIDTH), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "webp", quality=70)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
