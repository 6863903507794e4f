"""Running a request somewhere else: start its units, follow them, collect their records."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from hsal_bench.cluster import slurm
from hsal_bench.cluster import units as work
from hsal_bench.cluster.dask import Dask
from hsal_bench.cluster.jobs import Job, Place, Result
from hsal_bench.cluster.local import Local
from hsal_bench.cluster.status import status, summary
from hsal_bench.cluster.units import Unit
from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.files import writable_folder
from hsal_bench.record.record import Record
from hsal_bench.runs import requested
from hsal_bench.runs.recording import outcome
from hsal_bench.runs.request import Request
from hsal_bench.runs.run import records_of_done
from hsal_bench.text import one_line

SUMMARY_EVERY = 60.0
"""Seconds between two lines about all runs."""

_POLL = 0.5
_LOCAL = re.compile(r"local:([1-9]\d{0,3})")


def run(
    request: Request, where: str, options: Mapping[str, str], *, wait: bool = True
) -> list[Record] | None:
    """Run a request on `where`: "local:4", "slurm", "dask" or "dask://HOST:PORT".

    options: those of `sbatch`. wait: follow the jobs to their end; Slurm's go on without this
    process. Returns the records, or None without `wait`.

    Raises:
        UsageError: something is missing or contradictory; before any work.
        HsalBenchError: at the end, if a run could not be made; the others have been.
    """
    place = _place(where, request, options)
    request = dataclasses.replace(request, threads=request.threads or place.threads)
    units = work.units(request)
    done = records_of_done(request)
    todo = [unit for unit in units if unit.folder not in done]
    say(f"{len(units)} runs: {len(done)} done before, {len(todo)} to do")
    logs = request.out / requested.FOLDER / "logs"
    results: Sequence[Result] = []
    try:
        if todo:
            say(f"logs are in {logs}; `hsal-bench status {request.out}` shows the runs")
            prepare = Job(work.prepare, request, "preparation", None)
            results = place.start(prepare, [_job(unit, logs) for unit in todo])
        if not wait:
            return None
        records = _followed(dict(zip([u.title for u in todo], results, strict=True)), units)
    finally:
        place.stop()
    return [*done.values(), *records]


def _job(unit: Unit, logs: Path) -> Job:
    return Job(work.run, unit.request, unit.title, logs / f"{unit.title}.log")


def _place(where: str, request: Request, options: Mapping[str, str]) -> Place:
    if options and where != "slurm":
        raise UsageError(f"--slurm applies to --on slurm, not to --on {where}")
    if where == "slurm":
        return slurm.Slurm(writable_folder(request.out / requested.FOLDER / slurm.FOLDER), options)
    if match := _LOCAL.fullmatch(where):
        return Local(int(match[1]))
    if where == "dask" or where.startswith("dask://"):
        return Dask(where, request.threads)
    raise UsageError(f"--on {where}: write local:N, slurm, dask or dask://HOST:PORT")


def _followed(results: dict[str, Result], units: Sequence[Unit]) -> list[Record]:
    """Wait for all results; print a line about each, and now and then about all runs."""
    records: list[Record] = []
    problems: list[str] = []
    number, due = len(results), time.monotonic() + SUMMARY_EVERY
    while results:
        for title in [title for title, result in results.items() if result.done()]:
            try:
                new: list[Record] = results.pop(title).result()
                records += new
                text = outcome(new[0])
            except Exception as error:  # of any place; the other runs go on
                text = one_line(str(error)) or type(error).__name__
                problems.append(f"{title}: {text}")
            say(f"{number - len(results)} of {number}: {title}: {text}")
        if time.monotonic() >= due:
            due = time.monotonic() + SUMMARY_EVERY
            say(summary([status(unit.folder) for unit in units]))
        time.sleep(_POLL)
    if problems:
        first = problems[0] if len(problems) == 1 else f"{len(problems)} runs, see above"
        raise HsalBenchError(f"not done: {first}")
    return records


def say(text: str) -> None:
    """Print a line about the progress of the runs to standard error."""
    click.echo(text, err=True)
