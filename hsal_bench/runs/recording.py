"""The record of a run or an evaluation: created before the work, filled in as it proceeds."""

from __future__ import annotations

import dataclasses
import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch

from hsal_bench.data.file import DataFile
from hsal_bench.errors import UsageError
from hsal_bench.files import write_text
from hsal_bench.method.class_check import is_fitted
from hsal_bench.method.contract import Method, Unsupported
from hsal_bench.method.errors import described, own_line
from hsal_bench.method.validate import Breach
from hsal_bench.metrics.scores import METRICS_VERSION, correct
from hsal_bench.options import as_config
from hsal_bench.record import environment
from hsal_bench.record import record as records
from hsal_bench.record.correct import pack_correct
from hsal_bench.record.environment import Git
from hsal_bench.record.predictions import counts_sha256
from hsal_bench.record.record import DataSet, PeakMemory, Record
from hsal_bench.runs.methods import MethodRun
from hsal_bench.text import one_line, shown
from hsal_bench.training import device as devices
from hsal_bench.training import train as training
from hsal_bench.training.batches import ExampleSet
from hsal_bench.training.checkpoint import Progression
from hsal_bench.training.evaluate import Evaluation
from hsal_bench.training.presets import Budget

RECORD = "record.json"
LONGEST_REASON = 2_000
"""Most characters of an error's message in a record."""

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


@dataclass(frozen=True)
class Recorder:
    """Creates the records of one command: on one device, from one state of the code."""

    device: torch.device
    command: str
    git: Git | None

    def run(
        self, method: MethodRun, preset: str, budget: Budget, seed: int, data: DataFile
    ) -> Record:
        """Return the record of a run that is about to start, without its activation model."""
        fitted = is_fitted(method.cls)
        return Record(
            method=method.name,
            method_sha256=method.sha256,
            settings={name: shown(text) for name, text in method.settings.items()},
            config=as_config(method.config),
            preset=preset,
            seed=seed,
            budget={} if fitted else vars(budget),
            own_budget=fitted,
            updates=None if fitted else 0,
            data_set=DataSet.of(data),
            activation=None,
            **self._start(),
        )

    def evaluation(self, trained: Record, data: DataFile) -> Record:
        """Return the record of a trained method's evaluation on another dataset."""
        return dataclasses.replace(
            trained,
            data_set=DataSet.of(data),
            trained_on=trained.data_set,
            metrics={},
            correct=None,
            predictions_sha256=None,
            curve=(),
            throughput_train=None,
            throughput_predict=None,
            peak_memory_bytes=PeakMemory(),
            **self._start(),
        )

    def _start(self) -> dict[str, Any]:
        """Return the fields that every record starts with. Until it is scored it is a failure."""
        return {
            "status": "failed",
            "reason": "not finished",
            "device": devices.describe(self.device),
            "command": shown(self.command),
            "git": self.git,
            "environment": environment.environment(),
            "started": environment.utc_now(),
            "metrics_version": METRICS_VERSION,
        }


