"""A resumable queue of `hsal-bench run` commands, several at a time.

At a signal or the end of its time the runs write their checkpoints. If the queue is killed, its
runs end too (on Linux), and the next queue waits for them.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from reproduction import Item
from reproduction_board import Board
from reproduction_summary import status, summary

from hsal_bench.errors import HsalBenchError
from hsal_bench.files import write_text

HSAL_BENCH = (sys.executable, "-m", "hsal_bench")
FAILURES = 3
"""So many items that fail one after the other have a cause in common: no more are started."""
PATIENCE = 30.0
"""Seconds that a run has to write its checkpoint before it is killed."""
POLL, STATUS_EVERY = 0.1, 20.0
"""Seconds between two looks at the runs, and between two status files."""
AUTOGROUP = Path("/proc/self/autogroup")
"""Where Linux, if it weighs sessions before processes, has the priority of the own session."""

_prctl = getattr(ctypes.CDLL(None), "prctl", None)


@dataclass
class Job:
    """A running item, and the CPU seconds of its earlier attempts."""

    item: Item
    process: subprocess.Popen[bytes]
    log: Path
    earlier_cpu: float


class Queue:
    """Works through a board's missing items. seconds: time limit; None: no limit."""

    def __init__(
        self, board: Board, options: Sequence[str], jobs: int, threads: int, seconds: float | None
    ) -> None:
        self.board, self.options, self.slots, self.threads = board, options, jobs, threads
        self.patience = PATIENCE if seconds is None else min(PATIENCE, seconds / 4)
        self.end = float("inf") if seconds is None else time.monotonic() + seconds - self.patience
        self.next_status = time.monotonic() + STATUS_EVERY
        self.jobs: list[Job] = []
        self.failed: list[str] = []
        self.failures_in_a_row = 0
        board.state.jobs = jobs

    def work(self) -> bool:
        """Run the missing items until all are done or the time is over; return whether none failed.

        Raises:
            HsalBenchError: another queue is working in the folder.
            KeyboardInterrupt: a signal stopped the queue and its runs.
        """
        with only_queue(self.board.root) as lock:
            try:
                while time.monotonic() < self.end:
                    while item := self.next_item():
                        self.start(item, lock)
                    if not self.jobs:
                        break
                    time.sleep(POLL)
                    self.end_jobs()
                    if time.monotonic() >= self.next_status:
                        self.publish()
            finally:
                self.stop()
                self.publish()
                write_text(self.board.root / "summary.md", summary(self.board))
        return not self.failed

    def next_item(self) -> Item | None:
        """Return the next item to start in a free slot, or the preparation that it needs.

        One preparation at a time: those of several datasets share an activation model.
        """
        if len(self.jobs) == self.slots or self.failures_in_a_row >= FAILURES:
            return None
        running = [job.item.name for job in self.jobs]
        preparations = self.board.preparations
        preparing = any(item.name in running for item in preparations.values())
        for item in self.board.missing():
            ready = self.board.prepared(item.dataset)
            task = item if ready else preparations[item.dataset]
            if task.name not in [*running, *self.failed] and (ready or not preparing):
                return task
        return None

    def start(self, item: Item, lock: IO[str]) -> None:
        """Start an item's run in the background."""
        state, log = self.board.state, self.board.root / "log" / f"{item.name}.log"
        command = [*HSAL_BENCH, *item.command(self.board.root), *self.options]
        # Nothing can run next to the first preparation: it gets every job's threads.
        alone = not self.jobs and not self.board.prepared(item.dataset)
        threads = self.threads * (self.slots if alone else 1)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"$ {shlex.join(command)}\n")
            file.flush()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
                start_new_session=True,  # a terminal's Ctrl-C reaches it through the queue alone
                preexec_fn=_become_a_job,
                pass_fds=(lock.fileno(),),  # the folder stays locked while the job lives
            )
        self.jobs.append(Job(item, process, log, state.cpu.get(item.name, 0.0)))
        state.failed.pop(item.name, None)
        print(f"{item.label}: started {self.board.progress(item)}".rstrip(), flush=True)
        self.publish()

    def end_jobs(self, *, stopped: bool = False) -> None:
        """Settle the jobs that have ended. stopped: by the queue, which is not a failure."""
        for job in self.jobs:  # before they are waited for, after which nobody knows
            self.board.state.cpu[job.item.name] = job.earlier_cpu + _cpu_seconds(job.process.pid)
        ended = [job for job in self.jobs if job.process.poll() is not None]
        if ended:
            self.jobs = [job for job in self.jobs if job not in ended]
            self.board.refresh()
            for job in ended:
                self.settle(job, stopped=stopped)
            write_text(self.board.root / "summary.md", summary(self.board))

    def settle(self, job: Job, *, stopped: bool) -> None:
        """Print and record the result of a job that has ended."""
        item, board = job.item, self.board
        if item.name in board.done:
            self.failures_in_a_row = 0
            problem = board.collect(item)
            print(f"{item.label}: done{f'; not copied: {problem}' * bool(problem)}", flush=True)
        elif stopped:
            print(f"{item.label}: stopped at {board.progress(item) or 'the start'}", flush=True)
        else:
            reason = (
                board.notes.get(item.name) or job.log.read_text(errors="replace").splitlines()[-1]
            )
            board.state.failed[item.name] = reason
            self.failed.append(item.name)
            self.failures_in_a_row += 1
            print(f"{item.label}: failed: {reason} ({job.log})", flush=True)
            if self.failures_in_a_row == FAILURES:
                print(f"{FAILURES} runs in a row failed: no more runs are started", flush=True)

    def publish(self) -> None:
        """Write the state and the status, for readers and in case the queue is killed."""
        self.board.state.running = [job.item.name for job in self.jobs]
        self.board.write_state()
        write_text(self.board.root / "status.md", status(self.board, alive=True))
        self.next_status = time.monotonic() + STATUS_EVERY

    def stop(self) -> None:
        """Make all jobs write their checkpoints and end; a second Ctrl-C kills them."""
        for job in self.jobs:
            job.process.terminate()
        end = time.monotonic() + self.patience
        try:
            while self.jobs and time.monotonic() < end:
                time.sleep(POLL)
                self.end_jobs(stopped=True)
        finally:
            for job in self.jobs:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(job.process.pid, signal.SIGKILL)
                job.process.wait()
            self.end_jobs(stopped=True)


