"""The record of a run: as far as it is known before, and what the run adds to it."""

from __future__ import annotations

import dataclasses
import json
import resource
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch

from hsal_bench.data.file import DataFile
from hsal_bench.errors import UsageError
from hsal_bench.files import write_text
from hsal_bench.method.contract import Method, Unsupported
from hsal_bench.method.validate import Breach
from hsal_bench.metrics.scores import METRICS_VERSION, correct
from hsal_bench.options import as_config
from hsal_bench.records import environment
from hsal_bench.records import record as records
from hsal_bench.records.predictions import counts_sha256
from hsal_bench.records.record import DataSet, Git, PeakMemory, Record
from hsal_bench.runs.request import Entry
from hsal_bench.text import one_line, shown
from hsal_bench.training import device as devices
from hsal_bench.training import train as harness
from hsal_bench.training.batches import ExampleSet
from hsal_bench.training.checkpoint import Progression
from hsal_bench.training.evaluate import Evaluation
from hsal_bench.training.presets import Budget

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


def stub(entry: Entry, preset: str, budget: Budget, seed: int, data: DataFile) -> Record:
    """Return what is known of a run before all else, as the record of a failure.

    `surrounded` completes it.
    """
    return Record(
        status="failed",
        reason="not finished",
        method=entry.name,
        method_sha256=entry.sha256,
        settings={name: shown(text) for name, text in entry.settings.items()},
        config=as_config(entry.config),
        preset=preset,
        seed=seed,
        budget=vars(budget),
        data_set=DataSet.of(data),
        activation=None,
        device="",
        environment=environment.environment(),
        git=None,
        started=environment.utc_now(),
        command="",
        metrics_version=METRICS_VERSION,
    )


def stub_elsewhere(trained: Record, data: DataFile) -> Record:
    """Return what is known of an evaluation, on another data set, of what `trained` is of."""
    return dataclasses.replace(
        trained,
        status="failed",
        reason="not finished",
        data_set=DataSet.of(data),
        trained_on=trained.data_set,
        metrics={},
        correct=None,
        predictions_sha256=None,
        curve=(),
        throughput_train=None,
        throughput_predict=None,
        peak_memory_bytes=PeakMemory(),
        environment=environment.environment(),
        started=environment.utc_now(),
        metrics_version=METRICS_VERSION,
    )


def surrounded(stub: Record, device: torch.device, command: str, git: Git | None) -> Record:
    """Return the record with where and how it is made."""
    where = devices.describe(device)
    return dataclasses.replace(stub, device=where, command=shown(command), git=git)


def identity(record: Record) -> dict[str, Any]:
    """Return what decides the result of training, as plain values by name."""
    facts = {name: dataclasses.asdict(record)[name] for name in _DECISIVE}
    del facts["data_set"]["file"]  # whatever it is called
    if activation := facts["activation"]:
        for name in ("seed", "input_size"):  # the hash says it all, and older records lack them
            del activation[name]
        if activation["recipe_sha256"] is None:
            del activation["recipe_sha256"]
    return facts


def done_before(path: Path, stub: Record) -> Record | None:
    """Return the record at `path` if it is of what `stub` is about to be, and did not fail."""
    if not path.exists():
        return None
    done = records.read_record(path)
    return done if done.status != "failed" and same(done, stub) else None


def same(one: Record, other: Record) -> bool:
    """Return whether two records are of the same run, on the same data."""
    texts = [
        json.dumps([identity(record), _origin(record)], sort_keys=True) for record in (one, other)
    ]
    return texts[0] == texts[1]


def attempt(work: Callable[[], Record], stub: Record, folder: Path, who: str) -> Record:
    """Return the record that `work` makes; where it fails, one that says how.

    `folder` gets the traceback of an exception, and `who` opens the line that says so.
    """
    try:
        return work()
    except Unsupported as error:
        return dataclasses.replace(stub, status="unsupported", reason=_reason(error))
    except (harness.Diverged, Breach, devices.OutOfMemory) as error:
        reason = _reason(error)
    except (UsageError, OSError):
        raise  # wrong files or a full disk: nothing the method has done
    except (Exception, SystemExit) as error:  # a method that ends the program ends its own run
        write_text(folder / "error.txt", traceback.format_exc())
        reason = f"{type(error).__name__}: {one_line(str(error))}"
        click.echo(f"{who}: the traceback of what follows is in {folder / 'error.txt'}", err=True)
    curve = tuple(harness.read_curve(folder))
    updates = int(curve[-1]["update"]) if curve else stub.updates
    failed = dataclasses.replace(stub, reason=reason, updates=updates)
    try:
        return dataclasses.replace(failed, curve=curve)
    except ValueError:  # the curve itself is what no record takes
        return failed


def scored(
    stub: Record,
    method: Method,
    result: Evaluation,
    test: ExampleSet,
    device: torch.device,
    resident: int | None,
) -> Record:
    """Return the record of a method that was evaluated on a test split.

    resident: bytes allocated on the device before the method was built.
    """
    return dataclasses.replace(
        stub,
        status="ok",
        reason="",
        metrics=result.metrics,
        correct=records.pack_correct(correct(test.counts.cpu().numpy(), result.counts)),
        predictions_sha256=counts_sha256(result.counts),
        throughput_predict=len(test) / result.seconds,
        peak_memory_bytes=PeakMemory(
            process=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            device=devices.peak_memory(device),
            resident=resident,
        ),
        parameters=_parameters(method),
    )


def outcome(record: Record) -> str:
    """Return in a few words how a run ended: its headline scores and its time, or its reason."""
    if record.status != "ok":
        return f"{record.status}: {record.reason}"
    scores = f"exact match {record.metrics['exact_match']:.3f}, macro F1 "
    scores += f"{record.metrics['macro_f1']:.3f}"
    return scores if record.trained_on else f"{scores}, trained in {record.wall_s or 0.0:,.0f} s"


def trained(record: Record, run: Progression) -> Record:
    """Return the record with how the training went."""
    training = max(run.seconds - run.validating, 1e-9)
    return dataclasses.replace(
        record,
        curve=tuple(run.curve),
        updates=run.update,
        selected_update=run.best_update,
        wall_s=run.seconds,
        throughput_train=run.update * record.budget["batch_size"] / training,
        resumed_on=tuple(run.devices) if len(run.devices) > 1 else (),
    )


def _reason(error: Exception) -> str:
    """Return what a method says of itself, which a record takes as one line that says something."""
    return one_line(str(error)) or type(error).__name__


def _origin(record: Record) -> str | None:
    return record.trained_on.content_sha256 if record.trained_on else None


def _parameters(method: Method) -> int | None:
    network = getattr(method, "network", None)
    if not isinstance(network, torch.nn.Module):
        return None
    return sum(parameter.numel() for parameter in network.parameters())
