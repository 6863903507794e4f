"""The state of each run in a folder of results: done, running, stalled, failed or missing."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hsal_bench.cluster import slurm
from hsal_bench.errors import UsageError, near_path
from hsal_bench.record import external_record
from hsal_bench.record.find import CHECKPOINT
from hsal_bench.record.record import read_record
from hsal_bench.runs import heartbeat, requested
from hsal_bench.runs.recording import RECORD, outcome
from hsal_bench.text import named
from hsal_bench.training import checkpoint
from hsal_bench.training.train import read_curve

State = Literal[
    "done", "unsupported", "failed", "running", "queued", "stalled", "stopped", "missing"
]

SILENT_AFTER = 60.0
"""Seconds without a heartbeat after which a run counts as stalled."""


@dataclass(frozen=True)
class RunStatus:
    """The state of a run.

    updates: of the whole run; None if unknown. score: the latest exact match on the validation
    split, None before the first. seconds: since the last heartbeat. detail: the scores, the reason
    of a failure, or the host and process.
    """

    folder: Path
    state: State
    update: int = 0
    updates: int | None = None
    score: float | None = None
    seconds: float | None = None
    detail: str = ""


def statuses(out: Path) -> list[RunStatus]:
    """Return the state of every run that was requested or started in `out`.

    Raises:
        UsageError: there is no such folder, or no run in it.
    """
    if not out.is_dir():
        raise UsageError(f"no folder {out}: {near_path(out) or 'give the --out of a run'}")
    files = (RECORD, CHECKPOINT, heartbeat.FILE)
    started = {path.parent for file in files for path in out.glob(f"*/*/*/seed-*/{file}")}
    here = {folder for folder in started if folder.parent.name != external_record.FOLDER}
    folders = list(dict.fromkeys([*requested.read(out), *sorted(here)]))
    if not folders:
        raise UsageError(f"no run in {out}: give the --out of a run")
    queue = slurm.queued_runs(out / requested.FOLDER / slurm.FOLDER)
    return [_queued(status(folder), queue.get(str(folder.relative_to(out)))) for folder in folders]


def status(folder: Path) -> RunStatus:
    """Return the state of the run in a folder, from the files that it has written."""
    curve = read_curve(folder)
    update = int(curve[-1]["update"]) if curve else 0
    score = curve[-1].get("valid_exact_match") if curve else None
    alive = _heartbeat(folder, update, score)
    if (folder / RECORD).exists() and not (alive and alive.state == "running"):
        return _ended(folder, update, score)
    if alive:
        return alive
    if checkpoint.exists(folder):
        saved, resumes = checkpoint.reached(folder), "the same command resumes"
        reached = max(update, saved.update)
        return RunStatus(folder, "stopped", reached, saved.updates, score, detail=resumes)
    return RunStatus(folder, "missing")


def _queued(run: RunStatus, job: str | None) -> RunStatus:
    """Return the state of a run of which Slurm may have a job, waiting or running."""
    if job is None or run.state in ("running", "done", "unsupported"):
        return run
    return dataclasses.replace(run, state="queued", detail=f"job {job}")


def summary(runs: Sequence[RunStatus]) -> str:
    """Return the runs in each state: "15 runs: 9 done, 2 running (at 40 % and 80 %), 4 missing"."""
    counts = []
    for state in dict.fromkeys(run.state for run in runs):
        same = [run for run in runs if run.state == state]
        shares = [f"{100 * run.update / run.updates:.0f} %" for run in same if run.updates]
        at = f" (at {named(shares)})" if state == "running" and shares else ""
        counts.append(f"{len(same)} {state}{at}")
    return f"{of_runs(len(runs))}: {', '.join(counts)}"


def of_runs(number: int) -> str:
    """Return "1 run" or "2 runs"."""
    return f"{number:,} run{'s' * (number != 1)}"


def _heartbeat(folder: Path, update: int, score: float | None) -> RunStatus | None:
    path = folder / heartbeat.FILE
    try:
        seconds = max(0.0, time.time() - path.stat().st_mtime)
        facts = json.loads(path.read_bytes())
        state: State = "running" if seconds < SILENT_AFTER else "stalled"
        reached, updates = max(update, int(facts["update"])), facts["updates"]
        detail = f"host {facts['host']}, process {facts['process']}"
    except (OSError, ValueError, KeyError, TypeError):
        return None  # the run has just ended
    return RunStatus(folder, state, reached, updates, score, seconds, detail)


def _ended(folder: Path, update: int, score: float | None) -> RunStatus:
    try:
        record = read_record(folder / RECORD)
    except UsageError as error:
        return RunStatus(folder, "failed", update, score=score, detail=str(error))
    state: State = "done" if record.status == "ok" else record.status
    updates = record.budget.get("updates")
    return RunStatus(folder, state, record.updates or 0, updates, score, detail=outcome(record))
