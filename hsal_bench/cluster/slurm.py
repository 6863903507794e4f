"""`--on slurm`: a job array, through submitit. Jobs that reach their time limit resume."""

from __future__ import annotations

import functools
import io
import json
import pydoc
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import Any

import click

from hsal_bench.cluster.jobs import Job
from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.files import read_bytes, write_text
from hsal_bench.interrupts import terminate_like_ctrl_c
from hsal_bench.locks import locked
from hsal_bench.text import named

MOST_TIME_OUTS = 1_000
POLL_EVERY = 5.0
"""Seconds between two questions to Slurm."""
GRACE = 15.0
"""Seconds in which the result of a job may appear after its end."""
FOLDER = "slurm"
"""In the folder of all runs: scripts, logs, and the number of the last job of each run."""
_SUBMITTED = "jobs.json"
_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")


class Slurm:
    """A Slurm cluster.

    folder: of scripts, logs and the numbers of submitted jobs; all nodes must see it. options:
    those of `sbatch`, with "time".
    """

    def __init__(self, folder: Path, options: Mapping[str, str]) -> None:
        try:
            import submitit
        except ImportError as error:
            raise UsageError("--on slurm needs submitit: pip install submitit") from error
        self._options = options = sbatch_options(options)
        self.folder, self.threads = folder, int(options.get("cpus-per-task", "1"))
        try:
            self._executor = submitit.SlurmExecutor(folder, max_num_timeout=MOST_TIME_OUTS)
        except RuntimeError as error:
            raise UsageError(
                "--on slurm: there is no `srun` here, log in to the cluster"
            ) from error
        self._executor.update_parameters(
            job_name="hsal-bench",
            time=minutes(options["time"]),
            stderr_to_stdout=True,
            additional_parameters=options,
        )

    def start(self, prepare: Job | None, jobs: Sequence[Job]) -> list[JobResult]:
        """Submit the preparation, if there is one, and a job array that waits for it.

        Jobs of an earlier command that still wait or run are not submitted again.

        Raises:
            HsalBenchError: Slurm refuses them, with its reason.
        """
        with locked(self.folder, f"submitting jobs in {self.folder}"):
            _queued.cache_clear()
            numbers, queue = _submitted(self.folder), queued()
            new = [job for job in jobs if numbers.get(job.title) not in queue]
            if new:
                numbers |= self._submit(prepare, new)
                write_text(self.folder / _SUBMITTED, json.dumps(numbers, indent=1))
                _queued.cache_clear()
        if before := [numbers[job.title] for job in jobs if job not in new]:
            click.echo(f"queued before: {named(before)}", err=True)
        first = numbers.get(prepare.title) if prepare else None
        return [JobResult(self.folder, numbers[job.title], first) for job in jobs]

    def _submit(self, prepare: Job | None, jobs: Sequence[Job]) -> dict[str, str]:
        from submitit.core.utils import FailedJobError

        executor, first, numbers = self._executor, "", {}
        try:
            with redirect_stderr(io.StringIO()):  # submitit prints what it raises, too
                if prepare is not None:
                    prepared = executor.submit(Requeued(prepare))
                    waiting = {"dependency": f"afterok:{prepared.job_id}"}
                    more = {**self._options, **waiting, "kill-on-invalid-dep": "yes"}
                    executor.update_parameters(additional_parameters=more)
                    first = f"{prepared.job_id} (preparation), then "
                    numbers[prepare.title] = str(prepared.job_id)
                array = executor.submit_array([Requeued(job) for job in jobs])
        except FailedJobError as error:
            line, *_ = str(error).strip().splitlines() or ["no reason given"]
            reason = line.removeprefix("sbatch: ").removeprefix("error: ")
            options = ",".join(f"{name}={text}" for name, text in self._options.items())
            raise UsageError(
                f"sbatch refuses --slurm {options}: {reason}: change the options"
            ) from error
        rest = f"{array[0].job_id}, ..., {array[-1].job_id}" if array[1:] else array[0].job_id
        click.echo(f"submitted job {first}{rest}", err=True)
        runs = {job.title: str(result.job_id) for job, result in zip(jobs, array, strict=True)}
        return runs | numbers

    def stop(self) -> None:
        """Leave the jobs to Slurm."""


