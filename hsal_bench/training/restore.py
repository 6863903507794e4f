"""Restoring a trained method from its record and the state in the folder of its run."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hsal_bench import options
from hsal_bench.data.content import open_intact
from hsal_bench.data.file import DataFile, open_data
from hsal_bench.errors import UsageError
from hsal_bench.method.contract import Method, Setup
from hsal_bench.method.load import load_method
from hsal_bench.record.commands import train_again
from hsal_bench.record.find import stated_datasets
from hsal_bench.record.record import Record
from hsal_bench.training import activations, checkpoint, frozen
from hsal_bench.training.batches import ExampleSet, example_set
from hsal_bench.training.states import DamagedState


@dataclass(frozen=True)
class Trained:
    """A method in its tested state, its open dataset, and the test split."""

    method: Method
    data: DataFile
    test: ExampleSet


@contextmanager
def restore_method(
    record: Record,
    folder: Path,
    datasets: Path,
    device: torch.device,
    cache: Path | None = None,
) -> Iterator[Trained]:
    """Yield the trained method of `record`.

    folder: of the run. datasets: the folder of its dataset; if it does not have that, the folder
    that the record's command states. cache: the folder of activations, and of activation models
    that `datasets` does not have; None: `datasets`. Missing activations of the test split are
    computed there. No dataset is built, no model fine-tuned.

    Raises:
        UsageError: something is missing or does not match the record.
    """
    cls = _class_of(record, folder)
    config = _config(cls, record, folder)
    state = _state(record, folder)
    datasets = _folder(record, datasets)
    path = datasets / record.data_set.file
    with open_intact(path) as data:
        content, wanted = data.header.content_sha256[:8], record.data_set.content_sha256[:8]
        if content != wanted:
            raise UsageError(
                f"{path} has content {content}, but the method was trained on {wanted}: name the "
                "folder of that dataset with --datasets"
            )
        roots = list(dict.fromkeys((datasets, cache or datasets)))
        test = _test_split(record, cls.inputs, data, roots, device)
        _, channels, height, width = test.inputs.shape
        task = activations.task_of(data, (channels, height, width))
        setup = Setup(device, record.seed, record.budget.get("updates", 0))
        method: Method = cls(task, config, setup)
        try:
            method.load_state_dict(state)
        except (RuntimeError, KeyError, ValueError) as error:
            raise UsageError(
                f"{folder / 'best.pt'} does not fit the current {record.method} "
                f"({textwrap.shorten(str(error), 120)}): {train_again(record)}"
            ) from error
        yield Trained(method, data, test)


def _folder(record: Record, datasets: Path) -> Path:
    """Return the folder of the record's dataset; `datasets` if it is in no known folder.

    Raises:
        UsageError: there is no file of its name.
    """
    wanted, folders = record.data_set, [datasets, *filter(None, [stated_datasets(record)])]
    for folder in folders:
        with suppress(UsageError), open_data(folder / wanted.file) as data:
            if data.header.content_sha256 == wanted.content_sha256:
                return folder
    if not (datasets / wanted.file).exists():
        raise UsageError(
            f"no dataset file {datasets / wanted.file}: name the folder that the run used "
            "with --datasets"
        )
    return datasets


def _class_of(record: Record, folder: Path) -> Any:
    if record.method_sha256:
        raise UsageError(
            f"the method of {folder} came from a file, and records do not store its path: "
            "install it as a package (docs/add-a-method.md) and train it by name"
        )
    return load_method(record.method)


def _config(cls: Any, record: Record, folder: Path) -> Any:
    try:
        return options.from_json(cls.Config, record.config, f"the config in {folder}")
    except UsageError as error:
        raise UsageError(
            f"{error}; the config of {record.method} has changed: {train_again(record)}"
        ) from error


def _state(record: Record, folder: Path) -> dict[str, Any]:
    update, state = checkpoint.best_state(folder)
    if record.selected_update not in (None, update):
        raise DamagedState(
            f"{folder / 'best.pt'} is of update {update}, but the record tested update "
            f"{record.selected_update}: {train_again(record)}"
        )
    return state


def _test_split(
    record: Record, kind: str, data: DataFile, roots: Sequence[Path], device: torch.device
) -> ExampleSet:
    if kind == "images" or record.activation is None:
        return example_set(data, "test", device)
    sha256, folders = record.activation.sha256, [root / "activation-models" for root in roots]
    model = next(filter(None, (frozen.model_of(sha256, folder) for folder in folders)), None)
    if model is None:
        raise UsageError(
            f"the activation model with sha256 {sha256[:8]} is not in "
            f"{' or '.join(map(str, folders))}: name the folders that the run used with "
            "--datasets and --cache"
        )
    volumes = activations.volumes(model, data, roots[-1] / "activations", device, ["test"])
    return example_set(data, "test", device, volumes["test"])
