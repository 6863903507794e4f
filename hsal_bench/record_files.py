"""The records that a command is given: in folders of runs, or as files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hsal_bench.errors import UsageError
from hsal_bench.record import Record, read_record


def read_records(paths: Iterable[Path]) -> dict[Path, Record]:
    """Return each record that folders and files name, once, by its file. Raises as `find_records`.

    Raises:
        UsageError: there is none.
    """
    asked = list(paths)
    if not (found := find_records(asked)):
        where = ", ".join(map(str, asked))
        raise UsageError(f"no record in {where}: make one with `hsal-bench run`")
    return found


def find_records(paths: Iterable[Path]) -> dict[Path, Record]:
    """Return each record that folders and files name, once, by its file; there may be none.

    Raises:
        UsageError: as `record_paths` and `read_record`.
    """
    # A file and the folder it lies in can both be named.
    files = {file.resolve(): file for path in paths for file in record_paths(path)}
    return {file: read_record(file) for file in files.values()}


def record_paths(folder: Path) -> list[Path]:
    """Return, sorted, every `record.json` below `folder` and every `.json` right in it.

    Given a file, that file.

    Raises:
        UsageError: there is no such folder or file.
    """
    if not folder.exists():
        raise UsageError(f"no folder or record {folder}: make a record with `hsal-bench run`")
    if folder.is_file():
        return [folder]
    return sorted({*folder.rglob("record.json"), *folder.glob("*.json")})
