"""A trained method, loaded again from its record and the state in its run's folder."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hsal_bench import options
from hsal_bench.data.file import DataFile, open_data
from hsal_bench.errors import UsageError
from hsal_bench.method.contract import Method, Setup
from hsal_bench.method.load import load_method
from hsal_bench.records.record import Record
from hsal_bench.training import activations, checkpoint, frozen
from hsal_bench.training.batches import ExampleSet, example_set


@dataclass(frozen=True)
class Trained:
    """A method in the state that was tested, its data set, open, and the test split's inputs."""

    method: Method
    data: DataFile
    test: ExampleSet


@contextmanager
def trained(
    record: Record, folder: Path, datasets: Path, device: torch.device
) -> Iterator[Trained]:
    """Yield what `record` is of; `folder` is the run's, `datasets` where its data set lies.

    The activation model is looked for below `datasets` too; the test split's activations are
    computed there if they are missing. Nothing is built or fine-tuned.

    Raises:
        UsageError: something of it is not there, or not what the record is of.
    """
    cls = _class_of(record, folder)
    config = _config(cls, record, folder)
    state = _state(record, folder)
    path = datasets / record.data_set.file
    with open_data(path) as data:
        found, wanted = data.header.content_sha256[:8], record.data_set.content_sha256[:8]
        if found != wanted:
            raise UsageError(
                f"{path} has content {found}, and the method was trained on {wanted}: name the "
                "folder of that data set with --datasets"
            )
        test = _test_split(record, cls.inputs, data, datasets, device)
        _, channels, height, width = test.inputs.shape
        task = activations.task_of(data, (channels, height, width))
        method: Method = cls(task, config, Setup(device, record.seed, record.budget["updates"]))
        try:
            method.load_state_dict(state)
        except (RuntimeError, KeyError, ValueError) as error:
            raise UsageError(
                f"{folder / 'best.pt'} does not fit {record.method} as it is now "
                f"({textwrap.shorten(str(error), 120)}): train it again, `hsal-bench run --restart`"
            ) from error
        yield Trained(method, data, test)


def _class_of(record: Record, folder: Path) -> Any:
    if record.method_sha256:
        raise UsageError(
            f"{folder} is of a method given as a file, and a record does not say where that is: "
            "install it as a package (docs/add-a-method.md) and train it by its name"
        )
    return load_method(record.method)


def _config(cls: Any, record: Record, folder: Path) -> Any:
    try:
        return options.from_json(cls.Config, record.config, f"the config in {folder}")
    except UsageError as error:
        raise UsageError(
            f"{error}; {record.method} takes another one now: train it again, `hsal-bench run "
            "--restart`"
        ) from error


def _state(record: Record, folder: Path) -> dict[str, Any]:
    update, state = checkpoint.best_state(folder)
    if record.selected_update not in (None, update):
        raise UsageError(
            f"{folder / 'best.pt'} is of update {update}, and the record's tested update is "
            f"{record.selected_update}: train again, `hsal-bench run --restart`"
        )
    return state


def _test_split(
    record: Record, kind: str, data: DataFile, datasets: Path, device: torch.device
) -> ExampleSet:
    if kind == "images" or record.activation is None:
        return example_set(data, "test", device)
    sha256, models = record.activation.sha256, datasets / "activation-models"
    model = frozen.model_of(sha256, models)
    if model is None:
        raise UsageError(
            f"the activation model of sha256 {sha256[:8]} is not in {models}: name the folder that "
            "`hsal-bench run` kept it in with --datasets"
        )
    volumes = activations.volumes(model, data, datasets / "activations", device, ["test"])
    return example_set(data, "test", device, volumes["test"])
