"""A run: from names and options to records, making what is missing on the way."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import torch

from hsal_bench import activations, evaluation, harness, locate, presets, registry
from hsal_bench import device as devices
from hsal_bench import options as configs
from hsal_bench import record as records
from hsal_bench.datafile import DataFile, open_data
from hsal_bench.errors import UsageError
from hsal_bench.evaluation import Evaluation
from hsal_bench.files import writable_folder
from hsal_bench.harness import Progression
from hsal_bench.loader import ExampleSet, example_set
from hsal_bench.method import Method, Setup, Task, Unsupported
from hsal_bench.metrics import METRICS_VERSION, correct
from hsal_bench.outputs import write_attention, write_predictions
from hsal_bench.presets import Budget, Preset
from hsal_bench.progress import progress
from hsal_bench.record import Record
from hsal_bench.schema import SPLITS
from hsal_bench.verify import content_hash


@dataclass(frozen=True)
class Request:
    """What the user asked for; None leaves a choice to the preset or the machine."""

    models: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    dataset: str = "mnist-multiset"
    preset: str | None = None
    device: str | None = None
    out: Path = Path("runs")
    datasets: Path = Path("data")
    data_dir: Path = Path("data")
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    updates: int | None = None
    batch_size: int | None = None
    eval_every: int | None = None
    fine_tune_updates: int | None = None
    backbone_weights: str | None = None
    restart: bool = False
    command: str = ""


@dataclass(frozen=True)
class Entry:
    """One method with its config, checked against `--set` and the preset."""

    name: str
    cls: type[Method]
    config: Any
    label: str


def run(request: Request) -> list[Record]:
    """Do what `request` asks and return the records, one per method and seed.

    Raises:
        UsageError: something asked for is not there or contradicts itself; before any work.
    """
    device = devices.resolve(request.device)
    name = request.preset or ("paper" if device.type == "cuda" else "quick")
    preset = _scaled(presets.preset(name), request)
    entries = [_entry(model, name, request.settings) for model in request.models]
    writable_folder(request.out)
    path = locate.find_or_build(request.dataset, request.datasets, request.data_dir)
    with open_data(path) as data:
        _check_content(data)
        bench = Bench(request, name, preset, device, data)
        return [bench.run(entry, seed) for entry in entries for seed in request.seeds]


def _entry(model: str, preset: str, settings: Mapping[str, str]) -> Entry:
    cls = registry.load_method(model)
    name = model.rpartition(":")[2]
    config = dataclasses.replace(cls.Config(), **cls.presets.get(preset, {}))
    config = configs.replace(config, settings, name)
    label = "+".join([name, *(f"{key}={value}" for key, value in sorted(settings.items()))])
    return Entry(name, cls, config, label.replace("/", "_"))


def _scaled(preset: Preset, request: Request) -> Preset:
    """Return the preset with the budgets' fields that the request names."""
    train = _with_updates(preset.train, request.updates)
    asked = {"batch_size": request.batch_size, "eval_every": request.eval_every}
    given = {name: value for name, value in asked.items() if value is not None}
    tuning = request.fine_tune_updates
    return dataclasses.replace(
        preset,
        train=dataclasses.replace(train, **given),
        fine_tune=_with_updates(preset.fine_tune, tuning),
        from_scratch=_with_updates(preset.from_scratch, tuning),
    )


