"""The activation model that a user names with `--activation-model`: published, or a file.

Published models are in `activation-models/` of the repository; the installed package contains the
small ones.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import torch

from hsal_bench.data.file import DataFile
from hsal_bench.errors import UsageError
from hsal_bench.files import PACKAGE
from hsal_bench.text import named
from hsal_bench.training import presets
from hsal_bench.training.frozen import FrozenModel, load, read
from hsal_bench.training.presets import PUBLISHED

_PARTS = {
    "backbone": "backbone",
    "class_names": "classes",
    "image_shape": "image size",
    "source_sha256": "glyphs",
}
"""The fields in which a published model must be like the run, in words."""
_NAMED = 2
"""Published models that a message names."""


def find(text: str, backbone: str, data: DataFile, updates: Collection[int] = ()) -> FrozenModel:
    """Return the checked model that `--activation-model` names: PUBLISHED, a file or a folder.

    updates: those of the preset's fine-tuning, to choose among several published models.

    Raises:
        UsageError: the model does not exist, has a different backbone, does not fit the images, or
            its weights do not have the hash in `model.json`.
    """
    model = _published(backbone, data, updates) if text == PUBLISHED else _at(Path(text), backbone)
    _check(model, data)
    return model


def all_models() -> list[FrozenModel]:
    """Return the published models of the installed package, or else of the checkout."""
    folders = (PACKAGE / "activation_models", PACKAGE.parent / "activation-models")
    root = next((folder for folder in folders if folder.is_dir()), folders[0])
    models = (read(path.with_name("model.pt")) for path in sorted(root.glob("*/model.json")))
    return [model for model in models if model]


def _published(backbone: str, data: DataFile, updates: Collection[int]) -> FrozenModel:
    header, shape = data.header, data.layout.image_shape
    wanted = {
        "backbone": backbone,
        "class_names": tuple(header.class_names),
        "image_shape": tuple(shape),
        "source_sha256": header.source_sha256,
    }
    every = all_models()
    differences = [
        [part for name, part in _PARTS.items() if getattr(model, name) != wanted[name]]
        for model in every
    ]
    models = [model for model, parts in zip(every, differences, strict=True) if not parts]
    if len(models) > 1:
        models = [model for model in models if model.updates in updates] or models
    if len(models) == 1:
        return models[0]
    size = " x ".join(map(str, shape))
    wanted_model = f"activation model {backbone} for {header.name} ({size}, {header.source})"
    if models:
        raise UsageError(
            f"several published models match: {wanted_model}; choose one with "
            f"--activation-model {' or '.join(str(model.path.parent) for model in models)}"
        )
    nearest = min(differences, key=len, default=[])
    close = [model for model, parts in zip(every, differences, strict=True) if parts == nearest]
    other = f", or give one with different {named(nearest)}: {_files(close)}" if close else ""
    raise UsageError(
        f"there is no published {wanted_model}: drop --activation-model to fine-tune one{other}"
    )


def _files(models: Sequence[FrozenModel]) -> str:
    return ", ".join(f"{model.path} (of {model.trained_on})" for model in models[:_NAMED])


def _at(path: Path, backbone: str) -> FrozenModel:
    model = read(presets.weights_file(path))
    assert model is not None  # weights_file has checked it
    if model.backbone != backbone:
        raise UsageError(
            f"--activation-model {path} is a {model.backbone}, but the run uses {backbone}: "
            f"add --backbone {model.backbone}, or give another model"
        )
    return model


def _check(model: FrozenModel, data: DataFile) -> None:
    """Refuse a model that is damaged or does not fit the images."""
    channels = data.layout.image_shape[0]
    if model.image_shape and model.image_shape[0] != channels:
        raise UsageError(
            f"{model.path} is for {model.image_shape[0]} channels, but {data.header.name} has "
            f"images of {channels} channels"
        )
    load(model, data, torch.device("cpu"))
