"""Presets: the scale of a run: how big, how long, and a method's settings that suit such a length.

A method's class names those settings for each preset (`presets`); what it does stays what it is.
`paper` follows the paper's sizes; `quick` fits two CPU cores. What is not from the paper (it states
no batch size, no number of updates) is marked in the comments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hsal_bench.errors import UsageError, suggest

PUBLISHED = "published"
"""What `--activation-model` calls the model that is published for a run's images."""

Precision = Literal["float32", "bfloat16"]

INPUT_SIZE = 224
"""Pixels of the side to which ResNet-34 resizes images, unless `--input-size` says otherwise."""


@dataclass(frozen=True)
class Budget:
    """How long a method trains: gradient updates, examples per update, updates per evaluation."""

    updates: int
    batch_size: int
    eval_every: int


@dataclass(frozen=True)
class Preset:
    """Which activation model, how long it is fine-tuned, and how long each method trains.

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
        summary="ResNet-34 at 224 x 224, the paper's network sizes; wants a GPU",
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
        # On MNIST nothing is learnt before update 350 or so, 95 % after 1,000.
        fine_tune=Budget(updates=1_000, batch_size=64, eval_every=250),
        from_scratch=Budget(updates=1_000, batch_size=64, eval_every=250),
        train=Budget(updates=400, batch_size=64, eval_every=50),
    ),
}


def preset(name: str) -> Preset:
    """Return the preset of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in PRESETS:
        raise UsageError(f"no preset {name!r}: {suggest(name, PRESETS)}")
    return PRESETS[name]
