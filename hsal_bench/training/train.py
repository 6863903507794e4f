"""Training a method: data order, validation, selection, checkpoints, the log and the clock.

A training folder holds the states of `hsal_bench.training.checkpoint` and `metrics.jsonl`, one line
per evaluation. After an interruption the same call resumes from the last checkpoint, which Ctrl-C
and SIGTERM write at once; after a crash it is at most a few minutes old. An interrupted validation
resumes after its last slow batch. On a CPU the result is bit for bit that of an uninterrupted run.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from hsal_bench.errors import HsalBenchError
from hsal_bench.files import read_bytes, write_text
from hsal_bench.interrupts import uninterrupted
from hsal_bench.method.contract import Batch, Method
from hsal_bench.method.validate import check_scalars
from hsal_bench.record.validation import LARGEST
from hsal_bench.training import checkpoint
from hsal_bench.training import evaluate as evaluation
from hsal_bench.training.batches import ExampleSet, training_batches
from hsal_bench.training.checkpoint import Progression, Stopwatch, Sums
from hsal_bench.training.presets import Budget

SELECT_BY = "exact_match"
SAVE_EVERY = 60.0
"""Seconds between two checkpoints, at least."""
SAVE_SHARE = 0.02
"""Share of the time that checkpoints may take, at most."""
_FOLLOWED = (
    "exact_match",
    "macro_f1",
    "overall_precision",
    "cardinality_accuracy",
    "attn_saliency",
    "pointing_hit",
)

Progress = Callable[[int, str, bool], None]
"""Called with the update, a status, and whether this update was validated."""


class Diverged(HsalBenchError):  # noqa: N818 - it names the state of the run
    """The loss is no longer a finite number."""


def train(
    method: Method,
    data: Mapping[str, ExampleSet],
    budget: Budget,
    seed: int,
    folder: Path,
    identity: Mapping[str, Any],
    progress: Progress | None = None,
    select_by: str = SELECT_BY,
    on_validation: Callable[[Mapping[str, float]], None] | None = None,
) -> Progression:
    """Train `method` on data["train"]; leave it in the state that scored best on data["valid"].

    `select_by` is the metric of that score, one of those in the curve. `identity` is everything
    that determines the result (config, data, seed, budget), as plain JSON values by name: a
    checkpoint with a different identity is refused. `on_validation` is called with each new line of
    the curve, outside the clock.

    Raises:
        UsageError: the folder holds a checkpoint of another run.
        DamagedState: its checkpoint or best state is damaged.
        Breach: the method returns something that violates the contract.
        Diverged: the loss is not finite; the last good checkpoint stays.
        KeyboardInterrupt: SIGINT or SIGTERM; a checkpoint has been written.
    """
    device = data["train"].device
    run, sums = checkpoint.resume(method, folder, identity, device)
    if run.update < budget.updates and run.devices[-1:] != [device.type]:
        run.devices.append(device.type)
    training = _Training(method, data, budget, folder, identity, select_by, run, sums)
    report = progress or (lambda update, status, validated: None)
    follow = on_validation or (lambda line: None)
    try:
        if training.evaluate_if_due():
            training.outside_the_clock(follow, run.curve[-1])
        report(run.update, _status(run, select_by), False)
        batches = training_batches(data["train"], budget.batch_size, seed, run.update)
        for batch in islice(batches, budget.updates - run.update):
            training.update(batch)
            validated = training.evaluate_if_due()
            training.save_if_due()
            report(run.update, _status(run, select_by), validated)
            if validated:
                training.outside_the_clock(follow, run.curve[-1])
    except KeyboardInterrupt as stop:
        training.save_at_stop()
        raise stop
    method.load_state_dict(checkpoint.best_state(folder, run)[1])
    return run


def validation(scores: Mapping[str, float]) -> dict[str, float]:
    """Return the scores of the validation split that a curve holds, by name."""
    # Attention metrics are NaN without glimpses: JSON has no such number.
    known = {name: scores[name] for name in _FOLLOWED if math.isfinite(scores.get(name, math.nan))}
    return {f"valid_{name}": score for name, score in known.items()}


def read_curve(folder: Path) -> list[dict[str, float]]:
    """Return the training curve in the folder of a run, finished or not; [] if it is damaged."""
    path = folder / checkpoint.CURVE
    try:
        lines = [json.loads(line) for line in read_bytes(path).splitlines()]
        return lines if all(isinstance(line["update"], int) for line in lines) else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


@dataclass
class _Training:
    """A run under way. `sums` holds the scalars since the last evaluation."""

    method: Method
    data: Mapping[str, ExampleSet]
    budget: Budget
    folder: Path
    identity: Mapping[str, Any]
    select_by: str
    run: Progression
    sums: Sums

    def __post_init__(self) -> None:
        self.stopwatch = Stopwatch(self.run)
        self.next_save = time.perf_counter() + SAVE_EVERY
        self.whole = True
        """Whether method, `run` and `sums` are of one update: a second signal can stop a step."""

    def update(self, batch: Batch) -> None:
        """Make one update. It ends before a signal stops the run."""
        with uninterrupted():
            self.whole = False
            scalars = check_scalars(self.method, "update", self.method.update(batch))
            _add(self.sums, scalars)
            self.run.update += 1
            self.whole = True

    def evaluate_if_due(self) -> bool:
        """Evaluate at update 0, every `eval_every` updates and at the end; return whether it did.

        Not if a resumed run did so already.
        """
        update, budget = self.run.update, self.budget
        evaluated = self.run.curve[-1]["update"] if self.run.curve else None
        due = update % budget.eval_every == 0 or update == budget.updates
        if due and update != evaluated:
            started = time.perf_counter()
            try:
                self._evaluate()
            finally:
                self.run.validating += time.perf_counter() - started
            if update:
                self.save()
        return due and update != evaluated

    def outside_the_clock(
        self, follow: Callable[[Mapping[str, float]], None], line: Mapping[str, float]
    ) -> None:
        """Call `follow` with a line of the curve; its time is not training time."""
        self.stopwatch.add()
        try:
            follow(line)
        finally:
            self.stopwatch.skip()

    def save_if_due(self) -> None:
        """Save a checkpoint every now and then."""
        if time.perf_counter() >= self.next_save:
            self.save()

    def save_at_stop(self) -> None:
        """Save a checkpoint after a signal, if there is progress; a failure is printed."""
        evaluating = (self.folder / checkpoint.EVALUATION).exists()
        if not (self.whole and (self.run.update or evaluating)):
            return
        try:
            self.save()
        except Exception as error:
            click.echo(f"no checkpoint of update {self.run.update:,}: {error}", err=True)

    def save(self) -> None:
        """Save a checkpoint.

        Raises:
            Diverged: a scalar is not finite; the previous checkpoint stays.
        """
        with uninterrupted():
            _means(self.sums, self.run)
            before = time.perf_counter()
            self.stopwatch.add()
            checkpoint.save(self.method, self.run, self.sums, self.folder, self.identity)
            now = time.perf_counter()
            self.next_save = now + max(SAVE_EVERY, (now - before) / SAVE_SHARE)

    def _evaluate(self) -> None:
        """Score the validation split, extend the curve, and keep the state if it is the best."""
        run = self.run
        losses = _means(self.sums, run)
        # On a GPU a resumed run may reach this update in a different state.
        state = {"run": self.identity, "update": run.update, "losses": losses}
        # A signal may stop this: predicting changes nothing.
        valid = self.data["valid"]
        scores = evaluation.evaluate(self.method, valid, self.folder, state).metrics
        with uninterrupted():
            self.whole = False
            self.sums.clear()
            run.curve.append({"update": run.update, **losses, **validation(scores)})
            if scores[self.select_by] > run.best_score:
                run.best_score, run.best_update = scores[self.select_by], run.update
                checkpoint.save_best(self.method, run, self.folder, self.identity)
            # Rewritten completely: a resumed run must not keep lines after its checkpoint.
            lines = (json.dumps(line) + "\n" for line in run.curve)
            write_text(self.folder / checkpoint.CURVE, "".join(lines))
            self.whole = True


def _add(sums: Sums, scalars: Mapping[str, Tensor]) -> None:
    """Add the scalars of an update to the sums, in two kernels for those of one dtype."""
    alike: dict[tuple[torch.dtype, torch.device], dict[str, Tensor]] = {}
    for name, scalar in scalars.items():
        # Detached here too: otherwise a scalar that a method forgot to detach keeps its graph.
        alike.setdefault((scalar.dtype, scalar.device), {})[name] = scalar.detach().reshape(())
    for group in alike.values():
        names, values = tuple(group), torch.stack(list(group.values()))
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
    # Written so that it includes NaN.
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
