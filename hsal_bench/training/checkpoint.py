"""Checkpoints: the state from which a training resumes, and the run that it belongs to.

`checkpoint.pt` holds everything needed to resume, `best.pt` the state that scored best on the
validation split, `evaluation.pt` the predictions so far of an evaluation under way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hsal_bench.errors import UsageError
from hsal_bench.files import write_state
from hsal_bench.method.contract import Method
from hsal_bench.options import difference
from hsal_bench.records.find import CHECKPOINT

BEST, CURVE, EVALUATION = "best.pt", "metrics.jsonl", "evaluation.pt"

Sums = dict[tuple[str, ...], Tensor]
"""Sums of scalars since the last evaluation, one tensor per group of names."""


@dataclass
class Progression:
    """The progress of a training run; the checkpoint holds it next to the method's state.

    seconds: the whole training; validating: the part of it spent on the validation split.
    devices: the kinds of device it ran on ("cpu", "cuda"), in order.
    """

    update: int = 0
    seconds: float = 0.0
    validating: float = 0.0
    best_update: int = 0
    best_score: float = -1.0
    curve: list[dict[str, float]] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)


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


def find(folder: Path) -> Checkpoint | None:
    """Return the checkpoint of a folder, or None.

    Raises:
        UsageError: it cannot be read.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    state = load(path)
    devices = state["run"].get("devices", [])
    return Checkpoint(
        json.loads(state["identity"]), state["run"]["update"], devices[-1] if devices else None
    )


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
    write_state(folder / CHECKPOINT, state)


def resume(
    method: Method, folder: Path, identity: Mapping[str, Any], device: torch.device
) -> tuple[Progression, Sums]:
    """Load a folder's checkpoint into `method`; return its progress and its sums, on `device`.

    Raises:
        UsageError: the checkpoint belongs to another run, is damaged, or does not fit the method.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return Progression(), {}
    state = load(path)
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
    run = Progression(**state["run"])
    if run.curve and (best := load(folder / BEST))["score"] > run.best_score:
        # Killed between the two files: the better state came after this checkpoint. It may not
        # recur where training is not reproducible.
        run.best_update, run.best_score = best["update"], best["score"]
    sums = {tuple(names): values.to(device) for names, values in state.get("sums", [])}
    return run, sums


def device_change(devices: Sequence[str]) -> str:
    """Return " (on cuda, then cpu)" for training that changed the kind of device, else ""."""
    return f" (on {', then '.join(devices)})" if len(devices) > 1 else ""


def has_best(folder: Path) -> bool:
    """Return whether a folder has the state that scored best."""
    return (folder / BEST).exists()


def best_state(folder: Path) -> tuple[int, dict[str, Any]]:
    """Return the update whose state scored best, and the method's state.

    Raises:
        UsageError: it is missing or cannot be read.
    """
    path = folder / BEST
    if not path.exists():
        raise UsageError(f"{path} is missing: --restart trains again")
    best = load(path)
    if not best.keys() >= {"update", "method"}:
        raise UsageError(f"{path} was written by another hsal-bench: --restart trains again")
    return best["update"], best["method"]


def remove(folder: Path) -> None:
    """Remove a training folder's states, so that training starts over."""
    for name in (CHECKPOINT, BEST, EVALUATION):
        (folder / name).unlink(missing_ok=True)


def load(path: Path) -> dict[str, Any]:
    """Return the state in a file, its tensors on the CPU.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load has no specific error for a damaged file
        reason = str(error).splitlines()[0]
        raise UsageError(f"{path} cannot be read ({reason}): remove it to start over") from error
