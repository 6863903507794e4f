"""`--on dask`: workers of a real cluster on this machine, as processes."""

import os
import re
import signal
import subprocess
import sys

import pytest

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow


def test_workers_give_the_records_of_a_serial_run(bench, alone):
    bench.run("--on", "dask")
    assert bench.results() == alone


def test_another_worker_resumes_the_run_of_a_killed_one(bench, alone):
    with bench.slowed("--on", "dask") as (command, process):
        os.kill(process, signal.SIGKILL)
    text, _ = command.communicate(timeout=900)
    assert command.returncode == 0, text
    assert bench.results() == alone


def test_a_scheduler_by_its_address(bench, alone):
    scheduler = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"],
        stderr=subprocess.PIPE,
        text=True,
    )
    workers = None
    try:
        line = next(line for line in scheduler.stderr if "Scheduler at:" in line)
        address = re.search(r"tcp://(\S+)", line)[1]
        workers = subprocess.Popen(
            [
                *(sys.executable, "-m", "distributed.cli.dask_worker", f"tcp://{address}"),
                *("--nworkers", "2", "--nthreads", "1", "--no-dashboard"),
            ],
            stderr=subprocess.DEVNULL,
        )
        bench.run("--on", f"dask://{address}")
        assert bench.results() == alone
    finally:
        for process in filter(None, (workers, scheduler)):
            process.terminate()
            process.wait()
