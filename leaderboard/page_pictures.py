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
    from PIL import Image, UnidentifiedImageError

    if file.stat().st_size > LARGEST_FILE:
        return None
    try:
        with Image.open(file) as image:
            small = image.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
    small.thumbnail((WIDTH, 10 * WIDTH), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.quantize(32).save(buffer, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
