"""`--on local:N`: N processes of this machine, each with its share of the cores and GPUs."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from joblib import wrap_non_picklable_objects

from hsal_bench.cluster.jobs import Job
from hsal_bench.data.workers import end_with
from hsal_bench.interrupts import ignore_signals, terminate_like_ctrl_c

MOST_ATTEMPTS = 3
"""Starts of a job whose process is killed."""


class Local:
    """N processes of this machine. A job whose process is killed is started again."""

    def __init__(self, number: int) -> None:
        self.number, self.threads = number, max(1, cores() // number)
        self._context = multiprocessing.get_context("spawn")
        self._pool = self._new_pool()

    def start(self, prepare: Job, jobs: Sequence[Job]) -> list[Attempts]:
        """Prepare, then start the jobs."""
        Attempts(self, prepare).result()
        return [Attempts(self, job) for job in jobs]

    def stop(self) -> None:
        """Stop the processes. Each saves a checkpoint."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        self._pool.shutdown()

    def submit(self, job: Job) -> Future[Any]:
        """Queue a job, in a new pool if the old one lost a process."""
        call = wrap_non_picklable_objects(job, keep_wrapper=False)  # also classes of a notebook
        try:
            return self._pool.submit(_work, call)
        except BrokenProcessPool:
            self._pool = self._new_pool()
            return self._pool.submit(_work, call)

    def _new_pool(self) -> ProcessPoolExecutor:
        workers = self._context.Value("i", 0)
        arguments = (os.getpid(), workers)
        return ProcessPoolExecutor(self.number, self._context, _begin, arguments)


class Attempts:
    """The result of a job, which is started again if its process is killed."""

    def __init__(self, place: Local, job: Job) -> None:
        self._place, self._job, self._made = place, job, 1
        self._future = place.submit(job)

    def done(self) -> bool:
        """Return whether the job has ended."""
        if not self._future.done():
            return False
        lost = isinstance(self._future.exception(), BrokenProcessPool)
        if lost and self._made < MOST_ATTEMPTS:
            self._made += 1
            self._future = self._place.submit(self._job)
            return False
        return True

    def result(self) -> Any:
        """Wait for the job; return its result or raise its error."""
        while True:
            self._future.exception()
            if self.done():
                return self._future.result()


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _begin(parent: int, workers: Any) -> None:
    """Start a worker: it ends with its parent and sees one GPU, if there are several."""
    end_with(parent)
    ignore_signals()
    with workers.get_lock():
        index = workers.value
        workers.value += 1
    if gpus := _gpus():
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[index % len(gpus)]


def _gpus() -> list[str]:
    import torch

    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return visible.split(",")
    return [str(number) for number in range(torch.cuda.device_count())]


def _work(job: Job) -> Any:
    """Do a job. A signal stops the job and not the worker, which would print a traceback."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    terminate_like_ctrl_c()
    try:
        return job()
    finally:
        ignore_signals()
