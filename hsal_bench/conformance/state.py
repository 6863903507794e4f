"""The modules of a method, their training mode, and changes of its state."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import is_lazy
from torch.utils._pytree import keystr, tree_flatten_with_path

Snapshot = dict[str, tuple[object, ...]]
"""Copies of tensors, numbers and texts by name: "self.network.2.running_mean"."""


def modules(method: object) -> dict[str, nn.Module]:
    """Return the modules among a method's attributes, and in their lists and dicts, by name.

    Names are "self.network", "self.networks[0]"; "self" for a method that is a module itself.
    """
    if isinstance(method, nn.Module):
        return {"self": method}
    leaves, _ = tree_flatten_with_path(getattr(method, "__dict__", {}))
    return {
        f"self.{path[0].key}{keystr(path[1:])}": leaf  # type: ignore[attr-defined]
        for path, leaf in leaves
        if isinstance(leaf, nn.Module)
    }


def eval_hint(method: object) -> str:
    """Return which module is in training mode although it matters there; "" if none is."""
    for name, module in modules(method).items():
        layers = (layer for layer in module.modules() if layer.training)
        if kinds := {type(layer).__name__ for layer in layers if _depends_on_mode(layer)}:
            return f"{' and '.join(sorted(kinds))} of {name} in training mode, call {name}.eval()"
    return ""


def _depends_on_mode(layer: nn.Module) -> bool:
    # A norm without running statistics uses those of its input in both modes.
    if getattr(layer, "running_mean", None) is not None or isinstance(layer, nn.RReLU):
        return True
    if isinstance(layer, _DropoutNd):
        return layer.p > 0.0
    return isinstance(layer, nn.RNNBase | nn.MultiheadAttention) and layer.dropout > 0.0


def snapshot(method: object, state: Mapping[str, Any]) -> Snapshot:
    """Copy the parameters and buffers of a method's modules, and its `state`.

    This includes non-persistent buffers, which no state_dict holds.
    """
    values = {
        f"{name}.{path}": tensor
        for name, module in modules(method).items()
        for path, tensor in chain(module.named_parameters(), module.named_buffers())
    }
    leaves, _ = tree_flatten_with_path(state)
    values |= {f"state_dict(){keystr(path)}": leaf for path, leaf in leaves}
    return {name: _copy(value) for name, value in values.items() if not is_lazy(value)}


def changed(before: Snapshot, after: Snapshot) -> str:
    """Return the first name whose value was changed, added or removed; "" if none was."""
    return next((name for name in {**before, **after} if before.get(name) != after.get(name)), "")


def _copy(value: object) -> tuple[object, ...]:
    """Return a copy that is equal to that of the same value, even if the value is NaN."""
    if isinstance(value, Tensor):
        bits = value.detach().cpu().contiguous().flatten().view(torch.uint8)
        return value.dtype, value.shape, bits.numpy().tobytes()
    return type(value), repr(value)
