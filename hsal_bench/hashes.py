"""SHA-256 hashes as text."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hsal_bench.text import shown

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHOWN = 40


def check_sha256(hashes: Mapping[str, str | None]) -> None:
    """Refuse a text that is no SHA-256 as `hashlib` writes it."""
    for name, text in hashes.items():
        if text is not None and not is_sha256(text):
            value = shown(text, _SHOWN)
            raise ValueError(f"{name} is '{value}': it must be 64 digits 0-9 and a-f, a SHA-256")


def is_sha256(text: str) -> bool:
    """Whether a text is a SHA-256 as `hashlib` writes it."""
    return _SHA256.fullmatch(text) is not None
