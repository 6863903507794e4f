"""A run: from names and options to records, making what is missing on the way."""

from __future__ import annotations

import dataclasses
import json
import resource
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import torch

from hsal_bench import activations, backbones, evaluation, harness, locate, outputs, presets
from hsal_bench import device as devices
from hsal_bench import options as configs
from hsal_bench import record as records
from hsal_bench.contract import Breach
from hsal_bench.datafile import DataFile, open_data
from hsal_bench.errors import UsageError
from hsal_bench.evaluation import Evaluation
from hsal_bench.files import writable_folder, write_text
from hsal_bench.harness import Progression
from hsal_bench.loader import ExampleSet, example_set
from hsal_bench.method import Method, Setup, Task, Unsupported
from hsal_bench.metrics import METRICS_VERSION, correct
from hsal_bench.plan import Entry, Request, entry, scaled
from hsal_bench.presets import Preset
from hsal_bench.progress import progress
from hsal_bench.record import Record
from hsal_bench.schema import SPLITS
from hsal_bench.verify import require_whole


def run(request: Request) -> list[Record]:
    """Do what `request` asks and return the records, one per method and seed.

    A method that fails does not keep the others from running: its record says how it failed.

    Raises:
        UsageError: something asked for is not there or contradicts itself; before any work.
    """
    device = devices.resolve(request.device)
    name = request.preset or ("paper" if device.type == "cuda" else "quick")
    preset = scaled(presets.preset(name), request)
    backbones.require(preset.backbone)
    other = None if preset.backbone == presets.preset(name).backbone else preset.backbone
    entries = [entry(model, name, request.settings, other) for model in request.models]
    writable_folder(request.out)
    path = locate.find_or_build(request.dataset, request.datasets, request.data_dir)
    with open_data(path) as data:
        sizes = " / ".join(f"{data.layout.sizes[split]:,}" for split in SPLITS)
        _say(f"data set {path}: {data.header.name}, {sizes} images ({', '.join(SPLITS)})")
        _say(f"preset {name} on {devices.describe(device)}")
        require_whole(data)
        bench = Bench(request, name, preset, device, data)
        return [bench.run(one, seed) for one in entries for seed in request.seeds]


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
        name = self.data.header.name
        folder = self.request.out / name / entry.label / self.preset_name / f"seed-{seed}"
        writable_folder(folder)
        path = folder / "record.json"
        if self.request.restart:
            path.unlink(missing_ok=True)
            harness.restart(folder)
        stub = self._stub(entry, seed)
        # All but the activation model is known before the work that making it may be.
        known = {name: fact for name, fact in _identity(stub).items() if name != "activation"}
        harness.refuse_other(folder, known)
        if entry.cls.inputs == "activations":
            stub = dataclasses.replace(stub, activation=self.frozen.as_record())
        if path.exists() and _same_run(done := records.read_record(path), stub):
            _say(f"{entry.label} seed {seed}: done before, {path}")
            return done
        record = self._attempt(entry, seed, folder, stub)
        records.write_record(record, path)
        return record

    def _attempt(self, entry: Entry, seed: int, folder: Path, stub: Record) -> Record:
        """Train and evaluate; a run that fails has a record that says how."""
        try:
            return self._train_and_evaluate(entry, seed, folder, stub)
        except Unsupported as error:
            return dataclasses.replace(stub, status="unsupported", reason=str(error))
        except (harness.Diverged, Breach) as error:
            reason = str(error)
        except (UsageError, OSError):
            raise  # wrong files or a full disk: nothing the method has done
        except Exception as error:
            write_text(folder / "error.txt", traceback.format_exc())
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            _say(f"the traceback of what follows is in {folder / 'error.txt'}")
        _say(f"{entry.label} seed {seed} failed: {reason}")
        curve = tuple(harness.read_curve(folder))
        updates = int(curve[-1]["update"]) if curve else 0
        return dataclasses.replace(stub, reason=reason, curve=curve, updates=updates)

    def _train_and_evaluate(self, entry: Entry, seed: int, folder: Path, stub: Record) -> Record:
        sets = self.examples if entry.cls.inputs == "activations" else self.images
        budget = self.preset.train
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        method = entry.cls(self._task(sets), entry.config, Setup(self.device, seed, budget.updates))
        plan = f"{budget.updates:,} updates, batches of {budget.batch_size}"
        _say(f"{entry.label} seed {seed}: {plan}, in {folder}")
        with progress(f"{entry.label} seed {seed}", budget.updates) as report:
            trained = harness.train(method, sets, budget, seed, folder, _identity(stub), report)
        result = evaluation.evaluate(method, sets["test"])
        self._write_outputs(method, sets["test"], result, folder)
        return self._finished(stub, method, trained, result, sets["test"])

    def _write_outputs(
        self, method: Method, test: ExampleSet, result: Evaluation, folder: Path
    ) -> None:
        truth, names = test.counts.cpu().numpy(), self.data.header.class_names
        outputs.write_predictions(result, folder / "predictions.jsonl")
        outputs.write_per_class(truth, result.counts, names, folder / "per_class.csv")
        outputs.write_attention(method, test, self.data, folder / "attention.png")

    @cached_property
    def git(self) -> records.Git | None:
        """The checkout as it was when the first run began: code changed later is not what runs."""
        return records.git_state()

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
        config = activations.SingleObjectConfig(
            backbone=preset.backbone, weights=weights, precision=preset.precision
        )
        root = writable_folder(request.datasets / "activation-models")
        single = locate.find_or_build_single(self.data, request.datasets, request.data_dir)
        with open_data(single or self.data.path) as images:
            model = activations.fine_tune(images, config, origin, budget, root, self.device)
        _say(
            f"activation model {model.backbone} ({model.weights}, fine-tuned on "
            f"{model.trained_on}): {100 * model.accuracy:.1f} % of its test images right"
        )
        return model

    def _task(self, sets: Mapping[str, ExampleSet]) -> Task:
        _, channels, height, width = sets["train"].inputs.shape
        return activations.task_of(self.data, (channels, height, width))

    def _stub(self, entry: Entry, seed: int) -> Record:
        """Return the record as far as it is known before the run, as that of a failure."""
        header, layout = self.data.header, self.data.layout
        return Record(
            status="failed",
            reason="not finished",
            method=entry.name,
            method_sha256=entry.sha256,
            settings=entry.settings,
            config=configs.as_json(entry.config),
            preset=self.preset_name,
            seed=seed,
            budget=vars(self.preset.train),
            data_set=records.DataSet(
                header.name, header.content_sha256, dict(layout.sizes), self.data.path.name
            ),
            activation=None,
            device=devices.describe(self.device),
            environment=records.environment(),
            git=self.git,
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
            selected_update=run.best_update,
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


_DECISIVE = (
    "method",
    "method_sha256",
    "config",
    "seed",
    "budget",
    "data_set",
    "activation",
    "metrics_version",
)


def _same_run(done: Record, stub: Record) -> bool:
    """Return whether a record is of the run that is about to be made, and succeeded."""
    same = json.dumps(_identity(done), sort_keys=True) == json.dumps(
        _identity(stub), sort_keys=True
    )
    return done.status != "failed" and same


def _identity(record: Record) -> dict[str, Any]:
    """Return what decides a run's result."""
    facts = {name: dataclasses.asdict(record)[name] for name in _DECISIVE}
    del facts["data_set"]["file"]  # whatever it is called
    return facts


def _say(text: str) -> None:
    click.echo(text, err=True)
