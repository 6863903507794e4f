"""Which test examples were predicted exactly, as a record stores it: packed bits."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Correct:
    """Which test examples were predicted exactly: bits, highest bit first, as base64."""

    length: int
    bits: str

    def __post_init__(self) -> None:
        try:
            size = len(base64.b64decode(self.bits, validate=True))
        except binascii.Error as error:
            raise ValueError(f"bits is not base64 ({error})") from error
        if size != -(-self.length // 8):
            raise ValueError(f"bits has {size} bytes: wrong for {self.length} examples")

    @property
    def right(self) -> int:
        """Number of examples that were predicted exactly."""
        packed = base64.b64decode(self.bits)
        # Without numpy, which is slow to import; the last byte may be longer than the examples.
        return (int.from_bytes(packed, "big") >> 8 * len(packed) - self.length).bit_count()


def pack_correct(correct: np.ndarray) -> Correct:
    """Return a bool array [N] in the form that a record stores."""
    import numpy as np

    bits = np.packbits(np.asarray(correct, dtype=bool))
    return Correct(len(correct), base64.b64encode(bits.tobytes()).decode("ascii"))


def unpack_correct(correct: Correct) -> np.ndarray:
    """Return the bool array [N] that `pack_correct` packed."""
    import numpy as np

    packed = np.frombuffer(base64.b64decode(correct.bits), dtype=np.uint8)
    return np.unpackbits(packed, count=correct.length).astype(bool)
