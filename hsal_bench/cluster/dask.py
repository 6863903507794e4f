"""`--on dask` and `--on dask://HOST:PORT`: the workers of a Dask cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from hsal_bench.cluster.jobs import Job
from hsal_bench.cluster.local import cores
from hsal_bench.errors import UsageError

RETRIES = 2


class Dask:
    """A Dask cluster. A job whose worker is lost resumes on another worker.

    where: "dask://HOST:PORT" of the scheduler; "dask" starts a cluster on this machine, with a
    worker for every `threads` cores.
    """

    def __init__(self, where: str, threads: int | None = None) -> None:
        self.threads = threads or 1
        try:
            import distributed
        except ImportError as error:
            raise UsageError("--on dask needs distributed: pip install distributed") from error
        self._stack = contextlib.ExitStack()
        address: Any = where.replace("dask://", "tcp://")
        if where == "dask":
            number = max(1, cores() // self.threads)
            address = self._stack.enter_context(
                distributed.LocalCluster(
                    n_workers=number, threads_per_worker=1, processes=True, dashboard_address=None
                )
            )
        try:
            self._client = self._stack.enter_context(distributed.Client(address, timeout=20))
        except OSError as error:
            raise UsageError(
                f"--on {where}: no Dask scheduler answers there: start one with `dask scheduler`, "
                "or correct the address"
            ) from error

    def start(self, prepare: Job | None, jobs: Sequence[Job]) -> list[Any]:
        """Submit the jobs; each takes one GPU of workers that have the resource GPU.

        Raises:
            UsageError: a worker has several threads, which would share one output and one folder.
        """
        client = self._client
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        if any(worker["nthreads"] != 1 for worker in workers):
            raise UsageError("Dask's workers must have one thread: start them with --nthreads 1")
        gpus = any("GPU" in worker["resources"] for worker in workers)
        options = {"retries": RETRIES, "pure": False, "resources": {"GPU": 1} if gpus else None}
        first = [] if prepare is None else [client.submit(prepare, **options)]
        return [client.submit(job, *first, **options) for job in jobs]

    def stop(self) -> None:
        """Let go of the jobs: those that run end, the others do not start."""
        self._stack.close()
