"""What a PNG says of itself, without decoding it (PNG specification, 5: datastream structure)."""

from __future__ import annotations

import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">8sI4sII")


def size(content: bytes) -> tuple[int, int]:
    """Return (width, height) in pixels as the header says, or (0, 0) where there is no header."""
    if len(content) < _HEADER.size:
        return 0, 0
    signature, length, kind, width, height = _HEADER.unpack_from(content)
    known = (signature, length, kind) == (_SIGNATURE, 13, b"IHDR")
    return (width, height) if known else (0, 0)


def is_whole(content: bytes) -> bool:
    """Return whether every chunk is there and as its checksum says, pixels among them."""
    if 0 in size(content):
        return False
    view, at, kinds = memoryview(content), len(_SIGNATURE), set()
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        end = at + 8 + length
        if end + 4 > len(content):
            return False
        if zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            return False
        kind = bytes(view[at + 4 : at + 8])
        if kind == b"IEND":
            return b"IDAT" in kinds
        kinds.add(kind)
        at = end + 4
    return False