class Requeued:
    """A job that Slurm starts again when its time is up or it is preempted."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def __call__(self) -> Any:
        """Do the job. On submitit's signal, save a checkpoint first; then submitit requeues it."""
        requeue, due = signal.getsignal(signal.SIGUSR2), []

        def stop(number: int, frame: Any) -> None:
            due.append(number)
            signal.raise_signal(signal.SIGTERM)

        terminate_like_ctrl_c()
        signal.signal(signal.SIGUSR2, stop)
        try:
            return self.job()
        except KeyboardInterrupt:
            if due and callable(requeue):
                requeue(due[0], None)
            raise

    def checkpoint(self) -> Any:
        """Return the same job, for submitit."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class JobResult:
    """The result of a job with that number, of this or an earlier command.

    preparation: the number of the job that it waits for.
    """

    def __init__(self, folder: Path, number: str, preparation: str | None = None) -> None:
        from submitit import SlurmJob

        self.number, self.preparation = number, preparation
        self._gone: float | None = None
        self._job: Any = SlurmJob(folder, number)

    def done(self) -> bool:
        """Return whether the job has ended; without Slurm's accounting, which may be off."""
        if self._job.paths.result_pickle.exists():
            return True
        try:
            waiting = self.number in queued()
        except HsalBenchError:
            waiting = True  # Slurm does not answer now
        if waiting:
            self._gone = None
            return False
        # A result may appear on a shared disk later than its job leaves the queue.
        self._gone = self._gone or time.monotonic()
        return time.monotonic() - self._gone > GRACE

    def result(self) -> Any:
        """Return the job's result.

        Raises:
            HsalBenchError: it has none, because it was cancelled or killed, or it or its
                preparation failed; UsageError if that is what it raised.
        """
        folder, log = self._job.paths.folder, self._job.paths.stdout
        if not self._job.paths.result_pickle.exists():
            if log.exists():
                raise HsalBenchError(f"job {self.number} ended without a result, see {log}")
            if self.preparation is not None:
                JobResult(folder, self.preparation).result()
            raise HsalBenchError(f"job {self.number} was cancelled before it began")
        kind, value = self._job._get_outcome_and_result()
        if kind == "error":
            lines = str(value).strip().splitlines() or ["it failed"]
            raise _error(f"job {self.number}: ", lines[-1])
        return value


def _error(place: str, line: str) -> HsalBenchError:
    """Return the error of another process, given the last line of its traceback."""
    name, _, message = line.partition(": ")
    kind = pydoc.locate(name) if name.startswith("hsal_bench.") else None
    if not isinstance(kind, type) or not issubclass(kind, HsalBenchError):
        return HsalBenchError(place + line)
    return (UsageError if issubclass(kind, UsageError) else HsalBenchError)(place + message)


def _submitted(folder: Path) -> dict[str, str]:
    """Return the number of the last job of each run, by the run's title, its folder."""
    with suppress(OSError, ValueError):
        return dict(json.loads(read_bytes(folder / _SUBMITTED)))
    return {}


def queued_runs(folder: Path) -> dict[str, str]:
    """Return the number of the job of each run that waits or runs, by the run's folder."""
    numbers = _submitted(folder)
    try:
        queue = queued() if numbers else frozenset()
    except HsalBenchError:
        return {}  # on another machine
    return {title: number for title, number in numbers.items() if number in queue}


def queued() -> frozenset[str]:
    """Return the numbers of the jobs that wait or run.

    Raises:
        HsalBenchError: Slurm does not answer.
    """
    return _queued(int(time.monotonic() / POLL_EVERY))


@functools.lru_cache(maxsize=1)
def _queued(period: int) -> frozenset[str]:
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "") or str(error)
        raise HsalBenchError(f"squeue failed: {reason.strip()}") from error
    return frozenset(listed.stdout.split())


def sbatch_options(options: Mapping[str, str]) -> dict[str, str]:
    """Return options of `sbatch` with dashes in their names.

    Raises:
        UsageError: there is no time limit, or a value is invalid.
    """
    options = {str(name).replace("_", "-"): str(text) for name, text in options.items()}
    if "time" not in options:
        raise UsageError("--on slurm needs a time limit per job, such as --slurm time=2:00:00")
    minutes(options["time"])
    cores = options.get("cpus-per-task", "1")
    if not cores.isdecimal():
        raise UsageError(f"--slurm cpus-per-task={cores}: it must be a whole number")
    return options


def minutes(text: str) -> int:
    """Return a time limit as Slurm writes it in minutes: "90", "90:00", "2:00:00", "1-12".

    Raises:
        UsageError: it is written differently, or zero.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise UsageError(f"--slurm time={text}: write hours:minutes:seconds, such as 2:00:00")
    days, *parts = (int(part) if part else None for part in match.groups())
    first, second, third = parts
    if days is not None:
        total = days * 1_440 + (first or 0) * 60 + (second or 0)
    elif third is not None:
        total = (first or 0) * 60 + (second or 0)
    else:
        total = first or 0
    if total < 1:
        raise UsageError(f"--slurm time={text}: at least a minute")
    return total
