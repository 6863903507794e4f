"""Training a method: data order, validation, selection, checkpoints, the log and the clock.

A training folder holds `checkpoint.pt` (everything needed to go on), `best.pt` (the state that
scored best on the validation split) and `metrics.jsonl` (one line per evaluation). Killed at any
moment, the same call goes on from the last checkpoint; on a CPU the result is the same bit for
bit as without the interruption.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hsal_bench import evaluation
from hsal_bench.contract import check_scalars
from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.files import write_state, write_text
from hsal_bench.loader import ExampleSet, training_batches
from hsal_bench.method import Method
from hsal_bench.presets import Budget
from hsal_bench.record_files import CHECKPOINT
from hsal_bench.record_rules import LARGEST

SELECT_BY = "exact_match"
_FOLLOWED = (
    "exact_match",
    "macro_f1",
    "overall_precision",
    "cardinality_accuracy",
    "attn_saliency",
    "pointing_hit",
)
_SHOWN = 3
_BEST = "best.pt"

Progress = Callable[[int, str], None]
Sums = dict[tuple[str, ...], Tensor]
"""Sums of scalars since the last evaluation, one tensor for the names that came together."""


class Diverged(HsalBenchError):  # noqa: N818 - it names the state of the run
    """The loss is no longer a finite number."""


@dataclass
class Progression:
    """How far a training run is; the checkpoint holds it next to the method's state.

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
    """A checkpoint's run: its identity, as `train` was given it, its update, its last device."""

    identity: Mapping[str, Any]
    update: int
    device: str | None

    def resuming(self, device: torch.device) -> str:
        """Return the words for resuming on a device."""
        resumed = f"resuming from update {self.update:,}"
        if self.device in (None, device.type):
            return resumed
        return (
            f"{resumed}, made on {self.device}: random numbers start from the seed and the update, "
            f"so the result is not that of a run on {device.type} alone"
        )


def train(
    method: Method,
    data: Mapping[str, ExampleSet],
    budget: Budget,
    seed: int,
    folder: Path,
    identity: Mapping[str, Any],
    progress: Progress | None = None,
    select_by: str = SELECT_BY,
) -> Progression:
    """Train `method` on data["train"]; leave it in the state that scored best on data["valid"].

    `select_by` is the metric of that score, one of those the curve follows. `identity` is
    everything that decides the result (config, data, seed, budget), as plain JSON values by name:
    a checkpoint of another one is refused.

    Raises:
        UsageError: the folder holds a checkpoint of another run.
        Breach: the method returns something other than the contract says.
        Diverged: the loss is not finite; the last good checkpoint stays.
    """
    run = _resume(method, folder, identity)
    report = progress or (lambda update, status: None)
    started, before = time.perf_counter(), run.seconds
    kind = data["train"].device.type
    if run.devices[-1:] != [kind]:
        run.devices.append(kind)
    if not run.curve:
        _evaluate(method, data, run, {}, folder, select_by)
    sums: Sums = {}
    batches = training_batches(data["train"], budget.batch_size, seed, run.update)
    for batch in islice(batches, budget.updates - run.update):
        _add(sums, check_scalars(method, "update", method.update(batch)))
        run.update += 1
        if run.update % budget.eval_every == 0 or run.update == budget.updates:
            losses = _means(sums, run)
            sums.clear()
            _evaluate(method, data, run, losses, folder, select_by)
            run.seconds = before + time.perf_counter() - started
            _save(method, run, folder, identity)
        report(run.update, _status(run, select_by))
    method.load_state_dict(_load(folder / _BEST)["method"])
    return run


def checkpoint(folder: Path) -> Checkpoint | None:
    """Return what a folder's checkpoint is of; None: there is none.

    Raises:
        UsageError: it cannot be read.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    state = _load(path)
    run = Progression(**state["run"])
    device = run.devices[-1] if run.devices else None
    return Checkpoint(json.loads(state["identity"]), run.update, device)


def difference(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Return what tells an identity from the `wanted` one: "budget.updates=400, not 6000", or "".

    `wanted` may be a part: only what it names is compared.
    """
    was, now = ({name: values.get(name) for name in wanted} for values in (there, wanted))
    was, now = _flat(was), _flat(json.loads(json.dumps(now)))
    names = [name for name in {**now, **was} if was.get(name) != now.get(name)][:_SHOWN]
    return ", ".join(f"{name}={was.get(name)}, not {now.get(name)}" for name in names)


def device_change(devices: Sequence[str]) -> str:
    """Return " (on cuda, then cpu)" for training that changed the kind of device, else ""."""
    return f" (on {', then '.join(devices)})" if len(devices) > 1 else ""


def has_best(folder: Path) -> bool:
    """Return whether a folder has the state that scored best."""
    return (folder / _BEST).exists()


