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

Snapshot = Mapping[str, Any]
"""Tensors, numbers and texts by name: "self.network.2.running_mean"."""


def modules(method: object) -> dict[str, nn.Module]:
    """Return the modules among a method's attributes, and in their lists and dicts, by name.

    Names are "self.network", "self.networks[0]"; "self" for a method that is a module itself.
    """
    if isinstance(method, nn.Module):
        return {"self": method}
    values: dict[str, object] = {}
    for name, value in vars(method).items() if hasattr(method, "__dict__") else ():
        if isinstance(value, Mapping):
            values |= {f"self.{name}[{key!r}]": item for key, item in value.items()}
        elif isinstance(value, list | tuple):
            values |= {f"self.{name}[{index}]": item for index, item in enumerate(value)}
        else:
            values[f"self.{name}"] = value
    return {name: value for name, value in values.items() if isinstance(value, nn.Module)}


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
    tensors = (
        (f"{name}.{path}", tensor)
        for name, module in modules(method).items()
        for path, tensor in chain(module.named_parameters(), module.named_buffers())
    )
    leaves = ((f"state_dict(){keystr(p)}", leaf) for p, leaf in tree_flatten_with_path(state)[0])
    return {
        name: value.detach().clone() if isinstance(value, Tensor) else value
        for name, value in chain(tensors, leaves)
        if isinstance(value, bool | int | float | str)
        or (isinstance(value, Tensor) and not is_lazy(value))
    }


def changed(before: Snapshot, after: Snapshot) -> str:
    """Return the first name whose value was changed, added or removed; "" if none was."""
    for name in {**before, **after}:
        if name not in before or name not in after or not _same(before[name], after[name]):
            return name
    return ""


def _same(a: Any, b: Any) -> bool:
    """Whether two values are equal; NaN equals NaN."""
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        return type(a) is type(b) and (a == b or a != a)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return bool(torch.all((a == b) | ((a != a) & (b != b))))