@contextmanager
def only_queue(folder: Path) -> Iterator[IO[str]]:
    """Hold a folder's lock while the block runs; yield its file, which jobs inherit.

    It waits for the jobs of a queue that was killed.

    Raises:
        HsalBenchError: another queue is working there.
    """
    host, until = socket.gethostname(), time.monotonic() + PATIENCE
    with (folder / "queue.lock").open("a+") as file:
        while not _lock(file):
            holder = _holder(file)
            orphaned = holder.get("host") == host and not _lives(holder["pid"])
            if not orphaned or time.monotonic() > until:
                raise HsalBenchError(
                    f"a queue is working in {folder} already "
                    f"(host {holder.get('host')}, pid {holder.get('pid')})"
                )
            time.sleep(POLL)
        file.truncate(0)
        file.write(json.dumps({"host": host, "pid": os.getpid()}))
        file.flush()
        yield file


def is_working(folder: Path) -> bool:
    """Whether a queue is working in a folder."""
    path = folder / "queue.lock"
    if not path.exists():
        return False
    with path.open("a+") as file:
        return not _lock(file)


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: IO[str]) -> dict[str, Any]:
    """Return the host and pid in a lock; {} while they are being written."""
    file.seek(0)
    with contextlib.suppress(ValueError):
        return dict(json.loads(file.read()))
    return {}


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def _become_a_job() -> None:
    """Run at low priority, and end if the queue is killed (Linux)."""
    os.setpriority(os.PRIO_PROCESS, 0, 19)
    with contextlib.suppress(OSError):
        AUTOGROUP.write_text("19")
    if _prctl is not None:
        _prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and the children it has waited for; 0 without /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
