"""Layers that run in training mode while a method predicts, and how that is mended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

_DROPOUTS = (
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
    *(nn.AlphaDropout, nn.FeatureAlphaDropout),
)


@contextmanager
def run_in_training() -> Iterator[list[nn.Module]]:
    """Yield a list of the layers that run in training mode from here on, where it matters."""
    ran: list[nn.Module] = []

    def note(layer: nn.Module, _: Any) -> None:
        if layer.training and _has_modes(layer):
            ran.append(layer)

    hook = register_module_forward_pre_hook(note)
    try:
        yield ran
    finally:
        hook.remove()


def advice(method: object, ran: Sequence[nn.Module]) -> str:
    """Return how the layers that ran in training mode come into eval mode; "" if none did.

    Only layers of what `held` finds are told of.
    """
    for name, module in held(method).items():
        layers = {type(layer).__name__ for layer in module.modules() if layer in ran}
        if layers:
            told = " and ".join(sorted(layers))
            return (
                f"{told} of {name} ran in training mode: call {name}.eval() in predict, and "
                f"{name}.train() in update"
            )
    return ""


def held(method: object) -> dict[str, nn.Module]:
    """Return the modules among a method's attributes, and in lists and dicts that these are.

    By their names: "self.network", "self.networks[0]".
    """
    if isinstance(method, nn.Module):
        return {"self": method}
    attributes = vars(method).items() if hasattr(method, "__dict__") else ()
    parts = (pair for name, part in attributes for pair in _parts(f"self.{name}", part))
    return {name: part for name, part in parts if isinstance(part, nn.Module)}


def _parts(name: str, attribute: object) -> Iterator[tuple[str, object]]:
    if isinstance(attribute, Mapping):
        yield from ((f"{name}[{key!r}]", part) for key, part in attribute.items())
    elif isinstance(attribute, list | tuple):
        yield from ((f"{name}[{number}]", part) for number, part in enumerate(attribute))
    else:
        yield name, attribute


def _has_modes(layer: nn.Module) -> bool:
    """Whether a layer does something else in training mode than in eval mode."""
    if hasattr(layer, "running_mean"):
        # Without running statistics it takes those of its input in both modes.
        return layer.running_mean is not None
    if isinstance(layer, _DROPOUTS):
        return layer.p > 0.0
    if isinstance(layer, nn.RReLU):
        return True
    return isinstance(layer, nn.RNNBase | nn.MultiheadAttention) and layer.dropout > 0.0
