"""Attention pictures, small enough to be part of the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from pathlib import Path

from .page_rows import Row

NAME = "attention.png"
WIDTH = 1000
LARGEST_FILE = 8 * 2**20
"""Bytes."""
LARGEST_PICTURE = 40 * 10**6
"""Pixels, however few bytes they are packed in."""
LARGEST_ALL = 2**20
"""Bytes of all pictures on a page."""


def pictures(rows: Iterable[Row]) -> dict[str, str]:
    """Return, by a row's anchor, the picture beside its first record that has one, as a data URI.

    They are given until `LARGEST_ALL` is reached; what is no picture is passed over.
    """
    found: dict[str, str] = {}
    for row in rows:
        files = (entry.path.with_name(NAME) for entry in row.runs)
        file = next((file for file in files if file.is_file()), None)
        uri = data_uri(file) if file else None
        if uri and sum(map(len, found.values())) + len(uri) <= LARGEST_ALL:
            found[row.anchor] = uri
    return found


def data_uri(file: Path) -> str | None:
    """Return a picture, drawn anew at most `WIDTH` wide, as a data URI; None where it is none."""
    from PIL import Image

    if file.stat().st_size > LARGEST_FILE:
        return None
    try:
        with Image.open(file) as image:
            if image.width * image.height > LARGEST_PICTURE:
                return None
            small = image.convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return None  # a broken PNG is a SyntaxError to Pillow
    small.thumbnail((WIDTH, 10 * WIDTH), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "webp", quality=70)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
