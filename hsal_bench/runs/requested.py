"""Which runs were requested in a folder of results, so that `status` knows what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from hsal_bench.errors import UsageError
from hsal_bench.files import read_bytes, write_text
from hsal_bench.locks import locked
from hsal_bench.runs.methods import MethodRun

FOLDER = ".grid"
"""In the folder of results: what concerns all of its runs."""
_FILE = "requested.json"


def run_folder(out: Path, data_set: str, method: MethodRun, preset: str, seed: int) -> Path:
    """Return the folder of a run."""
    return out / data_set / method.folder / preset / f"seed-{seed}"


def add(out: Path, folders: Iterable[Path]) -> None:
    """Note runs, by their folders in `out`, as requested."""
    asked = [str(folder.relative_to(out)) for folder in folders]
    with locked(out / FOLDER, f"listing runs in {out}"):
        known = [str(folder.relative_to(out)) for folder in read(out)]
        if new := [name for name in asked if name not in set(known)]:
            write_text(out / FOLDER / _FILE, json.dumps([*known, *new], indent=1) + "\n")


def read(out: Path) -> list[Path]:
    """Return the folders of the requested runs, in the order of the requests.

    Raises:
        UsageError: the list is damaged.
    """
    path = out / FOLDER / _FILE
    if not path.exists():
        return []
    try:
        names = [Path(name) for name in json.loads(read_bytes(path))]
        if any(name.is_absolute() or ".." in name.parts for name in names):
            raise ValueError
        return [out / name for name in names]
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path} is damaged: delete it, the next `run` writes it") from error
