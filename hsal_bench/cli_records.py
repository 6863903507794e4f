"""The records that a command's PATHs name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hsal_bench.errors import UsageError

if TYPE_CHECKING:
    from hsal_bench.record import Record


def named(paths: Sequence[Path]) -> list[tuple[Record, Path]]:
    """Return the records in folders or record files (of none: in runs), each with its file.

    Raises:
        UsageError: there is none, or one that cannot be read.
    """
    from hsal_bench.record import read_record, record_paths

    asked = paths or [Path("runs")]
    # By the resolved path: a file and the folder it lies in can both be named.
    files = {file.resolve(): file for path in asked for file in record_paths(path)}
    if not files:
        where = ", ".join(map(str, asked))
        raise UsageError(f"no record in {where}: make one with `hsal-bench run`")
    return [(read_record(file), file) for file in files.values()]
