"""Attention pictures, embedded in the page."""

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
"""Pixels, regardless of the file size."""
LARGEST_ALL = 2**20
"""Bytes of all pictures on a page."""


@dataclass(frozen=True)
class Pictures:
    """By a row's anchor: its picture as a data URI, or the reason it is left out."""

    shown: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


class _LeftOut(Exception):  # noqa: N818 - an outcome of reading a picture
    """The reason why a picture is not shown."""


def pictures(rows: Iterable[Row]) -> Pictures:
    """Return the picture next to the first record of each row that has one.

    Pictures that would exceed `LARGEST_ALL` are left out.
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
                raise _LeftOut(f"the pictures would exceed {LARGEST_ALL:,} bytes")
            shown[row.anchor] = uri
        except _LeftOut as reason:
            left_out[row.anchor] = str(reason)
    return Pictures(shown, left_out)


def data_uri(file: Path) -> str:
    """Return a picture, re-encoded and at most `WIDTH` wide, as a data URI."""
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
    except (OSError, SyntaxError):  # Pillow raises SyntaxError for a broken PNG
        raise _LeftOut(f"{file.name} is not a readable picture") from None
    small.thumbnail((WIDTH, 10 * WIDTH), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "webp", quality=70)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
