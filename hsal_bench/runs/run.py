"""A run: from names and options to records, making what is missing on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import click
import torch

from hsal_bench.data import locate
from hsal_bench.data.file import DataFile, open_data
from hsal_bench.data.schema import SPLITS
from hsal_bench.data.verify import require_whole
from hsal_bench.errors import UsageError
from hsal_bench.files import writable_folder
from hsal_bench.method.contract import Method, Setup
from hsal_bench.progress import progress
from hsal_bench.records import environment
from hsal_bench.records import record as records
from hsal_bench.records.predictions import write_predictions
from hsal_bench.records.record import Record
from hsal_bench.runs import artifacts, recording
from hsal_bench.runs import request as requests
from hsal_bench.runs.eval_on import FOLDER, method_for, opened
from hsal_bench.runs.inputs import Inputs
from hsal_bench.runs.request import Entry, Request
from hsal_bench.training import backbones, checkpoint, presets
from hsal_bench.training import device as devices
from hsal_bench.training import evaluate as evaluation
from hsal_bench.training import train as training
from hsal_bench.training.batches import ExampleSet
from hsal_bench.training.checkpoint import Checkpoint
from hsal_bench.training.evaluate import Evaluation
from hsal_bench.training.presets import Preset

RECORD = "record.json"


def run(request: Request) -> list[Record]:
    """Do what `request` asks and return the records, one per method, seed and data set.

    A method that fails does not keep the others from running: its record says how it failed.

    Raises:
        UsageError: something asked for is not there or contradicts itself; before any work.
    """
    device = devices.resolve(request.device)
    if request.threads is not None:
        torch.set_num_threads(request.threads)
    name = request.preset or ("paper" if device.type == "cuda" else "quick")
    preset = requests.scaled(presets.preset(name), request)
    precision = devices.precision(request.precision, preset.precision, device)
    if precision != (request.precision or preset.precision):
        _say(
            f"{devices.describe(device)} has no {preset.precision}: the activation model computes "
            f"in {precision}"
        )
    preset = dataclasses.replace(preset, precision=precision)
    backbones.require(preset.backbone)
    entries = requests.entries(request, name)
    for entry in entries:
        backbones.require(entry.backbone, entry.input_size)
    for one in (request.dataset, *request.eval_on):
        if one != requests.ALL:
            locate.require_known(one, request.datasets)
    writable_folder(request.out)
    path = locate.find_or_build(request.dataset, request.datasets, request.data_dir)
    with open_data(path) as data:
        sizes = " / ".join(f"{data.layout.sizes[split]:,}" for split in SPLITS)
        _say(f"data set {path}: {data.header.name}, {sizes} images ({', '.join(SPLITS)})")
        _say(f"preset {name} on {devices.describe(device)}")
        bench = Bench(request, name, preset, device, data)
        wanted = [(entry, seed) for entry in entries for seed in request.seeds]
        if request.activation_seed == "per-seed":
            # Seed by seed: the activations of one activation model are in memory at a time.
            wanted.sort(key=lambda run: request.seeds.index(run[1]))
        bench.refuse_wrong_models(entries)
        bench.refuse_other_runs(wanted)
        require_whole(data)
        with opened(request, data) as others:
            bench.refuse_lost_states(wanted, others)
            found: list[Record] = []
            for number, (entry, seed) in enumerate(wanted, 1):
                found += bench.run(entry, seed, others, f"{number} of {len(wanted)}")
            return found


@dataclass
class Bench:
    """One data set on one device, ready to run methods; inputs are made when first wanted."""

    request: Request
    preset_name: str
    preset: Preset
    device: torch.device
    data: DataFile
    _inputs: dict[tuple[str, int | None, int], Inputs] = field(default_factory=dict)

    def refuse_wrong_models(self, entries: Iterable[Entry]) -> None:
        """Refuse an activation model that was given and is not there, or does not fit.

        Raises:
            UsageError: saying what is wrong with it.
        """
        for entry in entries:
            if entry.cls.inputs == "activations":
                _ = self.inputs(entry).given

    def refuse_other_runs(self, wanted: Iterable[tuple[Entry, int]]) -> None:
        """Refuse what would go on from another run's checkpoint; nothing is trained for that.

        Raises:
            UsageError: naming all such checkpoints and what is other in them.
        """
        if self.request.restart:
            return
        found: dict[str, list[str]] = {}
        for entry, seed in wanted:
            folder = self.folder(entry, seed)
            stopped = checkpoint.find(folder)
            if stopped and (other := self._difference(entry, seed, stopped)):
                found.setdefault(other, []).append(str(folder / "checkpoint.pt"))
        if found:
            problems = "; ".join(
                f"{', '.join(paths)} "
                f"{'belongs to another run' if len(paths) == 1 else 'belong to other runs'} "
                f"({other})"
                for other, paths in found.items()
            )
            raise UsageError(f"{problems}: use another --out, or --restart to start over")

    def refuse_lost_states(
        self, wanted: Iterable[tuple[Entry, int]], others: Sequence[DataFile]
    ) -> None:
        """Refuse to evaluate what was trained before and whose state is no longer there.

        Raises:
            UsageError: naming all such states.
        """
        if self.request.restart:
            return
        lost = [
            str(folder / "best.pt")
            for entry, seed in wanted
            if not checkpoint.has_best(folder := self.folder(entry, seed))
            and any(not (folder / FOLDER / o.header.name / RECORD).exists() for o in others)
            and self._is_done(entry, seed)
        ]
        if lost:
            raise UsageError(
                f"an evaluation on other data sets needs {', '.join(lost)}, which "
                f"{'is' if len(lost) == 1 else 'are'} no longer there: --restart trains again"
            )

    def run(self, entry: Entry, seed: int, others: Sequence[DataFile], place: str) -> list[Record]:
        """Return the records of one method and seed: on its data set, then on the others.

        They are from disk where this very run or evaluation is done. `place`: of the run among
        those of the request, for the line that ends it.
        """
        folder = writable_folder(self.folder(entry, seed))
        who = f"{entry.label} seed {seed}"
        if self.request.restart:
            (folder / RECORD).unlink(missing_ok=True)
            checkpoint.remove(folder)
            # Else a failure before the first evaluation would take this curve for its own.
            (folder / checkpoint.CURVE).unlink(missing_ok=True)
        stub = self._stub(entry, seed)
        if entry.cls.inputs == "activations":
            stub = dataclasses.replace(stub, activation=self.inputs(entry, seed).as_record())
        record = recording.done_before(folder / RECORD, stub)
        if record:
            _say(f"{who}: done before, {folder / RECORD}")
        else:
            for path in folder.glob(f"{FOLDER}/*/{RECORD}"):
                path.unlink()  # of a state that is no more
            record = recording.attempt(lambda: self._train(entry, stub, folder), stub, folder, who)
            records.write_record(record, folder / RECORD)
            _say(f"{who} ({place}): {recording.outcome(record)}")
            self._require_working_device(record, who)
        if record.status != "ok" and others:
            _say(f"{who} is {record.status} on {self.data.header.name}: evaluated on nothing else")
            return [record]
        return [record, *(self._elsewhere(entry, record, folder, other) for other in others)]

    def folder(self, entry: Entry, seed: int) -> Path:
        """Return the folder of a run."""
        name = self.data.header.name
        return self.request.out / name / entry.folder / self.preset_name / f"seed-{seed}"

    def inputs(self, entry: Entry, seed: int = 0) -> Inputs:
        """Return the inputs under the activation model of a method's run with that seed."""
        backbone, size = entry.backbone, entry.input_size
        key = backbone, size, seed if self.request.activation_seed == "per-seed" else 0
        if key not in self._inputs:
            preset = dataclasses.replace(self.preset, backbone=backbone)
            made = Inputs(self.request, preset, self.device, self.data, key[2], size)
            kept = {other: one for other, one in self._inputs.items() if other[2] == key[2]}
            self._inputs = {**kept, key: made}
        return self._inputs[key]

    def _train(self, entry: Entry, stub: Record, folder: Path) -> Record:
        budget = self.preset.train
        sets = self.inputs(entry, stub.seed).splits(entry.cls.inputs)
        who = f"{entry.label} seed {stub.seed}"
        stopped = checkpoint.find(folder)
        resuming = f", {stopped.resuming(self.device)}" if stopped else ""
        scale = f"{budget.updates:,} updates, batches of {budget.batch_size}"
        _say(f"{who}: {scale}, in {folder}{resuming}")
        setup = Setup(self.device, stub.seed, budget.updates)
        resident = devices.release_memory(self.device)
        work = f"training with batches of {budget.batch_size}"
        with devices.enough_memory(work, "use a smaller --batch-size, with --restart"):
            method = entry.cls(
                self.inputs(entry, stub.seed).task(sets["train"]), entry.config, setup
            )
            identity = recording.identity(stub)
            with progress(who, budget.updates) as report:
                run = training.train(method, sets, budget, stub.seed, folder, identity, report)
            stub = recording.trained(stub, run)
            return self._score(method, stub, sets["test"], self.data, folder, resident)

    def _elsewhere(self, entry: Entry, trained: Record, folder: Path, other: DataFile) -> Record:
        """Return the record of the trained method on another data set."""
        stub = recording.stub_elsewhere(trained, other)
        stub = recording.surrounded(stub, self.device, self.request.command, self.git)
        who = f"{entry.label} seed {trained.seed} on {other.header.name}"
        folder_there = writable_folder(folder / FOLDER / other.header.name)
        done = recording.done_before(folder_there / RECORD, stub)
        if done and done.status == "ok":
            _say(f"{who}: done before, {folder_there / RECORD}")
            return done
        record = recording.attempt(
            lambda: self._evaluate(entry, stub, folder, other), stub, folder_there, who
        )
        _say(f"{who}: {recording.outcome(record)}, in {folder_there}")
        records.write_record(record, folder_there / RECORD)
        self._require_working_device(record, who)
        return record

    def _evaluate(self, entry: Entry, stub: Record, folder: Path, other: DataFile) -> Record:
        update, state = checkpoint.best_state(folder)
        if update != stub.selected_update:
            raise UsageError(
                f"{folder / 'best.pt'} is of update {update}, and {folder / RECORD} tested update "
                f"{stub.selected_update}: --restart trains again"
            )
        inputs = self.inputs(entry, stub.seed)
        test = inputs.test(entry.cls.inputs, other)
        setup = Setup(self.device, stub.seed, self.preset.train.updates)
        resident = devices.release_memory(self.device)
        method = method_for(entry, inputs.task(test), other, setup, state)
        folder = folder / FOLDER / other.header.name
        return self._score(method, stub, test, other, folder, resident)

    def _score(
        self,
        method: Method,
        stub: Record,
        test: ExampleSet,
        data: DataFile,
        folder: Path,
        resident: int | None,
    ) -> Record:
        # The time of the training tells apart what was trained twice.
        trained = [stub.selected_update, stub.wall_s]
        state = {"run": recording.identity(stub), "trained": trained}
        result = evaluation.evaluate(method, test, folder, state)
        _write_outputs(method, test, result, data, folder)
        return recording.scored(stub, method, result, test, self.device, resident)

    def _require_working_device(self, record: Record, who: str) -> None:
        if record.status == "failed":
            devices.require_working(self.device, who)

    @cached_property
    def git(self) -> records.Git | None:
        """The checkout as it was when the first run began: code changed later is not what runs."""
        return environment.git_state()

    def _stub(self, entry: Entry, seed: int) -> Record:
        stub = recording.stub(entry, self.preset_name, self.preset.train, seed, self.data)
        return recording.surrounded(stub, self.device, self.request.command, self.git)

    def _known(self, entry: Entry, seed: int) -> dict[str, object]:
        """Return what decides a run, but for the activation model, which may not be made yet."""
        facts = recording.identity(self._stub(entry, seed))
        return {name: fact for name, fact in facts.items() if name != "activation"}

    def _difference(self, entry: Entry, seed: int, stopped: Checkpoint) -> str:
        before = stopped.identity.get("method_sha256")
        if entry.sha256 and before and before != entry.sha256:
            return f"{entry.file} as it was before it was changed"
        other = checkpoint.difference(stopped.identity, self._known(entry, seed))
        activation = stopped.identity.get("activation")
        if other or entry.cls.inputs != "activations" or not activation:
            return other
        return self.inputs(entry, seed).other_than(activation)

    def _is_done(self, entry: Entry, seed: int) -> bool:
        path = self.folder(entry, seed) / RECORD
        if not path.exists():
            return False
        done = records.read_record(path)
        known = self._known(entry, seed)
        return done.status == "ok" and not checkpoint.difference(recording.identity(done), known)


def _write_outputs(
    method: Method, test: ExampleSet, result: Evaluation, data: DataFile, folder: Path
) -> None:
    truth, names = test.counts.cpu().numpy(), data.header.class_names
    write_predictions(result.counts, result.confidence, folder / "predictions.jsonl")
    artifacts.write_per_class(truth, result.counts, names, folder / "per_class.csv")
    artifacts.write_attention(method, test, data, folder / "attention.png")


def _say(text: str) -> None:
    click.echo(text, err=True)
