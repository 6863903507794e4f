"""Running a request somewhere else: start its units, follow them, collect their records."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hsal_bench.cluster import places
from hsal_bench.cluster.jobs import Job, Place, Result, ended
from hsal_bench.cluster.status import of_runs, status, summary
from hsal_bench.cluster.units import Unit, code_of, units
from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.locks import locked, refusing_to_wait
from hsal_bench.method.errors import described
from hsal_bench.record.record import Record
from hsal_bench.runs import requested
from hsal_bench.runs import run as work
from hsal_bench.runs.bench import discard_run, say
from hsal_bench.runs.recording import outcome
from hsal_bench.runs.request import Request
from hsal_bench.runs.run import records_of_done
from hsal_bench.text import one_line

SUMMARY_EVERY = 60.0
"""Seconds between two lines about all runs."""


def run(
    request: Request, where: str, options: Mapping[str, str], *, wait: bool = True
) -> list[Record] | None:
    """Run a request on `where`: "local:4", "slurm", "dask" or "dask://HOST:PORT".

    options: those of `sbatch`. wait: follow the jobs to their end; Slurm's go on without this
    process. Returns the records, or None without `wait`.

    Raises:
        UsageError: something is missing or contradictory; before any work, or as `followed`.
        HsalBenchError: at the end, if a run could not be made; the others have been.
    """
    place = places.place(where, request.out / requested.FOLDER, options, request.threads)
    try:
        request = dataclasses.replace(request, threads=request.threads or place.threads)
        request = dataclasses.replace(request, code=code_of(request))
        every = units(request)
        requested.add(request.out, [unit.folder for unit in every])
        done = records_of_done(request)
        todo = [_without_old_states(unit) for unit in every if unit.folder not in done]
        say(f"{of_runs(len(every))}: {len(done)} done before, {len(todo)} to do")
        prepare = Job(work.prepare, dataclasses.replace(request, restart=False), "preparation")
        results = start(place, request.out, todo, prepare) if todo else {}
        if not wait:
            return None
        new = dict(followed(results, every))
    finally:
        place.stop()
    by_unit = {unit.title: [done[unit.folder]] for unit in every if unit.folder in done} | new
    return [record for unit in every for record in by_unit[unit.title]]


def start(
    place: Place, out: Path, todo: Sequence[Unit], prepare: Job | None = None
) -> dict[str, Result]:
    """Start units, each with a log in `out`; return their results by title."""
    logs = out / requested.FOLDER / "logs"
    say(f"logs are in {logs}; `hsal-bench status {out}` shows the runs")
    jobs = [Job(work.run, unit.request, unit.title, logs / f"{unit.title}.log") for unit in todo]
    return {job.title: result for job, result in zip(jobs, place.start(prepare, jobs), strict=True)}


def followed(
    results: Mapping[str, Result], every: Sequence[Unit], until: float = math.inf
) -> Iterator[tuple[str, list[Record]]]:
    """Yield the title and the records of each unit that ends; print a line about it.

    every: the units about which a line is printed now and then. until: the end, on the monotonic
    clock.

    Raises:
        HsalBenchError: at the end, if a run could not be made; UsageError if all such runs are
            wrong use or have damaged files.
    """
    problems: dict[str, Exception] = {}
    due = time.monotonic() + SUMMARY_EVERY

    def summarise() -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + SUMMARY_EVERY
            say(summary([status(unit.folder) for unit in every]))

    for number, (title, result) in enumerate(ended(results, summarise, until), 1):
        try:
            records = result.result()
        except Exception as error:  # of any place; the other runs continue
            problems[f"{title}: {_line(error)}"] = error
            say(f"{number} of {len(results)}: {title}: {_line(error)}")
        else:
            say(f"{number} of {len(results)}: {title}: {outcome(records[0])}")
            yield title, records
    if problems:
        first, *more = problems
        text = f"{len(problems)} runs, see above" if more else first
        usage = all(isinstance(error, UsageError) for error in problems.values())
        kind = UsageError if usage else HsalBenchError
        raise kind(f"not done: {text}") from problems[first]


def _line(error: Exception) -> str:
    return one_line(str(error)) if isinstance(error, HsalBenchError) else described(error)


def _without_old_states(unit: Unit) -> Unit:
    """Discard the earlier run of a unit that restarts: once, and not each time that it resumes.

    Raises:
        BusyError: the run is under way.
    """
    if not unit.request.restart:
        return unit
    with refusing_to_wait(), locked(unit.folder, f"training in {unit.folder}"):
        discard_run(unit.folder)
    return dataclasses.replace(unit, request=dataclasses.replace(unit.request, restart=False))
