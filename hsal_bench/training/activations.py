"""The activation stage: fine-tune a model once, freeze it, and store activation volumes (P§3, P§5).

All methods that take activations get identical ones, so that they are compared on multiset
prediction, not on backbones. The model is fine-tuned on single-object images by the same training
loop as the methods. Volumes are half precision and keyed by the content of data and weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor

from hsal_bench.data.file import DataFile
from hsal_bench.data.schema import SPLITS
from hsal_bench.data.verify import require_intact
from hsal_bench.errors import UsageError
from hsal_bench.files import writable_folder
from hsal_bench.locks import locked
from hsal_bench.method.contract import Setup, Task
from hsal_bench.options import as_config
from hsal_bench.progress import progress
from hsal_bench.training import backbones, checkpoint, frozen, states
from hsal_bench.training import device as devices
from hsal_bench.training import evaluate as evaluation
from hsal_bench.training import train as training
from hsal_bench.training.batches import example_set
from hsal_bench.training.blocks import is_intact, write_blocks
from hsal_bench.training.frozen import FrozenModel
from hsal_bench.training.presets import Budget, is_resnet34
from hsal_bench.training.single_object import SingleObject, SingleObjectConfig
from hsal_bench.training.states import DamagedState

HALF_MAX = 65504.0
SMALLER = "use a smaller activation model, or --device cpu"
SCORE = "overall_precision"
"""Share of images whose predicted label is correct; equals exact match for single objects."""


@dataclass(frozen=True)
class Tuning:
    """A fine-tuning on the dataset `single`, finished or not; `root` is the folder of all models.

    origin: the source of the initial weights in words ("ImageNet", "from scratch", a file name).
    seed: determines the order of the images, and the initial weights if they are random.
    """

    single: DataFile
    config: SingleObjectConfig
    origin: str
    budget: Budget
    root: Path
    seed: int = 0

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """Everything that determines the model except the seed."""
        config = as_config(self.config)
        return {
            "data": self.single.header.content_sha256,
            "budget": vars(self.budget),
            "origin": self.origin,
            "version": backbones.VERSION,
            "config": config | {"weights": _file_sha256(self.config.weights)},
        }

    @property
    def recipe_sha256(self) -> str:
        """The hash of `recipe`: models with the same recipe differ only in the seed."""
        return _json_sha256(self.recipe)

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that determines the model; without seed 0, as in older models."""
        return self.recipe | ({"seed": self.seed} if self.seed else {})

    @cached_property
    def folder(self) -> Path:
        """The folder of the model."""
        fingerprint = _json_sha256(self.identity)[:8]
        return self.root / f"{self.single.header.name}--{self.config.backbone}--{fingerprint}"

    def done(self) -> FrozenModel | None:
        """Return the model if it exists and is intact."""
        try:
            return frozen.read_intact(self.folder / "model.pt")
        except UsageError:
            return None


def fine_tune(tuning: Tuning, device: torch.device) -> FrozenModel:
    """Return the fine-tuned model, from its folder if it exists there.

    An interrupted fine-tuning resumes from its last checkpoint.
    """
    if model := tuning.done():
        return model
    folder = tuning.folder
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, f"fine-tuning in {folder}", wait=True):
        if model := tuning.done():
            return model
        require_intact(tuning.single)
        with devices.enough_memory(f"fine-tuning {tuning.config.backbone}", SMALLER):
            try:
                _discard_damaged(folder)
                _train_model(tuning, device)
            except DamagedState as error:
                click.echo(f"{error}; starting over", err=True)
                checkpoint.remove(folder)
                _train_model(tuning, device)
        return frozen.read_intact(folder / "model.pt")


def _discard_damaged(folder: Path) -> None:
    """Remove the description of a damaged model, with a message."""
    description = folder / "model.json"
    if description.exists():
        try:
            frozen.read_intact(folder / "model.pt")
        except UsageError as error:
            click.echo(f"{error}: fine-tuning again", err=True)
            description.unlink()


def first_weights(backbone: str, asked: str | None) -> tuple[str, str | None]:
    """Return the source of the initial weights in words, and their file (None: from scratch).

    asked: a file, "none", or None for ImageNet weights. If those are unavailable, a message is
    printed and training starts from scratch.
    """
    if asked == "none" or (asked is None and not is_resnet34(backbone)):
        return "from scratch", None
    if asked is not None:
        model = frozen.read(Path(asked)) if Path(asked).name == "model.pt" else None
        return model.origin if model else Path(asked).name, asked
    try:
        return "ImageNet", str(backbones.imagenet_weights())
    except (OSError, RuntimeError) as error:  # RuntimeError: the download's hash is wrong
        click.echo(
            f"ImageNet weights are unavailable ({error}): training {backbone} from scratch, which "
            "takes longer; use --backbone-weights FILE to provide them",
            err=True,
        )
        return "from scratch", None


