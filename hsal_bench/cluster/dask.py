"""`--on dask` and `--on dask://HOST:PORT`: the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hsal_bench.cluster.jobs import Job
from hsal_bench.cluster.local import cores
from hsal_bench.errors import UsageError

RETRIES = 2


class Dask:
    """A Dask cluster. A job whose worker is lost resumes on another worker.

    address: of the scheduler; None starts a cluster on this machine, with a worker for every
    `threads` cores.
    """

    def __init__(self, address: str | None, threads: int | None = None) -> None:
        self.threads = threads or 1
        try:
            import distributed
        except ImportError as error:
            raise UsageError(
                "--on dask needs distributed: pip install 'hsal-bench[dask]'"
            ) from error
        if address is None:
            number = max(1, cores() // self.threads)
            local = distributed.LocalCluster(
                n_workers=number, threads_per_worker=1, processes=True, dashboard_address=None
            )
            self._client = distributed.Client(local)
        else:
            try:
                self._client = distributed.Client(address, timeout=20)
            except OSError as error:
                raise UsageError(f"--on {address}: no Dask scheduler answers there") from error

    def start(self, prepare: Job, jobs: Sequence[Job]) -> list[Any]:
        """Submit the jobs; each takes one GPU of workers that have the resource GPU."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        gpus = any("GPU" in worker["resources"] for worker in workers)
        options = {"retries": RETRIES, "pure": False, "resources": {"GPU": 1} if gpus else None}
        prepared = self._client.submit(prepare, key=f"prepare-{id(prepare)}", **options)
        return [self._client.submit(job, prepared, **options) for job in jobs]

    def stop(self) -> None:
        """Let go of the jobs: those that run end, the others do not start."""
        self._client.close()