def _with_updates(budget: Budget, updates: int | None) -> Budget:
    """Return the budget with another number of updates and as many evaluations."""
    if updates is None:
        return budget
    eval_every = max(1, budget.eval_every * updates // budget.updates)
    return dataclasses.replace(budget, updates=updates, eval_every=eval_every)


def _check_content(data: DataFile) -> None:
    stated, found = data.header.content_sha256, content_hash(data)
    if stated != found:
        raise UsageError(
            f"{data.path}: its content hashes to {found[:12]}, its header says {stated[:12]}: "
            "the file is damaged; make it again with `hsal-bench generate --force`"
        )


@dataclass
class Bench:
    """One data set on one device, ready to run methods; inputs are made when first wanted."""

    request: Request
    preset_name: str
    preset: Preset
    device: torch.device
    data: DataFile

    def run(self, entry: Entry, seed: int) -> Record:
        """Return the record of one method and seed, from disk if this very run is done."""
        folder = self.request.out / self.data.header.name / entry.label / f"seed-{seed}"
        writable_folder(folder)
        path = folder / "record.json"
        if self.request.restart:
            path.unlink(missing_ok=True)
            harness.restart(folder)
        stub = self._stub(entry, seed)
        if path.exists() and _same_run(done := records.read_record(path), stub):
            click.echo(f"{entry.label} seed {seed}: done before, {path}", err=True)
            return done
        record = self._run(entry, seed, folder, stub)
        records.write_record(record, path)
        return record

    def _run(self, entry: Entry, seed: int, folder: Path, stub: Record) -> Record:
        """Train and evaluate; a run that fails has a record that says how."""
        sets = self.examples if entry.cls.inputs == "activations" else self.images
        setup = Setup(self.device, seed, self.preset.train.updates)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        try:
            method = entry.cls(self._task(sets), entry.config, setup)
            trained = self._train(method, entry, seed, folder, sets, stub)
        except Unsupported as error:
            return dataclasses.replace(stub, status="unsupported", reason=str(error))
        except harness.Diverged as error:
            click.echo(f"{entry.label} seed {seed} failed: {error}", err=True)
            return dataclasses.replace(stub, reason=str(error))
        result = evaluation.evaluate(method, sets["test"])
        write_predictions(result, folder / "predictions.jsonl")
        write_attention(method, sets["test"], self.data, folder / "attention.png")
        return self._finished(stub, method, trained, result, sets["test"])

    def _train(
        self,
        method: Method,
        entry: Entry,
        seed: int,
        folder: Path,
        sets: Mapping[str, ExampleSet],
        stub: Record,
    ) -> Progression:
        budget, fingerprint = self.preset.train, _fingerprint(stub)
        with progress(f"{entry.label} seed {seed}", budget.updates) as report:
            return harness.train(method, sets, budget, seed, folder, fingerprint, report)

    @cached_property
    def images(self) -> dict[str, ExampleSet]:
        """The splits with images as inputs."""
        return {split: example_set(self.data, split, self.device) for split in SPLITS}

    @cached_property
    def examples(self) -> dict[str, ExampleSet]:
        """The splits with activation volumes as inputs."""
        root = self.request.datasets / "activations"
        volumes = activations.volumes(self.frozen, self.data, root, self.device)
        return {
            split: example_set(self.data, split, self.device, volumes[split]) for split in SPLITS
        }

    @cached_property
    def frozen(self) -> activations.FrozenModel:
        """The activation model, fine-tuned first if need be."""
        request, preset = self.request, self.preset
        origin, weights = activations.first_weights(preset.backbone, request.backbone_weights)
        budget = preset.from_scratch if weights is None else preset.fine_tune
        config = activations.SingleObjectConfig(backbone=preset.backbone, weights=weights)
        root = writable_folder(request.datasets / "activation-models")
        single = locate.find_or_build_single(self.data, request.datasets, request.data_dir)
        with open_data(single or self.data.path) as images:
            return activations.fine_tune(images, config, origin, budget, root, self.device)

    def _task(self, sets: Mapping[str, ExampleSet]) -> Task:
        _, channels, height, width = sets["train"].inputs.shape
        return activations.task_of(self.data, (channels, height, width))

    def _stub(self, entry: Entry, seed: int) -> Record:
        """Return the record as far as it is known before the run, as that of a failure."""
        header, layout = self.data.header, self.data.layout
        on_volumes = entry.cls.inputs == "activations"
        return Record(
            status="failed",
            reason="not finished",
            method=entry.name,
            config=configs.as_json(entry.config),
            preset=self.preset_name,
            seed=seed,
            budget=vars(self.preset.train),
            data_set=records.DataSet(
                header.name, header.content_sha256, dict(layout.sizes), self.data.path.name
            ),
            activation=self.frozen.as_record() if on_volumes else None,
            device=devices.describe(self.device),
            environment=records.environment(),
            git=records.git_state(),
            started=records.utc_now(),
            command=self.request.command,
            metrics_version=METRICS_VERSION,
        )

    def _finished(
        self, stub: Record, method: Method, run: Progression, result: Evaluation, test: ExampleSet
    ) -> Record:
        trained = max(run.seconds - run.validating, 1e-9)
        device = self.device
        on_gpu = device.type == "cuda"
        return dataclasses.replace(
            stub,
            status="ok",
            reason="",
            metrics=result.metrics,
            correct=records.pack_correct(correct(test.counts.cpu().numpy(), result.counts)),
            curve=tuple(run.curve),
            updates=run.update,
            wall_s=run.seconds,
            throughput_train=run.update * self.preset.train.batch_size / trained,
            throughput_predict=len(test) / result.seconds,
            peak_memory_bytes=records.PeakMemory(
                process=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                device=torch.cuda.max_memory_allocated(device) if on_gpu else None,
            ),
            parameters=_parameters(method),
        )


def _parameters(method: Method) -> int | None:
    network = getattr(method, "network", None)
    if not isinstance(network, torch.nn.Module):
        return None
    return sum(parameter.numel() for parameter in network.parameters())


_DECISIVE = ("method", "config", "seed", "budget", "data_set", "activation", "metrics_version")


def _same_run(done: Record, stub: Record) -> bool:
    """Return whether a record is of the run that is about to be made, and succeeded."""
    return done.status != "failed" and _fingerprint(done) == _fingerprint(stub)


def _fingerprint(record: Record) -> str:
    """Return a hash of what decides a run's result."""
    facts = {name: dataclasses.asdict(record)[name] for name in _DECISIVE}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
