"""`--on local:N`: N processes of this machine, each with its share of the cores and GPUs."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from joblib import wrap_non_picklable_objects

from hsal_bench.cluster.jobs import Job
from hsal_bench.data.workers import end_with
from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.interrupts import terminate_like_ctrl_c

LOWEST_PRIORITY = 19
AUTOGROUP = Path("/proc/self/autogroup")
"""Where Linux, if it weighs sessions before processes, has the priority of the own session."""
MOST_ATTEMPTS = 3
"""Starts of a job whose process is killed."""
UNGUARDED = 64
"""Exit code of a worker that would start workers itself while it imports the user's script."""


class Local:
    """N processes of this machine. A job whose process is killed is started again.

    background: leave the processor to whatever else runs there.
    """

    def __init__(self, number: int, *, background: bool = False) -> None:
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            sys.exit(UNGUARDED)
        self.threads = max(1, cores() // number)
        # A thread for each process waits for its jobs: a killed process costs one job an attempt.
        self._waiting = ThreadPoolExecutor(number)
        self._processes = [Process(index, background) for index in range(number)]
        self._free: queue.SimpleQueue[Process] = queue.SimpleQueue()
        for process in self._processes:
            self._free.put(process)

    def start(self, prepare: Job | None, jobs: Sequence[Job]) -> list[Future[Any]]:
        """Prepare, then start the jobs."""
        if prepare is not None:
            self._waiting.submit(self._attempt, prepare).result()
        return [self._waiting.submit(self._attempt, job) for job in jobs]

    def stop(self) -> None:
        """Stop the jobs, all at the same time. Each saves a checkpoint."""
        self._waiting.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.stop()
        self._waiting.shutdown()

    def _attempt(self, job: Job) -> Any:
        process = self._free.get()
        try:
            for _ in range(MOST_ATTEMPTS):
                with contextlib.suppress(BrokenProcessPool):
                    return process.run(job)
        finally:
            self._free.put(process)
        raise HsalBenchError(f"its process was killed {MOST_ATTEMPTS} times")


class Process:
    """A worker process, replaced when it is killed."""

    def __init__(self, index: int, background: bool) -> None:
        self._index, self._background = index, background
        self._pool: ProcessPoolExecutor | None = None
        self._number: int | None = None
        self._stopped = False

    def run(self, job: Job) -> Any:
        """Run a job to its end.

        Raises:
            BrokenProcessPool: the process was killed.
            UsageError: the user's script starts the processes without a guard.
            HsalBenchError: no job starts after `stop`.
        """
        try:
            pool = self._pool or self._start()
            call = wrap_non_picklable_objects(job, keep_wrapper=False)  # classes of a notebook
            return pool.submit(_work, call).result()
        except BrokenProcessPool:
            self._pool = self._number = None
            raise

    def _start(self) -> ProcessPoolExecutor:
        arguments = (os.getpid(), self._index, self._background)
        context = multiprocessing.get_context("spawn")
        self._pool = pool = ProcessPoolExecutor(1, context, _begin, arguments)
        if self._stopped:  # `stop` may have come before there was a pool
            raise HsalBenchError("stopped before it began")
        number = pool.submit(os.getpid)
        (process,) = pool._processes.values()  # the only way to its exit code
        try:
            self._number = number.result()
        except BrokenProcessPool:
            process.join()
            if process.exitcode == UNGUARDED:
                raise UsageError(
                    "each worker process imports the script: write "
                    "`if __name__ == \"__main__\":` above the call with on='local:N'"
                ) from None
            raise
        return pool

    def stop(self) -> None:
        """Interrupt the job, without waiting for its end; then the process ends."""
        self._stopped = True
        if self._number is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._number, signal.SIGTERM)
        if pool := self._pool:
            pool.shutdown(wait=False, cancel_futures=True)


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _begin(parent: int, index: int, background: bool) -> None:
    """Start a worker: it ends with its parent and sees one GPU, if there are several."""
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _wait()
    if background:
        os.setpriority(os.PRIO_PROCESS, 0, LOWEST_PRIORITY)
        os.setsid()  # Linux weighs sessions before it weighs the processes of each
        with contextlib.suppress(OSError):
            AUTOGROUP.write_text(str(LOWEST_PRIORITY))
    if gpus := _gpus():
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[index % len(gpus)]


def _gpus() -> list[str]:
    import torch

    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return visible.split(",")
    return [str(number) for number in range(torch.cuda.device_count())]


_stops: list[int] = []
"""The SIGTERM that arrived while no job was running, perhaps while the next one was on its way."""


def _wait() -> None:
    """Keep SIGTERM for the next job, and the worker alive: it would print a traceback."""
    signal.signal(signal.SIGTERM, lambda number, _: _stops.append(number))


def _work(job: Job) -> Any:
    """Do a job, which SIGTERM stops.

    SIGINT is ignored: a terminal sends it to all processes, and this one's parent then sends
    SIGTERM.
    """
    terminate_like_ctrl_c()
    try:
        if _stops:
            raise KeyboardInterrupt
        return job()
    finally:
        _wait()
