"""Publish a fine-tuned activation model: its weights in half precision and its description.

    python benchmarks/publish_model.py data/activation-models/FOLDER activation-models \\
        --command "hsal-bench run --preset paper ..."

The new folder's model.json has the hash of the rounded weights and their accuracy, measured on the
test split of the dataset that the model was fine-tuned on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from hsal_bench.data.file import DataFile, open_data
from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.files import writable_folder
from hsal_bench.method.contract import Setup
from hsal_bench.training import activations, frozen, published, states
from hsal_bench.training import evaluate as evaluation
from hsal_bench.training.activations import SCORE
from hsal_bench.training.batches import example_set
from hsal_bench.training.frozen import FrozenModel
from hsal_bench.training.single_object import SingleObject, SingleObjectConfig

CPU = torch.device("cpu")


def main() -> int:
    """Run the command line; return the exit code."""
    try:
        args = _arguments(sys.argv[1:])
        source = frozen.read(args.source / "model.pt")
        if source is None:
            raise UsageError(f"no file {args.source / 'model.json'}: give a model's folder")
        datasets = args.source.resolve().parents[1]
        with open_data(args.dataset or datasets / f"{_dataset(source)}.h5") as data:
            model = publish(source, args.target, data, args.command)
    except HsalBenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    size = model.path.stat().st_size / 1e6
    print(f"{model.path.parent}: {size:.1f} MB, accuracy {source.accuracy} -> {model.accuracy}")
    return 0


def publish(source: FrozenModel, target: Path, data: DataFile, command: str | None) -> FrozenModel:
    """Write a model to a folder in `target` and return the published model.

    data: the dataset of its fine-tuning. command: that created it; None if model.json states it.

    Raises:
        UsageError: the model is not what model.json states, was not fine-tuned on `data`, does not
            fit half precision; or nothing says what made it.
    """
    _check_data(source, data)
    model = published.find(str(source.path), source.backbone, data)
    if not (command or model.command):
        raise UsageError(f"{model.path}: give the --command that created the model")
    state = torch.load(model.path, map_location="cpu", weights_only=True)
    half = {name: _half(name, value) for name, value in state.items()}
    whole = {name: value.to(state[name].dtype) for name, value in half.items()}
    sha256 = frozen.sha256_of(model.backbone, model.precision, whole, model.input_size)
    name = f"{data.header.name}--{model.backbone}--{sha256[:8]}"
    folder = writable_folder(target / name)
    states.write(folder / "model.pt", half, sealed=False)
    rounded = replace(
        model,
        path=folder / "model.pt",
        sha256=sha256,
        accuracy=_accuracy(model, whole, data),
        command=command or model.command,
    )
    frozen.write(rounded)
    return published.find(str(folder), model.backbone, data)


def _dataset(model: FrozenModel) -> str:
    """Return the name of the dataset that a model was fine-tuned on."""
    return model.trained_on.partition(" ")[0]  # without the devices


def _check_data(model: FrozenModel, data: DataFile) -> None:
    """Refuse a dataset of another name, other classes or glyphs than the model's."""
    header = data.header
    names = _dataset(model), model.class_names, model.source_sha256
    if names != (header.name, tuple(header.class_names), header.source_sha256):
        raise UsageError(
            f"{model.path} was fine-tuned on {model.trained_on}, and {data.path} is another "
            "dataset: name its file with --dataset"
        )


def _half(name: str, value: Tensor) -> Tensor:
    if not value.is_floating_point():
        return value
    half = value.half()
    if not half.isfinite().all():
        raise UsageError(f"{name} has values beyond half precision: it cannot be published in it")
    return half


def _accuracy(model: FrozenModel, state: dict[str, Tensor], data: DataFile) -> float:
    """Return the accuracy on the test split with these weights."""
    config = SingleObjectConfig(
        backbone=model.backbone, precision=model.precision, input_size=model.input_size
    )
    task = activations.task_of(data, data.layout.image_shape)
    method = SingleObject(task, config, Setup(CPU, 0, 0))
    method.network.load_state_dict(state)
    return evaluation.evaluate(method, example_set(data, "test", CPU)).metrics[SCORE]


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("source", type=Path, help="folder with model.pt and model.json")
    add("target", type=Path, help="parent of the published model's folder")
    data = "what the model was fine-tuned on  [default: as `hsal-bench run` leaves it]"
    add("--dataset", type=Path, metavar="FILE", help=data)
    add(
        "--command",
        metavar="TEXT",
        help="command that created the model  [default: as in model.json]",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
