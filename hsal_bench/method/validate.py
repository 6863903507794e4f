"""Checks of the values that a method returns; a violation is a one-line `Breach`.

`check_scalars` and `check_prediction` look at types and shapes only, without a copy from the
device; `check_counts` and `check_confidence` check values that are already on the host.
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
    """A method violated the contract (hsal_bench/method/contract.py)."""


def check_scalars(method: object, call: str, scalars: Any) -> Mapping[str, Tensor]:
    """Check the result of `update` or `loss`, and return it: scalars by name, including "loss".

    Raises:
        Breach: the result is invalid.
    """
    subject = f"{type(method).__name__}.{call} returned"
    if not isinstance(scalars, Mapping):
        raise Breach(f'{subject} {_kind(scalars)}, expected a dict of scalars {{"loss": ...}}')
    if "loss" not in scalars:
        names = ", ".join(map(repr, scalars)) or "nothing"
        raise Breach(f'{subject} {names}: it lacks "loss"')
    for name, scalar in scalars.items():
        if not isinstance(name, str) or not name.isprintable():
            raise Breach(f"{subject} a scalar under {name!r}: names must be printable strings")
        if name == "update" or name.startswith("valid_"):
            raise Breach(f"{subject} {name!r}, a reserved name: rename it")
        if not isinstance(scalar, Tensor) or scalar.numel() != 1:
            raise Breach(f"{subject} {_kind(scalar)} as {name!r}, expected a tensor of one number")
    return scalars


def check_prediction(method: object, prediction: Any, size: int, classes: int) -> Prediction:
    """Check the types and shapes of a prediction for `size` images, and return it.

    Raises:
        Breach: a type or shape is wrong.
    """
    subject = f"{type(method).__name__}.predict returned"
    if not isinstance(prediction, Prediction):
        raise Breach(f"{subject} {_kind(prediction)}, expected Prediction(counts=...)")
    counts, confidence = prediction.counts, prediction.confidence
    whole = isinstance(counts, Tensor) and counts.dtype in _WHOLE
    if not whole or counts.shape != (size, classes):
        raise Breach(f"{subject} {_kind(counts)} as counts, expected integers [{size}, {classes}]")
    if confidence is not None and (
        not isinstance(confidence, Tensor) or confidence.shape != (size,)
    ):
        raise Breach(f"{subject} {_kind(confidence)} as confidence, expected numbers [{size}]")
    return prediction


def check_counts(method: object, counts: np.ndarray) -> np.ndarray:
    """Return predicted counts as int64 [N, classes], after checking that none is negative.

    Raises:
        Breach: a count is negative.
    """
    if counts.size and counts.min() < 0:
        row, label = np.argwhere(counts < 0)[0]
        raise Breach(
            f"{type(method).__name__}.predict returned count {counts[row, label]} for class "
            f"{label} of image {row}: counts must be at least 0"
        )
    return counts.astype(np.int64)


def check_confidence(method: object, confidence: np.ndarray) -> np.ndarray:
    """Return confidences [N], after checking that all are finite.

    Raises:
        Breach: a confidence is not finite.
    """
    bad = np.flatnonzero(~np.isfinite(confidence))
    if len(bad):
        raise Breach(
            f"{type(method).__name__}.predict returned confidence {confidence[bad[0]]} for image "
            f"{bad[0]}: it must be finite"
        )
    return confidence


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor {str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return "None" if value is None else f"{type(value).__name__}"
