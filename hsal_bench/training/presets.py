"""Presets: the scale of a run, that is network size, training length, and matching settings.

Each method lists its settings per preset (`presets`); the algorithm stays the same. `paper` uses
the paper's sizes; `quick` fits two CPU cores. Values that are not from the paper (it states no
batch size and no number of updates) are marked in the comments.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hsal_bench.errors import UsageError, near_path, suggest

PUBLISHED = "published"
"""The value of `--activation-model` that selects the published model for a run's images."""

Precision = Literal["float32", "bfloat16"]

INPUT_SIZE = 224
"""Pixels of the side to which ResNet-34 resizes images, unless `--input-size` says otherwise."""


def is_resnet34(name: str) -> bool:
    """Return whether a backbone is a ResNet-34: it resizes images, may have ImageNet weights."""
    return name.startswith("resnet34")


@dataclass(frozen=True)
class Budget:
    """The length of training: gradient updates, examples per update, updates per evaluation."""

    updates: int
    batch_size: int
    eval_every: int


@dataclass(frozen=True)
class Preset:
    """The activation model, the length of its fine-tuning, and the length of each training.

    precision: of the activation model's arithmetic; its weights and the methods stay float32.
    """

    summary: str
    backbone: str
    precision: Precision
    fine_tune: Budget
    from_scratch: Budget
    train: Budget


PRESETS = {
    "paper": Preset(
        summary="ResNet-34 at 224 x 224, the paper's network sizes; needs a GPU",
        backbone="resnet34",
        precision="bfloat16",
        # 5 epochs of 60,000 from ImageNet weights, 10 without them (not from the paper)
        fine_tune=Budget(updates=2_345, batch_size=128, eval_every=469),
        from_scratch=Budget(updates=4_690, batch_size=128, eval_every=469),
        # 40 epochs of 60,000 (not from the paper)
        train=Budget(updates=18_750, batch_size=128, eval_every=469),
    ),
    "quick": Preset(
        summary="a small network and short training; minutes on two cores",
        backbone="small",
        precision="float32",
        # On MNIST, learning starts at about update 350; accuracy is 95 % after 1,000.
        fine_tune=Budget(updates=1_000, batch_size=64, eval_every=250),
        from_scratch=Budget(updates=1_000, batch_size=64, eval_every=250),
        train=Budget(updates=400, batch_size=64, eval_every=50),
    ),
}


def weights_file(path: Path) -> Path:
    """Return the model.pt that `--activation-model` names by its path or its folder.

    Raises:
        UsageError: it is missing, or model.json next to it.
    """
    weights = path / "model.pt" if path.is_dir() else path
    for file in (weights, weights.with_name("model.json")):
        if not file.is_file():
            remedy = near_path(file) or (
                f"give a model.pt with its model.json next to it, their folder, or '{PUBLISHED}'"
            )
            raise UsageError(f"--activation-model {path}: no file {file}; {remedy}")
    return weights


def preset(name: str) -> Preset:
    """Return the preset of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in PRESETS:
        raise UsageError(f"no preset {name!r}: {suggest(name, PRESETS)}")
    return PRESETS[name]