def volumes(
    model: FrozenModel,
    data: DataFile,
    root: Path,
    device: torch.device,
    splits: Sequence[str] = SPLITS,
) -> dict[str, Tensor]:
    """Return the activations of splits, float16 [N, C, h, w], memory-mapped from files in `root`.

    Missing and damaged files are computed block by block; an interrupted computation resumes.
    Every file is checked against its hashes.
    """
    header = data.header
    folder = root / f"{header.name}-{header.content_sha256[:8]}--{model.sha256[:8]}"
    paths = {split: folder / f"{split}.npy" for split in splits}

    def missing(among: Iterable[str]) -> list[str]:
        sizes = data.layout.sizes
        return [
            split
            for split in among
            if not is_intact(paths[split], sizes[split], identity(model, data, split))
        ]

    if absent := missing(splits):
        writable_folder(folder)
        work = f"computing activations in {folder}"
        with locked(folder, work, wait=True), devices.enough_memory(work, SMALLER):
            network = frozen.load(model, data, device)
            for split in missing(absent):  # another process may have written some meanwhile
                path = paths[split]
                if path.exists():
                    click.echo(f"{path} is damaged or has no hashes: computing it again", err=True)
                _write_volumes(network, model, data, split, path, device)
    return {
        # Copy-on-write: torch expects writable arrays, but nothing writes to them.
        split: torch.from_numpy(np.load(path, mmap_mode="c"))
        for split, path in paths.items()
    }


def identity(model: FrozenModel, data: DataFile, split: str) -> dict[str, Any]:
    """Return everything that determines the activations of a split."""
    return {
        "content_sha256": data.header.content_sha256,
        "split": split,
        "model_sha256": model.sha256,
        "version": backbones.VERSION,
    }


def task_of(data: DataFile, input_shape: tuple[int, int, int]) -> Task:
    """Return the task of a dataset with inputs of the given shape."""
    objects = data.read("train", "counts").sum(0, dtype=np.int64)
    layout = data.layout
    return Task(layout.num_classes, layout.max_objects, input_shape, tuple(objects.tolist()))


def _train_model(tuning: Tuning, device: torch.device) -> None:
    """Fine-tune, write model.pt, and finally model.json, which marks the model as complete."""
    single, config, budget, folder = tuning.single, tuning.config, tuning.budget, tuning.folder
    if stopped := checkpoint.find(folder):
        resuming = stopped.resuming(device)
        click.echo(f"fine-tuning {config.backbone}, in {folder}: {resuming}", err=True)
    task = task_of(single, single.layout.image_shape)
    method = SingleObject(task, config, Setup(device, tuning.seed, budget.updates))
    data = {split: example_set(single, split, device) for split in SPLITS}
    with progress(f"fine-tuning {config.backbone}", budget.updates) as report:
        run = training.train(
            method, data, budget, tuning.seed, folder, tuning.identity, report, SCORE
        )
    best = {"run": tuning.identity, "test": run.best_update, "seconds": run.seconds}
    state = {name: value.cpu() for name, value in method.network.state_dict().items()}
    states.write(folder / "model.pt", state, sealed=False)
    model = FrozenModel(
        path=folder / "model.pt",
        backbone=config.backbone,
        precision=config.precision,
        weights=tuning.origin,
        trained_on=single.header.name + checkpoint.device_change(run.devices),
        accuracy=evaluation.evaluate(method, data["test"], folder, best).metrics[SCORE],
        sha256=frozen.sha256_of(config.backbone, config.precision, state, config.input_size),
        input_size=config.input_size,
        seed=tuning.seed,
        updates=budget.updates,
        class_names=tuple(single.header.class_names),
        image_shape=tuple(single.layout.image_shape),
        source_sha256=single.header.source_sha256,
    )
    frozen.write(model)
    checkpoint.remove(folder)


def _json_sha256(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _file_sha256(path: str | None) -> str | None:
    if path is None or not Path(path).is_file():
        return None
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@torch.no_grad()
def _write_volumes(
    network: backbones.ActivationModel,
    model: FrozenModel,
    data: DataFile,
    split: str,
    path: Path,
    device: torch.device,
) -> None:
    images = torch.from_numpy(data.read(split, "images"))

    def compute(start: int, stop: int) -> np.ndarray:
        batch = images[start:stop].to(device).float() / 255.0
        return network.volume(batch).clamp_max(HALF_MAX).half().cpu().numpy()

    work = f"activations of {data.header.name} {split}"
    with progress(work, len(images)) as report:
        write_blocks(path, len(images), compute, identity(model, data, split), report)
