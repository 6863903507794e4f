"""The records that a command is given: in folders of runs, or as files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from hsal_bench.errors import UsageError
from hsal_bench.records.record import Record, read_record
from hsal_bench.text import named, shown

GOES_ON = "a run stopped there, and the same `hsal-bench run` goes on"
"""What is told of a folder with a checkpoint and no record."""
LISTED = 5
"""So many broken files are named one by one."""
CHECKPOINT = "checkpoint.pt"
"""What a run leaves in its folder while it trains; `record.json` lies beside it at the end."""


def read_records(paths: Iterable[Path]) -> dict[Path, Record]:
    """Return each record that folders and files name, once, by its file.

    Runs in the folders that stopped before they had a record are reported on stderr.

    Raises:
        UsageError: there is none, or as `find_records`.
    """
    asked = list(paths)
    found, stopped = find_records(asked), _stopped(asked)
    if not found:
        raise UsageError(f"no record in {', '.join(map(str, asked))}: {_remedy(asked, stopped)}")
    if stopped:
        click.echo(shown(f"no record of {named(stopped)}: {GOES_ON}"), err=True)
    return found


def find_records(paths: Iterable[Path]) -> dict[Path, Record]:
    """Return each record that folders and files name, once, by its file; there may be none.

    Broken files in folders are skipped and reported on stderr.

    Raises:
        UsageError: no such folder or file, or a file named in `paths` is not a record.
    """
    asked = list(paths)
    named_files = {path.resolve() for path in asked if path.is_file()}
    # A file and the folder it lies in can both be named.
    files = {file.resolve(): file for path in asked for file in record_paths(path)}
    records, problems = {}, []
    for resolved, file in files.items():
        try:
            records[file] = read_record(file)
        except UsageError as error:
            if resolved in named_files:
                raise
            problems.append(f"skipped: {error}")
    for problem in problems[:LISTED]:
        click.echo(shown(problem), err=True)
    if more := problems[LISTED:]:
        click.echo(f"skipped: {len(more)} more files that are not records", err=True)
    return records


def record_paths(folder: Path) -> list[Path]:
    """Return, sorted, every `record.json` below `folder` and every `.json` right in it.

    Given a file, that file.

    Raises:
        UsageError: there is no such folder or file.
    """
    if not folder.exists():
        raise UsageError(f"no folder or record {folder}: make a record with `hsal-bench run`")
    if folder.suffix == ".jsonl":
        raise UsageError(
            f"{folder} holds predictions or a curve, not a record: score predictions with "
            f"`hsal-bench evaluate {folder}`"
        )
    if folder.is_file():
        return [folder]
    return sorted({*folder.rglob("record.json"), *folder.glob("*.json")})


def _stopped(paths: Iterable[Path]) -> list[str]:
    """Return, sorted, the folders of runs that have a checkpoint and no record."""
    folders = {file.parent for path in paths for file in path.rglob(CHECKPOINT)}
    return sorted(str(folder) for folder in folders if not (folder / "record.json").exists())


def _remedy(paths: Iterable[Path], stopped: Sequence[str]) -> str:
    if stopped:
        return f"{named(stopped)} {'has' if len(stopped) == 1 else 'have'} none, {GOES_ON}"
    folders = {file.parent for path in paths for file in path.rglob("*.json")}
    below = sorted(map(str, folders.difference(paths)))
    if below:
        return f"of folders below, name those that hold records (.json in {named(below)})"
    return "make one with `hsal-bench run`"
