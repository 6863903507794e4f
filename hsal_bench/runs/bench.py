"""Training and evaluating methods on one dataset and one device."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import click
import torch

from hsal_bench.data.file import DataFile
from hsal_bench.files import writable_folder
from hsal_bench.locks import locked
from hsal_bench.method.class_check import is_fitted
from hsal_bench.method.contract import Method, Setup
from hsal_bench.progress import progress
from hsal_bench.record import environment
from hsal_bench.record.predictions import write_predictions
from hsal_bench.record.record import Record
from hsal_bench.runs import artifacts, heartbeat, recording
from hsal_bench.runs.callbacks import Followers
from hsal_bench.runs.eval_on import FOLDER, method_for
from hsal_bench.runs.heartbeat import Beat
from hsal_bench.runs.inputs import Inputs
from hsal_bench.runs.methods import MethodRun
from hsal_bench.runs.recording import RECORD, Recorder, RunLog
from hsal_bench.runs.request import Request
from hsal_bench.runs.requested import run_folder
from hsal_bench.training import checkpoint
from hsal_bench.training import device as devices
from hsal_bench.training import evaluate as evaluation
from hsal_bench.training import fit as fitting
from hsal_bench.training import train as training
from hsal_bench.training.batches import ExampleSet
from hsal_bench.training.checkpoint import Checkpoint
from hsal_bench.training.presets import Preset
from hsal_bench.training.states import DamagedState


@dataclass
class Bench:
    """One dataset on one device, ready to run methods. Inputs are built on first use."""

    request: Request
    preset_name: str
    preset: Preset
    device: torch.device
    data: DataFile
    _inputs: dict[tuple[str, int | None, int], Inputs] = field(default_factory=dict)

    def train(self, method_run: MethodRun, seed: int, place: str) -> Record:
        """Train and score one method with one seed; return the record, which is written.

        A run that is done already is read from disk. Waits for another process in its folder.
        place: "1 of 3", for the closing line.
        """
        folder = writable_folder(self.folder(method_run, seed))
        with locked(folder, f"training in {folder}"):
            fitted = is_fitted(method_run.cls)
            updates = None if fitted else self.preset.train.updates
            with heartbeat.beating(folder, updates) as beat:
                return self._train(method_run, seed, folder, place, beat)

    def _train(
        self, method_run: MethodRun, seed: int, folder: Path, place: str, beat: Beat
    ) -> Record:
        self.followers.running = False  # an earlier run may have ended with an error
        log = self._log(method_run, seed, folder)
        if done := log.done_before():
            say(f"{log.title}: done before, {log.path}")
            return done
        for path in log.folder.glob(f"{FOLDER}/*/{RECORD}"):
            path.unlink()  # evaluations of an earlier state
        budget = self.preset.train
        with log.catching(method_run.cls):
            inputs = self.inputs(method_run, seed)
            sets = inputs.splits(method_run.cls.inputs)
            stopped = checkpoint.find(log.folder)
            self._announce(log, stopped)
            log.resident = devices.release_memory(self.device)
            work = f"training with batches of {budget.batch_size}"
            remedy = "use a smaller --batch-size, with --restart"
            if log.record.own_budget:
                work, remedy = "fitting", "use --device cpu"
            with devices.enough_memory(work, remedy):
                setup = self._setup(method_run, seed)
                method = method_run.cls(inputs.task(sets["train"]), method_run.config, setup)
                self.followers.started(log.record, log.folder, stopped.update if stopped else 0)
                log.trained(self._learn(method, sets, log, beat))
                self._score(method, log, sets["test"], self.data)
        log.write()
        self.followers.ended(log.record)
        say(f"{log.title} ({place}): {recording.outcome(log.record)}")
        self._require_working_device(log)
        return log.record

    def evaluate(self, method_run: MethodRun, trained: Record, data: DataFile) -> Record:
        """Evaluate a trained method on another dataset; return the record, which is written.

        An evaluation that is done already is read from disk. trained: the record of the run.
        """
        folder = self.folder(method_run, trained.seed)
        with locked(folder, f"evaluating in {folder}"):
            return self._evaluate(method_run, trained, folder, data)

    def _evaluate(
        self, method_run: MethodRun, trained: Record, folder: Path, data: DataFile
    ) -> Record:
        log = RunLog(
            self._recorder.evaluation(trained, data),
            writable_folder(folder / FOLDER / data.header.name),
            f"{method_run.label} seed {trained.seed} on {data.header.name}",
        )
        done = log.done_before()
        if done and done.status == "ok":
            say(f"{log.title}: done before, {log.path}")
            return done
        with log.catching(method_run.cls):
            update, state = checkpoint.best_state(folder)
            if trained.selected_update not in (None, update):
                raise DamagedState(
                    f"{folder / checkpoint.BEST} is of update {update}, but {folder / RECORD} "
                    f"tested update {trained.selected_update}: delete the folder {folder} to train "
                    "this run again"
                )
            inputs = self.inputs(method_run, trained.seed)
            test = inputs.test(method_run.cls.inputs, data)
            setup = self._setup(method_run, trained.seed)
            log.resident = devices.release_memory(self.device)
            method = method_for(method_run, inputs.task(test), data, setup, state)
            self._score(method, log, test, data)
        say(f"{log.title}: {recording.outcome(log.record)}, in {log.folder}")
        log.write()
        self._require_working_device(log)
        return log.record

    def folder(self, method_run: MethodRun, seed: int) -> Path:
        """Return the folder of a run."""
        name = self.data.header.name
        return run_folder(self.request.out, name, method_run, self.preset_name, seed)

    def inputs(self, method_run: MethodRun, seed: int = 0) -> Inputs:
        """Return the inputs of a run, under the activation model of its method and seed."""
        backbone, size = method_run.backbone, method_run.input_size
        key = backbone, size, seed if self.request.activation_seed == "per-seed" else 0
        if key not in self._inputs:
            preset = dataclasses.replace(self.preset, backbone=backbone)
            inputs = Inputs(self.request, preset, self.device, self.data, key[2], size)
            # Only one seed's activations stay in memory.
            same_seed = {other: kept for other, kept in self._inputs.items() if other[2] == key[2]}
            self._inputs = {**same_seed, key: inputs}
        return self._inputs[key]

    def start(self, method_run: MethodRun, seed: int) -> Record:
        """Return the record of a run before it starts, without its activation model."""
        return self._recorder.run(method_run, self.preset_name, self.preset.train, seed, self.data)

    def _log(self, method_run: MethodRun, seed: int, folder: Path) -> RunLog:
        """Return the log of a run that is about to start; discard an earlier run for --restart."""
        if method_run.restarts(self.request):
            discard_run(folder)
        start = self.start(method_run, seed)
        if method_run.cls.inputs == "activations":
            activation = self.inputs(method_run, seed).as_record()
            start = dataclasses.replace(start, activation=activation)
        return RunLog(start, folder, f"{method_run.label} seed {seed}")

    def _setup(self, method_run: MethodRun, seed: int) -> Setup:
        updates = 0 if is_fitted(method_run.cls) else self.preset.train.updates
        return Setup(self.device, seed, updates)

    def _learn(
        self, method: Method, sets: Mapping[str, ExampleSet], log: RunLog, beat: Beat
    ) -> checkpoint.Progression:
        """Train or fit a method, or load its state if that is done."""
        identity, seed = recording.identity(log.record), log.record.seed
        if log.record.own_budget:
            return fitting.fit(method, sets, seed, log.folder, identity)
        budget = self.preset.train
        with progress(log.title, budget.updates, of_grid=True) as advance:

            def report(update: int, status: str, validated: bool) -> None:
                advance(update, status, validated)
                beat(update)

            return training.train(
                *(method, sets, budget, seed, log.folder, identity, report),
                on_validation=lambda line: self.followers.validated(log.record, line),
            )

    def _announce(self, log: RunLog, stopped: Checkpoint | None) -> None:
        budget = self.preset.train
        if log.record.own_budget:
            if stopped:
                say(f"{log.title}: already fitted, in {log.folder}")
            else:
                say(f"{log.title}: fitting in {log.folder}; if interrupted, it starts over")
            return
        resuming = f", {stopped.resuming(self.device)}" if stopped else ""
        scale = f"{budget.updates:,} updates, batches of {budget.batch_size}"
        say(f"{log.title}: {scale}, in {log.folder}{resuming}")

    def _score(self, method: Method, log: RunLog, test: ExampleSet, data: DataFile) -> None:
        """Evaluate the method on a test split; write predictions, scores per class, a picture."""
        record, folder = log.record, log.folder
        # The training time tells two trainings of the same run from each other.
        trained = [record.selected_update, record.wall_s]
        state = {"run": recording.identity(record), "trained": trained}
        result = evaluation.evaluate(method, test, folder, state)
        truth, names = test.counts.cpu().numpy(), data.header.class_names
        write_predictions(result.counts, result.confidence, folder / "predictions.jsonl")
        artifacts.write_per_class(truth, result.counts, names, folder / "per_class.csv")
        artifacts.write_attention(method, test, data, folder / "attention.png")
        log.scored(method, result, test)

    def _require_working_device(self, log: RunLog) -> None:
        if log.record.status == "failed":
            devices.require_working(self.device, log.title)

    @cached_property
    def followers(self) -> Followers:
        """The callbacks of the request."""
        return Followers(self.request.callbacks)

    @cached_property
    def _recorder(self) -> Recorder:
        # The checkout as it is now: the imported code does not change during the runs.
        return Recorder(self.device, self.request.command, environment.git_state())


def discard_run(folder: Path) -> None:
    """Remove the record and the state of a run, for --restart."""
    (folder / RECORD).unlink(missing_ok=True)
    checkpoint.remove(folder)
    # Else a failure before the first evaluation would record the earlier run's curve.
    (folder / checkpoint.CURVE).unlink(missing_ok=True)


def say(text: str) -> None:
    """Print a line about the progress of the runs to standard error."""
    click.echo(text, err=True)
