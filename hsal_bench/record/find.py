"""Finding the records in the files and folders that a command is given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from hsal_bench import jsonio
from hsal_bench.errors import UsageError, near_path
from hsal_bench.record.record import LARGEST_FILE, Record, read_record
from hsal_bench.text import named, shell_command, shown

UNFINISHED = "unfinished; repeat the command that started it to resume"
"""Describes a folder with a checkpoint and no record."""
MOST_NAMED = 5
"""Broken files that are named one by one."""
CHECKPOINT = "checkpoint.pt"
"""Written to the folder of a run while it trains; at the end `record.json` is next to it."""


def read_records(paths: Iterable[Path]) -> dict[Path, Record]:
    """Return the records in files and folders by file, each once.

    Unfinished runs in the folders are reported on stderr.

    Raises:
        UsageError: there is none, or as `find_records`.
    """
    asked = list(paths)
    records, unfinished = find_records(asked), _unfinished(asked)
    if not records:
        raise UsageError(f"no record in {', '.join(map(str, asked))}: {_remedy(asked, unfinished)}")
    if unfinished:
        click.echo(shown(f"no record in {named(unfinished)}: {UNFINISHED}"), err=True)
    return records


def find_records(paths: Iterable[Path]) -> dict[Path, Record]:
    """Return the records in files and folders by file, each once; there may be none.

    Broken files in folders are skipped and reported on stderr.

    Raises:
        UsageError: a file or folder does not exist, or a file named in `paths` is not a record.
    """
    asked = list(paths)
    named_files = {path.resolve() for path in asked if path.is_file()}
    # A file and its folder can both be named.
    files = {file.resolve(): file for path in asked for file in record_paths(path)}
    records, problems = {}, []
    for resolved, file in files.items():
        try:
            records[file] = read_record(file)
        except UsageError as error:
            if resolved in named_files:
                raise
            problems.append(f"skipped: {error}")
    for problem in problems[:MOST_NAMED]:
        click.echo(shown(problem), err=True)
    if more := problems[MOST_NAMED:]:
        click.echo(f"skipped: {len(more)} more files that are not records", err=True)
    return records


def record_paths(folder: Path) -> list[Path]:
    """Return, sorted, the records at any depth below `folder`: every `.json` file there.

    Except, in a subfolder, JSON of another kind, such as a `model.json`. If `folder` is a file,
    return that file.

    Raises:
        UsageError: there is no such folder or file.
    """
    if not folder.exists():
        remedy = near_path(folder) or _create_in(folder)
        raise UsageError(f"no folder or record {folder}: {remedy}")
    if folder.suffix == ".jsonl":
        raise UsageError(
            f"{folder} contains predictions or a curve, not a record: score predictions with "
            f"{shell_command('hsal-bench', 'evaluate', str(folder))}"
        )
    if folder.is_file():
        return [folder]
    return sorted(
        path
        for path in folder.rglob("*.json")
        if path.name == "record.json" or path.parent == folder or not _other_json(path)
    )


def _other_json(path: Path) -> bool:
    """Whether a file is JSON, but no record of any version. A damaged file may be a record."""
    if not path.is_file() or path.stat().st_size > LARGEST_FILE:
        return True
    try:
        values = jsonio.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return not (isinstance(values, dict) and "record_version" in values)


def stated_datasets(record: Record) -> Path | None:
    """Return the folder of `--datasets` in a record's command; None if it states none."""
    match = re.search(
        r"--datasets[ =](?:'([^']+)'|(\S+))|\bdatasets=\w*\(?'([^']+)'", record.command
    )
    return Path(next(filter(None, match.groups()))) if match else None


def _unfinished(paths: Iterable[Path]) -> list[str]:
    """Return, sorted, the folders that have a checkpoint and no record."""
    folders = {file.parent for path in paths for file in path.rglob(CHECKPOINT)}
    return sorted(str(folder) for folder in folders if not (folder / "record.json").exists())


def _create_in(folder: Path) -> str:
    file = folder.is_file() or folder.suffix == ".json"
    out = [] if file or folder == Path("runs") else ["--out", str(folder)]
    return f"create one with {shell_command('hsal-bench', 'run', '--model', 'hsal-rl', *out)}"


def _remedy(paths: Sequence[Path], unfinished: Sequence[str]) -> str:
    if unfinished:
        return f"{named(unfinished)}: {UNFINISHED}"
    return _create_in(paths[0] if paths else Path("runs"))