class RunLog:
    """The record of a run or evaluation while it proceeds, and the folder where it is written.

    start: the record before the work. title: what is running, for messages. resident: bytes
    allocated on the device before the method was built.
    """

    def __init__(self, start: Record, folder: Path, title: str) -> None:
        self.start = self.record = start
        self.folder, self.title = folder, title
        self.resident: int | None = None

    @property
    def path(self) -> Path:
        """The file of the record."""
        return self.folder / RECORD

    def done_before(self) -> Record | None:
        """Return the existing record of the same run, unless it failed or is damaged."""
        if not self.path.exists():
            return None
        try:
            done = records.read_record(self.path)
        except UsageError as error:
            click.echo(f"{error}: scoring the run again", err=True)
            return None
        return done if done.status != "failed" and same(done, self.start) else None

    @contextmanager
    def catching(self, cls: Any) -> Iterator[None]:
        """Record an error of the method `cls` as the end of the run; other errors are raised.

        The traceback of an unexpected exception is written to the folder.
        """
        try:
            yield
        except Unsupported as error:
            self.record = dataclasses.replace(
                self.start, status="unsupported", reason=_reason(error)
            )
        except (training.Diverged, Breach, devices.OutOfMemory) as error:
            self.failed(_reason(error))
        except (UsageError, OSError):
            raise  # wrong files or a full disk, not the method
        except (Exception, SystemExit) as error:  # a method that exits ends only its own run
            path = self.folder / "error.txt"
            write_text(path, traceback.format_exc())
            click.echo(f"{self.title}: failed, traceback in {path}", err=True)
            line = own_line(cls, error)
            self.failed(described(error)[:LONGEST_REASON] + (f" ({line})" if line else ""))

    def failed(self, reason: str) -> None:
        """Record a failure, with the training curve so far."""
        curve = tuple(training.read_curve(self.folder))
        updates = int(curve[-1]["update"]) if curve else self.start.updates
        self.record = dataclasses.replace(self.start, reason=reason, updates=updates)
        with suppress(ValueError):  # the curve may have values that no record can hold
            self.record = dataclasses.replace(self.record, curve=curve)

    def trained(self, run: Progression) -> None:
        """Record the training."""
        seconds = max(run.seconds - run.validating, 1e-9)
        self.record = dataclasses.replace(
            self.record, curve=tuple(run.curve), wall_s=run.seconds, cpu_s=run.cpu_seconds
        )
        if not self.record.own_budget:
            self.record = dataclasses.replace(
                self.record,
                updates=run.update,
                selected_update=run.best_update,
                throughput_train=run.update * self.record.budget["batch_size"] / seconds,
                resumed_on=tuple(run.devices) if len(run.devices) > 1 else (),
            )

    def scored(self, method: Method, result: Evaluation, test: ExampleSet) -> None:
        """Record the scores of the method on the test split `test`: the run succeeded."""
        self.record = dataclasses.replace(
            self.record,
            status="ok",
            reason="",
            metrics=result.metrics,
            correct=pack_correct(correct(test.counts.cpu().numpy(), result.counts)),
            predictions_sha256=counts_sha256(result.counts),
            throughput_predict=len(test) / result.seconds,
            peak_memory_bytes=PeakMemory(
                process=_process_peak(),
                device=devices.peak_memory(test.device),
                resident=self.resident,
            ),
            parameters=_parameters(method),
        )

    def write(self) -> None:
        """Write the record to its folder."""
        records.write_record(self.record, self.path)


def identity(record: Record) -> dict[str, Any]:
    """Return the fields that decide the result of training, as plain values by name."""
    fields = {name: dataclasses.asdict(record)[name] for name in _DECISIVE}
    del fields["data_set"]["file"]  # its name does not matter
    if activation := fields["activation"]:
        for name in ("seed", "input_size"):  # the hash covers them, and older records lack them
            del activation[name]
        if activation["recipe_sha256"] is None:
            del activation["recipe_sha256"]
    return fields


def change(name: str, was: Any, now: Any) -> str:
    """Return the difference of an existing run from the one that is asked for."""
    return f"{name} {was} in the existing run, {now} in this one"


def same(a: Record, b: Record) -> bool:
    """Return whether two records are of the same run, on the same data."""
    texts = [json.dumps([identity(record), _origin(record)], sort_keys=True) for record in (a, b)]
    return texts[0] == texts[1]


def outcome(record: Record) -> str:
    """Return the headline scores and the time of a run, or the reason of its failure."""
    if record.status != "ok":
        return f"{record.status}: {record.reason}"
    scores = f"exact match {record.metrics['exact_match']:.3f}, macro F1 "
    scores += f"{record.metrics['macro_f1']:.3f}"
    if record.trained_on:
        return scores
    state = "" if record.selected_update is None else f" (of update {record.selected_update:,})"
    return f"{scores}{state}, trained in {record.wall_s or 0.0:,.0f} s"


def _reason(error: Exception) -> str:
    """Return the message of an error as one line, or its type if it has none."""
    return one_line(str(error))[:LONGEST_REASON] or type(error).__name__


def _origin(record: Record) -> str | None:
    return record.trained_on.content_sha256 if record.trained_on else None


def _process_peak() -> int | None:
    """Return the peak memory of this process in bytes; None where the system does not state it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _parameters(method: Method) -> int | None:
    network = getattr(method, "network", None)
    if not isinstance(network, torch.nn.Module):
        return None
    return sum(parameter.numel() for parameter in network.parameters())
