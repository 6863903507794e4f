"""A copy of all that a method holds, to tell what a call of it changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from hsal_bench.conformance.layers import held

Snapshot = Mapping[str, Any]
"""Tensors, numbers and texts by where they are: "self.network.2.running_mean"."""


def snapshot(method: object, state: Mapping[str, Any]) -> Snapshot:
    """Return copies of the parameters and buffers of the method's modules, and of its `state`.

    Buffers that are not persistent are among them, though no state_dict holds them.
    """
    modules = (
        (f"{name}.{part}", tensor)
        for name, module in held(method).items()
        for part, tensor in chain(module.named_parameters(), module.named_buffers())
    )
    return {
        name: part.detach().clone() if isinstance(part, Tensor) else part
        for name, part in chain(modules, _leaves("state_dict()", state))
        if not is_lazy(part)  # nothing is there yet
    }


def changed(before: Snapshot, after: Snapshot) -> str:
    """Return the name of the first part that is not what it was, or not there; "" if none."""
    for name in {**before, **after}:
        if name not in before or name not in after or not _same(before[name], after[name]):
            return name
    return ""


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(f"{name}[{key!r}]", part)
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from _leaves(f"{name}[{number}]", part)
    elif isinstance(value, Tensor | bool | int | float | str):
        yield name, value


def _same(one: Any, other: Any) -> bool:
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return type(one) is type(other) and (one == other or one != one)
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    # NaN is no change where it was before.
    return bool(torch.all((one == other) | ((one != one) & (other != other))))
