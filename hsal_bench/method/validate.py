"""What the harness checks of a method's answers: a breach is one line that says what came.

The checks look at types and shapes alone on the way (no copy from the device); values are looked
at where they are on the host already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hsal_bench.errors import HsalBenchError
from hsal_bench.method.contract import Prediction

_WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


class Breach(HsalBenchError):  # noqa: N818 - it names what happened to the contract
    """A method returned something other than the contract says (hsal_bench/method/contract.py)."""


def check_scalars(method: object, call: str, scalars: Any) -> Mapping[str, Tensor]:
    """Return what `update` or `loss` gave: scalars by name, "loss" among them.

    Raises:
        Breach: it is something else.
    """
    told = f"{type(method).__name__}.{call} returned"
    if not isinstance(scalars, Mapping):
        raise Breach(f'{told} {_kind(scalars)}: it returns a dict of scalars, {{"loss": ...}}')
    if "loss" not in scalars:
        names = ", ".join(map(repr, scalars)) or "nothing"
        raise Breach(f'{told} {names}: it lacks "loss"')
    for name, scalar in scalars.items():
        if not isinstance(name, str) or not name.isprintable():
            raise Breach(f"{told} a scalar under {name!r}: names are texts that print")
        if name == "update" or name.startswith("valid_"):
            raise Breach(f"{told} {name!r}, which the training curve holds itself: rename it")
        if not isinstance(scalar, Tensor) or scalar.numel() != 1:
            raise Breach(f"{told} {_kind(scalar)} as {name!r}: it takes a tensor of one number")
    return scalars


def check_prediction(method: object, prediction: Any, size: int, classes: int) -> Prediction:
    """Return what `predict` gave for `size` images: a Prediction of the right shapes.

    Raises:
        Breach: it is something else.
    """
    told = f"{type(method).__name__}.predict returned"
    if not isinstance(prediction, Prediction):
        raise Breach(f"{told} {_kind(prediction)}: it returns a Prediction(counts=...)")
    counts, confidence = prediction.counts, prediction.confidence
    whole = isinstance(counts, Tensor) and counts.dtype in _WHOLE
    if not whole or counts.shape != (size, classes):
        raise Breach(
            f"{told} {_kind(counts)} as counts: it takes whole numbers [{size}, {classes}]"
        )
    if confidence is not None and (
        not isinstance(confidence, Tensor) or confidence.shape != (size,)
    ):
        raise Breach(f"{told} {_kind(confidence)} as confidence: it takes numbers [{size}]")
    return prediction


def check_counts(method: object, counts: np.ndarray) -> np.ndarray:
    """Return predicted counts as int64 [N, classes], none of them negative.

    Raises:
        Breach: one is.
    """
    if counts.size and counts.min() < 0:
        row, label = np.argwhere(counts < 0)[0]
        raise Breach(
            f"{type(method).__name__}.predict returned count {counts[row, label]} for class "
            f"{label} of image {row}: counts are at least 0"
        )
    return counts.astype(np.int64)


def check_confidence(method: object, confidence: np.ndarray) -> np.ndarray:
    """Return confidences [N], all of them finite.

    Raises:
        Breach: one is not.
    """
    bad = np.flatnonzero(~np.isfinite(confidence))
    if len(bad):
        raise Breach(
            f"{type(method).__name__}.predict returned confidence {confidence[bad[0]]} for image "
            f"{bad[0]}: it takes finite numbers"
        )
    return confidence


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor {str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return "None" if value is None else f"{type(value).__name__}"
