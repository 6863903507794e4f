"""Attempts at runs: a command under a clock, what its stages took, and what the next may take."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from reproduction import Item

from hsal_bench.errors import UsageError
from hsal_bench.files import write_text

Outcome = Literal["done", "interrupted", "failed"]
STAGES = (
    ("data set", re.compile("data set .*: ")),
    ("activation model", re.compile("activation model .*: ")),
    ("activations", re.compile(r".* seed \d+: [\d,]+ updates")),
)
"""The stages of `hsal-bench run` before the training, each with the line that ends it."""
TRAINING = "training"


@dataclass(frozen=True)
class Attempt:
    """What one attempt at an item came to.

    updates: those it made and left a checkpoint of. stages: seconds by name, as far as it came.
    """

    item: str
    outcome: Outcome
    updates: int
    stages: dict[str, float]

    @property
    def training(self) -> float:
        """What training and the evaluation after it took."""
        return self.stages.get(TRAINING, 0.0)


@dataclass
class Stages:
    """The seconds of each stage, told from the lines a run writes."""

    started: float
    seconds: dict[str, float] = field(default_factory=dict)

    def see(self, line: str, now: float) -> None:
        """End the stage that `line` ends, if it ends one."""
        done = len(self.seconds)
        if done < len(STAGES) and STAGES[done][1].match(line):
            self.end(now)

    def end(self, now: float) -> None:
        """End the stage that is under way."""
        name = (*(name for name, _ in STAGES), TRAINING)[len(self.seconds)]
        self.seconds[name] = now - self.started
        self.started = now
        print(f"  {name}: {self.seconds[name]:,.0f} s", flush=True)


class Clock:
    """The time there is, in seconds: to work, to end a run that is under way, and to wind up."""

    def __init__(self, budget: float) -> None:
        self.end = time.monotonic() + budget
        self.reserve = min(30.0, max(3.0, budget / 10))

    @property
    def left(self) -> float:
        """Seconds until a run under way is interrupted."""
        return self.end - self.reserve - time.monotonic()

    @property
    def patience(self) -> float:
        """Seconds that an interrupted run has to end by itself."""
        return self.reserve / 2


def follow(command: Sequence[str], log: Path, stages: Stages, clock: Clock) -> int | None:
    """Run a command, its output appended to `log`; return its exit code.

    None: it ran into the end of the budget, was told to stop (SIGINT), and killed if it did not.

    Raises:
        KeyboardInterrupt: the user stopped it; the command has been stopped as well.
    """
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {shlex.join(command)}\n")
        # A session of its own: what is killed are the command's workers too, and a Ctrl-C on the
        # terminal reaches it through this process alone, once.
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        reader = threading.Thread(target=_read, args=(process.stdout, file, stages), daemon=True)
        reader.start()
        try:
            return process.wait(max(0.0, clock.left))
        except subprocess.TimeoutExpired:
            return None
        finally:
            _stop(process, clock.patience)
            reader.join(timeout=1.0)
            if reader.is_alive():  # a worker has outlived the command and holds the pipe open
                _kill(process)
                reader.join()


def read_attempts(path: Path) -> list[Attempt]:
    """Return the attempts kept in a file, [] if there is none.

    Raises:
        UsageError: it is not such a file.
    """
    if not path.exists():
        return []
    try:
        return [Attempt(**values) for values in json.loads(path.read_text())]
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path} holds no attempts ({error}): remove it") from error


def write_attempts(attempts: Iterable[Attempt], path: Path) -> None:
    """Write the attempts to a file."""
    write_text(path, json.dumps([dataclasses.asdict(one) for one in attempts], indent=1) + "\n")


def updates_kept(item: Item, work: Path) -> int:
    """Return how many of an item's updates are done, by its training curve."""
    curve = item.folder(work) / "metrics.jsonl"
    if not (curve.exists() and curve.with_name("checkpoint.pt").exists()):
        return 0
    return int(json.loads(curve.read_text().splitlines()[-1])["update"])


def estimate(item: Item, attempts: Sequence[Attempt], work: Path) -> float | None:
    """Return how many seconds an item will probably take; None where nothing is known yet.

    The pace is that of the same method and settings, else the slowest known. A stage before the
    training takes the least that it has taken where what it makes is there, else the most.
    """
    trained = [one for one in attempts if one.updates > 0]
    if not trained:
        return None
    paces = {kind: _pace(trained, kind) for kind in {_kind(one.item) for one in trained}}
    pace = paces.get(_kind(item.name), max(paces.values()))
    preparing = 0.0
    for stage, there in _prepared(item, work).items():
        taken = [one.stages.get(stage, 0.0) for one in trained]
        preparing += min(taken) if there else max(taken)
    return preparing + (item.budget - updates_kept(item, work)) * pace


def _prepared(item: Item, work: Path) -> dict[str, bool]:
    """Return, for each stage before an item's training, whether what it makes is there."""
    datasets = work / "data"
    made = (
        f"{item.data_set}.h5",
        "activation-models/*/model.json",
        f"activations/{item.data_set}-*/test.npy",
    )
    there = (any(datasets.glob(pattern)) for pattern in made)
    return dict(zip((name for name, _ in STAGES), there, strict=True))


def _pace(attempts: Iterable[Attempt], kind: str) -> float:
    """Return the seconds per update of all attempts of a kind."""
    same = [one for one in attempts if _kind(one.item) == kind]
    return sum(one.training for one in same) / sum(one.updates for one in same)


def _kind(name: str) -> str:
    """Return what items of one pace have in common: the method with its settings, the preset."""
    _, label, preset, _ = name.split("--")
    return f"{re.sub(r'[+]updates=[0-9]+', '', label)}--{preset}"


def _read(lines: IO[str], log: IO[str], stages: Stages) -> None:
    for line in lines:
        log.write(line)
        log.flush()
        stages.see(line, time.monotonic())


def _stop(process: subprocess.Popen[str], patience: float) -> None:
    """End a process that is still running: by SIGINT, and its whole session by SIGKILL if need be.

    A second Ctrl-C cuts the patience short.
    """
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(patience)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        _kill(process)
        process.wait()


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill what is left of the process's session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
