"""Writing an array to a .npy file block by block, resumably.

Until the array is complete it is in NAME.npy.part, with the SHA-256 of each block in
NAME.npy.blocks. An interrupted computation resumes after the last intact block.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from hsal_bench.interrupts import uninterrupted

ROWS = 256
"""Rows of a block."""

Compute = Callable[[int, int], np.ndarray]
"""(start, stop) -> rows start to stop, [stop - start, ...], always of one shape and dtype."""


def write_blocks(
    path: Path, rows: int, compute: Compute, report: Callable[[int], None] = lambda done: None
) -> None:
    """Write the array [rows, ...] that `compute` returns to `path`; resume if interrupted.

    Only one process at a time may write a path. `report` gets the number of finished rows. No
    memory map is used: with one, a full disk would kill the process instead of raising an error.
    """
    part, digests = (path.with_name(path.name + suffix) for suffix in (".part", ".blocks"))
    done, end = _intact(part, digests, rows)
    with part.open("r+b" if done else "wb") as file, digests.open("a") as log:
        file.truncate(end)
        file.seek(end)
        for start in range(done, rows, ROWS):
            block = np.ascontiguousarray(compute(start, min(start + ROWS, rows)))
            with uninterrupted():
                if start == 0:
                    _write_header(file, rows, block)
                file.write(block.data)
                file.flush()
                log.write(hashlib.sha256(block.data).hexdigest() + "\n")
                log.flush()
            report(start + len(block))
        os.fsync(file.fileno())
    with uninterrupted():
        part.replace(path)
        digests.unlink()


def _intact(part: Path, digests: Path, rows: int) -> tuple[int, int]:
    """Return the number of intact rows at the start of `part`, and their end in bytes.

    Digests of later rows are removed.
    """
    done, end, intact = 0, 0, []
    if part.exists() and digests.exists():
        with part.open("rb") as file:
            try:
                npy.read_magic(file)
                shape, _, dtype = npy.read_array_header_1_0(file)
            except ValueError:  # stopped within the header
                shape, dtype = (0,), np.dtype("u1")
            row_bytes = math.prod(shape[1:]) * dtype.itemsize
            for digest in digests.read_text().split() if shape[0] == rows else []:
                size = min(ROWS, rows - done)
                if hashlib.sha256(file.read(size * row_bytes)).hexdigest() != digest:
                    break
                intact.append(f"{digest}\n")
                done, end = done + size, file.tell()
    digests.write_text("".join(intact))
    return done, end


def _write_header(file: IO[bytes], rows: int, block: np.ndarray) -> None:
    header = {"descr": block.dtype.str, "fortran_order": False, "shape": (rows, *block.shape[1:])}
    npy.write_array_header_1_0(file, header)
