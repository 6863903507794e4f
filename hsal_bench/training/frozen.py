"""Frozen activation models on disk.

A model is a folder with `model.pt`, the state of the network, and `model.json`, its description.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hsal_bench import jsonio
from hsal_bench.data.file import DataFile
from hsal_bench.errors import UsageError
from hsal_bench.files import replacing, write_text
from hsal_bench.jsonio import typed
from hsal_bench.record.record import Activation
from hsal_bench.training import backbones, states
from hsal_bench.training.presets import Precision

_DIGEST = "description_sha256"
"""The field of `model.json` with the hash of all others."""


@dataclass(frozen=True)
class FrozenModel:
    """A fine-tuned activation model: the path of its weights and the content of `model.json`.

    seed: 0 in older files, which do not state it. updates, class_names, image_shape (C, H, W) and
    source_sha256 (of the glyphs): those of the fine-tuning, if stated. command: created a published
    model. input_size: as in `backbones.build`.
    """

    path: Path
    backbone: str
    precision: Precision
    weights: str
    trained_on: str
    accuracy: float
    sha256: str
    seed: int = 0
    updates: int | None = None
    class_names: tuple[str, ...] = ()
    image_shape: tuple[int, ...] = ()
    source_sha256: str | None = None
    command: str | None = None
    input_size: int | None = None

    @property
    def origin(self) -> str:
        """The source of the weights in words, for a further fine-tuning."""
        size = f" at {self.input_size} px" if self.input_size else ""
        length = f" for {self.updates:,} updates" if self.updates else ""
        return f"{self.weights}, fine-tuned on {self.trained_on}{size}{length}"

    def as_record(self, recipe_sha256: str | None = None) -> Activation:
        """Return the model's entry in a result record; `recipe_sha256` as in `Activation`."""
        weights = f"{self.weights}, fine-tuned on {self.trained_on}"
        return Activation(
            backbone=self.backbone,
            weights=weights,
            sha256=self.sha256,
            single_object_accuracy=self.accuracy,
            precision=self.precision,
            seed=self.seed,
            recipe_sha256=recipe_sha256,
            input_size=self.input_size,
        )


def write(model: FrozenModel) -> None:
    """Write `model.json`, which marks the model as complete: `model.pt` must exist already."""
    facts = dataclasses.asdict(model)
    del facts["path"]
    known = {name: value for name, value in facts.items() if value is not None}
    known[_DIGEST] = _digest(known)
    write_text(model.path.with_name("model.json"), json.dumps(known, indent=1) + "\n")


def read(weights: Path) -> FrozenModel | None:
    """Return the model of the file `weights`; None if there is no `model.json` next to it.

    Raises:
        UsageError: `model.json` is invalid or was changed.
    """
    path = weights.with_name("model.json")
    if not path.is_file():
        return None
    try:
        facts = jsonio.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is not JSON ({error})") from error
    if isinstance(facts, dict):
        stated = facts.pop(_DIGEST, None)  # older files have none
        if stated not in (None, _digest(facts)):
            raise UsageError(
                f"{path} was changed or is damaged: its content does not match its hash"
            )
        facts["path"] = weights
    model: FrozenModel = typed(FrozenModel, facts, str(path))
    return model


def _digest(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def read_intact(weights: Path) -> FrozenModel:
    """Return the model of the file `weights`, whose content was checked against its hash.

    Raises:
        UsageError: it is missing or damaged.
    """
    model = read(weights)
    if model is None:
        raise UsageError(f"{weights.with_name('model.json')} is missing")
    state_of(model)
    return model


def state_of(model: FrozenModel) -> dict[str, Tensor]:
    """Return the state of a model's network, checked against the hash in `model.json`.

    Weights stored in half precision become float32.

    Raises:
        UsageError: the file is missing, damaged, or not the one that `model.json` describes.
    """
    stored, _ = states.read(model.path)
    try:
        state = {
            name: value.float() if value.dtype == torch.float16 else value
            for name, value in stored.items()
        }
        sha256 = sha256_of(model.backbone, model.precision, state, model.input_size)
    except (AttributeError, TypeError) as error:
        raise UsageError(f"{model.path} is not the state of a network") from error
    if sha256 != model.sha256:
        raise UsageError(
            f"{model.path} has sha256 {sha256[:8]}, but model.json states {model.sha256[:8]}: the "
            "files were changed or belong to another version of hsal-bench; get new copies of both"
        )
    return state


def model_of(sha256: str, root: Path) -> FrozenModel | None:
    """Return the finished model below `root` with that hash, or None; damaged ones are skipped."""
    for path in sorted(root.glob("*/model.json")):
        with suppress(UsageError):
            model = read(path.with_name("model.pt"))
            if model and model.sha256 == sha256:
                return model
    return None


def sha256_of(
    backbone: str, precision: str, state: Mapping[str, Tensor], input_size: int | None = None
) -> str:
    """Return a hash of everything that determines the volumes of a model: code and weights."""
    code = f"{backbone} {backbones.VERSION} {precision}"
    if input_size is not None:
        code += f" {input_size}"
    digest = hashlib.sha256(code.encode())
    for name, value in sorted(state.items()):
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def load(model: FrozenModel, data: DataFile, device: torch.device) -> backbones.ActivationModel:
    """Return the network of a model, for the images of `data`.

    Raises:
        UsageError: the model is damaged or does not fit.
    """
    state = state_of(model)
    channels, classes = data.layout.image_shape[0], data.layout.num_classes
    network = backbones.build(
        model.backbone, channels, classes, None, model.precision, model.input_size
    )
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        fit = f"{data.header.name} has images of {channels} channels and {classes} classes"
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"{model.path} cannot be used: {fit} ({reason})") from error
    return network.to(device).to(memory_format=torch.channels_last).eval()


def keep(model: FrozenModel, root: Path) -> None:
    """Copy a model to `root` unless it is there, so that it can be found by its hash later."""
    if model_of(model.sha256, root):
        return
    folder = root / f"given--{model.backbone}--{model.sha256[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "model.pt") as temporary:
        shutil.copyfile(model.path, temporary)
    write(dataclasses.replace(model, path=folder / "model.pt"))
