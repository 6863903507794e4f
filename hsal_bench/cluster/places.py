"""The places that `--on` names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from hsal_bench.cluster import slurm
from hsal_bench.cluster.dask import Dask
from hsal_bench.cluster.jobs import Place
from hsal_bench.cluster.local import Local
from hsal_bench.errors import UsageError
from hsal_bench.files import writable_folder

_LOCAL = re.compile(r"local:([1-9]\d{0,3})")
_DASK = re.compile(r"dask(://\S+:\d+)?")


def place(where: str, folder: Path, options: Mapping[str, str], threads: int | None) -> Place:
    """Return "local:4", "slurm", "dask" or "dask://HOST:PORT".

    folder: for the files of Slurm. options: those of `sbatch`. threads: of each job; None: those
    that the place has.

    Raises:
        UsageError: there is no such place, or it needs something else.
    """
    check_place(where, options)
    if where == "slurm":
        return slurm.Slurm(writable_folder(folder / slurm.FOLDER), options)
    if number := local_processes(where):
        return Local(number)
    return Dask(where, threads)


def check_place(where: str, options: Mapping[str, str]) -> None:
    """Check the name of a place and its options. Raises UsageError: one is invalid."""
    if where == "slurm":
        slurm.sbatch_options(options)
    elif not (local_processes(where) or _DASK.fullmatch(where)):
        raise UsageError(f"--on {where}: write local:N, slurm, dask or dask://HOST:PORT")
    elif options:
        raise UsageError(f"--slurm applies to --on slurm, not to --on {where}")


def local_processes(where: str) -> int | None:
    """Return the N of "local:N"; None: it is another place."""
    match = _LOCAL.fullmatch(where)
    return int(match[1]) if match else None