def best_state(folder: Path) -> tuple[int, dict[str, Any]]:
    """Return the update whose state scored best, and the method's state.

    Raises:
        UsageError: it is not there or cannot be read.
    """
    path = folder / _BEST
    if not path.exists():
        raise UsageError(f"{path} is missing: --restart trains again")
    best = _load(path)
    if not best.keys() >= {"update", "method"}:
        raise UsageError(f"{path} was written by another hsal-bench: --restart trains again")
    return best["update"], best["method"]


def read_curve(folder: Path) -> list[dict[str, float]]:
    """Return the training curve that a run, finished or not, has left in its folder."""
    path = folder / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def restart(folder: Path) -> None:
    """Remove a training folder's states, so that `train` starts anew."""
    for name in (CHECKPOINT, _BEST):
        (folder / name).unlink(missing_ok=True)


def _evaluate(
    method: Method,
    data: Mapping[str, ExampleSet],
    run: Progression,
    losses: dict[str, float],
    folder: Path,
    select_by: str,
) -> None:
    """Score the validation split, extend the curve, and keep the state if it is the best so far."""
    started = time.perf_counter()
    scores = evaluation.evaluate(method, data["valid"]).metrics
    run.curve.append({"update": run.update, **losses, **_validation(scores)})
    if scores[select_by] > run.best_score:
        run.best_score, run.best_update = scores[select_by], run.update
        best = {"update": run.update, "score": run.best_score, "method": method.state_dict()}
        write_state(folder / _BEST, best)
    # Written whole each time: a run taken up again leaves no lines of its lost part behind.
    lines = (json.dumps(line) + "\n" for line in run.curve)
    write_text(folder / "metrics.jsonl", "".join(lines))
    run.validating += time.perf_counter() - started


def _validation(scores: Mapping[str, float]) -> dict[str, float]:
    # Attention metrics are NaN where nothing was glimpsed: JSON has no such number.
    known = {name: scores[name] for name in _FOLLOWED if math.isfinite(scores.get(name, math.nan))}
    return {f"valid_{name}": score for name, score in known.items()}


def _add(sums: Sums, scalars: Mapping[str, Tensor]) -> None:
    """Add the scalars of an update to the sums, in two kernels, without waiting for the device."""
    # Detached here too: a scalar that a method forgot to detach would keep every graph.
    values = torch.stack([scalar.detach().reshape(()) for scalar in scalars.values()])
    names = tuple(scalars)
    sums[names] = sums[names] + values if names in sums else values


def _means(sums: Sums, run: Progression) -> dict[str, float]:
    """Return the mean scalars since the last evaluation.

    Raises:
        Diverged: one of them is not finite, or too large for a record.
    """
    since = run.update - (int(run.curve[-1]["update"]) if run.curve else 0)
    totals: Counter[str] = Counter()
    for names, values in sums.items():
        totals.update(dict(zip(names, values.tolist(), strict=True)))
    means = {name: total / since for name, total in totals.items()}
    # Written so that NaN is among them.
    bad = [name for name, value in means.items() if not abs(value) <= LARGEST]
    if bad:
        raise Diverged(
            f"{bad[0]} is {means[bad[0]]} between updates {run.update - since} and {run.update}: "
            "lower the learning rate or the largest gradient norm"
        )
    return means


def _status(run: Progression, select_by: str) -> str:
    score, f1 = run.curve[-1][f"valid_{select_by}"], run.curve[-1]["valid_macro_f1"]
    return f"valid {select_by.replace('_', ' ')} {score:.3f}, macro F1 {f1:.3f}"


def _resume(method: Method, folder: Path, identity: Mapping[str, Any]) -> Progression:
    path = folder / CHECKPOINT
    if not path.exists():
        return Progression()
    state = _load(path)
    if other := difference(json.loads(state["identity"]), identity):
        raise UsageError(
            f"{path} is of a run with {other}: give another --out, or --restart to begin anew"
        )
    try:
        method.load_state_dict(state["method"])
    except (KeyError, RuntimeError, ValueError) as error:
        # A method found by name can have changed since; its config and the data have not.
        raise UsageError(
            f"{path} does not fit {type(method).__name__} as it is now "
            f"({' '.join(str(error).split())[:200]}): --restart begins anew"
        ) from error
    run = Progression(**state["run"])
    best = _load(folder / _BEST)
    if best["score"] > run.best_score:
        # Killed between the two files: the better state came after this checkpoint, and where
        # training does not repeat itself exactly it may not come again.
        run.best_update, run.best_score = best["update"], best["score"]
    return run


def _save(method: Method, run: Progression, folder: Path, identity: Mapping[str, Any]) -> None:
    # As text: what is read back is what JSON makes of it, whatever types went in.
    identified = json.dumps(identity, sort_keys=True)
    state = {"identity": identified, "run": vars(run), "method": method.state_dict()}
    write_state(folder / CHECKPOINT, state)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        nested = isinstance(value, Mapping)
        flat |= _flat(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}": value}
    return flat


def _load(path: Path) -> dict[str, Any]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load has no error of its own for a damaged file
        reason = str(error).splitlines()[0]
        raise UsageError(f"{path} cannot be read ({reason}): remove it to begin anew") from error
