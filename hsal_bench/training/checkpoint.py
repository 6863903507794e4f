"""Checkpoints: the state from which a training resumes, and the run that it belongs to.

`checkpoint.pt` holds everything needed to resume, `best.pt` the state that scored best on the
validation split, `evaluation.pt` the predictions so far of an evaluation under way. The checkpoint
knows the hash of its `best.pt`: a different state is not used in its place.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hsal_bench.errors import UsageError
from hsal_bench.method.contract import Method
from hsal_bench.method.validate import Breach
from hsal_bench.options import difference
from hsal_bench.record.find import CHECKPOINT
from hsal_bench.training import states
from hsal_bench.training.states import DamagedState

BEST, CURVE, EVALUATION = "best.pt", "metrics.jsonl", "evaluation.pt"

Sums = dict[tuple[str, ...], Tensor]
"""Sums of scalars since the last evaluation, one tensor per group of names."""


@dataclass
class Progression:
    """The progress of a training run; the checkpoint holds it next to the method's state.

    seconds: the whole training; validating: the part of it spent on the validation split.
    cpu_seconds: the same of all the process's threads; None if older code trained a part of it.
    best_sha256: of the file best.pt; "" in older checkpoints.
    devices: the kinds of device it ran on ("cpu", "cuda"), in order.
    """

    update: int = 0
    seconds: float = 0.0
    cpu_seconds: float | None = 0.0
    validating: float = 0.0
    best_update: int = 0
    best_score: float = -1.0
    best_sha256: str = ""
    curve: list[dict[str, float]] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)


class Stopwatch:
    """Adds the time since its last call to a run."""

    def __init__(self, run: Progression) -> None:
        self.run = run
        self.skip()

    def skip(self) -> None:
        """Leave out the time since the last call."""
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def add(self) -> None:
        """Add the time since the last call."""
        wall, cpu = self.wall, self.cpu
        self.skip()
        self.run.seconds += self.wall - wall
        if self.run.cpu_seconds is not None:
            self.run.cpu_seconds += self.cpu - cpu


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's run: its identity as given to `training.train`, its update, its device."""

    identity: Mapping[str, Any]
    update: int
    device: str | None

    def resuming(self, device: torch.device) -> str:
        """Return the message for resuming on a device."""
        resumed = f"resuming from update {self.update:,}"
        if self.device in (None, device.type):
            return resumed
        return (
            f"{resumed} (trained on {self.device}): random numbers are reseeded, so the result "
            f"differs from a run on {device.type} alone"
        )


def exists(folder: Path) -> bool:
    """Return whether a folder has a checkpoint."""
    return (folder / CHECKPOINT).exists()


def find(folder: Path) -> Checkpoint | None:
    """Return the checkpoint of a folder, or None.

    Raises:
        DamagedState: it cannot be read.
    """
    if not exists(folder):
        return None
    state = _load(folder, CHECKPOINT, "identity", "run")
    devices = state["run"].get("devices", [])
    return Checkpoint(
        json.loads(state["identity"]), state["run"]["update"], devices[-1] if devices else None
    )


@dataclass(frozen=True)
class Reached:
    """How far a training is: its update of `updates` (None: unknown), and the seconds it took."""

    update: int = 0
    seconds: float = 0.0
    updates: int | None = None


def reached(folder: Path) -> Reached:
    """Return how far the checkpoint of a folder is, unchecked; 0 if it is missing or unreadable."""
    try:
        state = states.glance(folder / CHECKPOINT)
        budget = json.loads(state["identity"]).get("budget") or {}
        return Reached(state["run"]["update"], state["run"]["seconds"], budget.get("updates"))
    except Exception:  # `hsal-bench run` reports the file
        return Reached()


def save(
    method: Method, run: Progression, sums: Sums, folder: Path, identity: Mapping[str, Any]
) -> None:
    """Write the file that `resume` reads. `sums` holds the scalars since the last evaluation."""
    state = {
        # As text, so that the identity read back has plain JSON types.
        "identity": json.dumps(identity, sort_keys=True),
        "run": vars(run),
        "sums": [[list(names), values] for names, values in sums.items()],
        "method": method.state_dict(),
    }
    states.write(folder / CHECKPOINT, state)


