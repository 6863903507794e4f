"""Arrays in .npy files, written block by block and checked when they are read.

NAME.npy.json has the identity of the array (what it was computed from) and the SHA-256 of each
block of rows. Until the array is complete it is in NAME.npy.part, with the hashes of its blocks in
NAME.npy.blocks: an interrupted computation resumes after the last intact block.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from hsal_bench.files import read_bytes, remembered, write_text
from hsal_bench.interrupts import uninterrupted

ROWS = 256
"""Rows of a block."""

Identity = Mapping[str, Any]
"""Everything that determines an array, as plain JSON values by name."""
Compute = Callable[[int, int], np.ndarray]
"""(start, stop) -> rows start to stop, [stop - start, ...], always of one shape and dtype."""


def is_intact(path: Path, rows: int, identity: Identity) -> bool:
    """Return whether `path` holds the complete array of that identity, with all its hashes.

    Threads read the file, once per process unless it changes: SHA-256 releases the interpreter
    lock.
    """
    layout, hashes = _layout(path), _hashes(path, identity)
    blocks = range(math.ceil(rows / ROWS))
    if layout is None or hashes is None or layout.rows != rows or len(hashes) != len(blocks):
        return False
    if path.stat().st_size != layout.start + rows * layout.row_bytes:
        return False

    def intact(number: int) -> bool:
        size = min(ROWS, rows - number * ROWS) * layout.row_bytes
        with path.open("rb") as file:
            file.seek(layout.start + number * ROWS * layout.row_bytes)
            return hashlib.sha256(file.read(size)).hexdigest() == hashes[number]

    def all_intact() -> bool:
        with ThreadPoolExecutor() as pool:
            return all(pool.map(intact, blocks))

    return remembered([path], tuple(hashes), all_intact)


def write_blocks(
    path: Path,
    rows: int,
    compute: Compute,
    identity: Identity,
    report: Callable[[int], None] = lambda done: None,
) -> None:
    """Write the array [rows, ...] that `compute` returns to `path`; resume if interrupted.

    Of a damaged array, the blocks before the damage are kept.

    Only one process at a time may write a path. `report` gets the number of finished rows. No
    memory map is used: with one, a full disk would kill the process instead of raising an error.
    """
    part, digests = (path.with_name(path.name + suffix) for suffix in (".part", ".blocks"))
    for place in (path, part, digests):
        # A pipe would block; a link leads to a file of somebody else.
        if place.is_symlink() or (place.exists() and not place.is_file()):
            place.unlink()
    if path.exists():
        _reopen(path, part, digests, identity)
    done, end = _resumed(part, digests, rows, identity)
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
    hashes = digests.read_text(encoding="utf-8").splitlines()[1:]
    stored = {"identity": dict(identity), "rows": ROWS, "header": _header(part), "sha256": hashes}
    with uninterrupted():
        write_text(_sidecar(path), json.dumps(stored, indent=0) + "\n")
        part.replace(path)
        digests.unlink()


class _Layout(NamedTuple):
    rows: int
    row_bytes: int
    start: int
    """Of the first row, in bytes."""


def _layout(path: Path) -> _Layout | None:
    """Return where the rows of an array are in its file; None if its header cannot be read."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            npy.read_magic(file)
            shape, fortran, dtype = npy.read_array_header_1_0(file)
            start = file.tell()
    except (OSError, ValueError, SyntaxError):
        return None
    if not shape or fortran or dtype.hasobject:
        return None
    return _Layout(shape[0], math.prod(shape[1:]) * dtype.itemsize, start)


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _hashes(path: Path, identity: Identity) -> list[str] | None:
    """Return the hashes of an array's blocks; None if it is not of that identity."""
    try:
        stored = json.loads(read_bytes(_sidecar(path)))
        same = stored["identity"] == identity and stored["rows"] == ROWS
        return list(stored["sha256"]) if same and stored["header"] == _header(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _header(path: Path) -> str:
    """Return the hash of an array's header, its shape and dtype; "" if it cannot be read."""
    layout = _layout(path)
    if layout is None:
        return ""
    with path.open("rb") as file:
        return hashlib.sha256(file.read(layout.start)).hexdigest()


def _reopen(path: Path, part: Path, digests: Path, identity: Identity) -> None:
    """Turn a damaged array back into an unfinished one."""
    lines = [_key(identity), *(_hashes(path, identity) or [])]
    digests.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    path.replace(part)


def _key(identity: Identity) -> str:
    return json.dumps(dict(identity), sort_keys=True)


def _resumed(part: Path, digests: Path, rows: int, identity: Identity) -> tuple[int, int]:
    """Return the number of intact rows at the start of `part`, and their end in bytes.

    Hashes of later rows are removed.
    """
    key = _key(identity)
    lines = digests.read_text(errors="replace").splitlines() if digests.exists() else []
    layout = _layout(part) if part.exists() and lines[:1] == [key] else None
    done, end, intact = 0, 0, []
    if layout is not None and layout.rows == rows:
        with part.open("rb") as file:
            file.seek(layout.start)
            for digest in lines[1:]:
                size = min(ROWS, rows - done)
                if hashlib.sha256(file.read(size * layout.row_bytes)).hexdigest() != digest:
                    break
                intact.append(digest)
                done, end = done + size, file.tell()
    digests.write_text("".join(f"{line}\n" for line in (key, *intact)))
    return done, end


def _write_header(file: IO[bytes], rows: int, block: np.ndarray) -> None:
    header = {"descr": block.dtype.str, "fortran_order": False, "shape": (rows, *block.shape[1:])}
    npy.write_array_header_1_0(file, header)