def resume(
    method: Method, folder: Path, identity: Mapping[str, Any], device: torch.device
) -> tuple[Progression, Sums]:
    """Load a folder's checkpoint into `method`; return its progress and its sums, on `device`.

    Raises:
        UsageError: the checkpoint belongs to another run, or does not fit the method.
        DamagedState: it is damaged, or best.pt next to it is not its own.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return Progression(), {}
    state = _load(folder, CHECKPOINT, "identity", "run", "method")
    if other := difference(json.loads(state["identity"]), identity, identity):
        raise UsageError(
            f"{path} belongs to another run ({other}): use another --out, or --restart to start "
            "over"
        )
    try:
        method.load_state_dict(state["method"])
    except (KeyError, RuntimeError, ValueError) as error:
        # The code of a method can have changed; its config and the data have not.
        raise UsageError(
            f"{path} does not fit the current {type(method).__name__} "
            f"({' '.join(str(error).split())[:200]}): --restart starts over"
        ) from error
    run = Progression(**{"cpu_seconds": None, **state["run"]})
    if run.curve:
        best, sha256 = _best(folder)
        if _is_newer(best, run, identity):
            # Killed between the two files: the better state came after this checkpoint. It may not
            # recur where training is not reproducible.
            run.best_update, run.best_score, run.best_sha256 = best["update"], best["score"], sha256
        else:
            _require_own(folder, run, best, sha256)
    sums = {tuple(names): values.to(device) for names, values in state.get("sums", [])}
    return run, sums


def device_change(devices: Sequence[str]) -> str:
    """Return " (on cuda, then cpu)" for training that changed the kind of device, else ""."""
    return f" (on {', then '.join(devices)})" if len(devices) > 1 else ""


def has_best(folder: Path) -> bool:
    """Return whether a folder has the state that scored best."""
    return (folder / BEST).exists()


def save_best(method: Method, run: Progression, folder: Path, identity: Mapping[str, Any]) -> None:
    """Write the method's state as the best one, which has the update and score in `run`.

    Raises:
        Breach: at update 0, the state cannot be read back.
    """
    path = folder / BEST
    state: dict[str, Any] = {
        "identity": json.dumps(identity, sort_keys=True),
        "update": run.best_update,
        "score": run.best_score,
        "method": method.state_dict(),
    }
    run.best_sha256 = states.write(path, state)
    if run.best_update == 0:
        try:
            method.load_state_dict(states.read(path)[0]["method"])
        except DamagedState as error:
            path.unlink()
            raise Breach(_unreadable(method, state["method"])) from error


def best_state(folder: Path, run: Progression | None = None) -> tuple[int, dict[str, Any]]:
    """Return the update whose state scored best, and the method's state.

    run: the training that selected it; by default that of the checkpoint in the folder, if any.

    Raises:
        DamagedState: it is missing or damaged, or not the state that the training selected.
    """
    best, sha256 = _best(folder)
    if run is None and exists(folder):
        run = Progression(**_load(folder, CHECKPOINT, "run")["run"])
    if run is not None:
        _require_own(folder, run, best, sha256)
    return best["update"], best["method"]


def remove(folder: Path) -> None:
    """Remove a training folder's states, so that training starts over."""
    for name in (CHECKPOINT, BEST, EVALUATION):
        (folder / name).unlink(missing_ok=True)


def _best(folder: Path) -> tuple[dict[str, Any], str]:
    """Return the content of best.pt and its hash. Raises DamagedState."""
    return _load_with_hash(folder, BEST, "update", "score", "method")


def _is_newer(best: Mapping[str, Any], run: Progression, identity: Mapping[str, Any]) -> bool:
    """Whether a best state was written after the checkpoint of `run`, by the same run."""
    own = "identity" not in best or not difference(json.loads(best["identity"]), identity, identity)
    return own and best["update"] > run.curve[-1]["update"] and best["score"] > run.best_score


def _require_own(folder: Path, run: Progression, best: Mapping[str, Any], sha256: str) -> None:
    """Raise DamagedState if best.pt is not the state that the training `run` selected."""
    same = (best["update"], best["score"]) == (run.best_update, run.best_score)
    if not same or run.best_sha256 not in ("", sha256):
        raise DamagedState(
            f"{folder / BEST} is not the state of update {run.best_update:,} that this run "
            f"selected: {_again(folder)}"
        )


def _load(folder: Path, name: str, *keys: str) -> dict[str, Any]:
    return _load_with_hash(folder, name, *keys)[0]


def _load_with_hash(folder: Path, name: str, *keys: str) -> tuple[dict[str, Any], str]:
    try:
        state, sha256 = states.read(folder / name)
    except DamagedState as error:
        raise DamagedState(f"{error}: {_again(folder)}") from error
    if not (isinstance(state, dict) and state.keys() >= set(keys)):
        raise DamagedState(f"{folder / name} is not a state of a run: {_again(folder)}")
    return state, sha256


def _again(folder: Path) -> str:
    return f"delete the folder {folder} to train this run again"


def _unreadable(method: Method, state: Mapping[str, Any]) -> str:
    """Return the message about a state that cannot be read back: it names the entries."""
    entries = [
        f"{name!r} ({type(value).__name__})"
        for name, value in state.items()
        if not states.is_plain(value)
    ]
    return (
        f"{type(method).__name__}.state_dict returned {', '.join(entries)}, which "
        "torch.load(weights_only=True) does not read: use tensors, numbers, texts, lists and dicts"
    )
