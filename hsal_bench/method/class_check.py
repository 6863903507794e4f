"""Check a method's class before an instance is created: its attributes and its Config.

`check-method` reports the result, and `run` rejects a class that fails.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic.errors import PydanticUserError

from hsal_bench import options
from hsal_bench.annotations import SETTABLE, parse
from hsal_bench.checking import Failed
from hsal_bench.errors import UsageError
from hsal_bench.text import named, one_line

INPUTS = ("images", "activations")
_CONFIG = "set it to a class under @dataclass(frozen=True), empty if there are no settings"


def is_fitted(cls: Any) -> bool:
    """Whether a method has `fit(train, valid)`, and thus its own budget, instead of `update`."""
    return hasattr(cls, "fit") and not hasattr(cls, "update")


def check_class(cls: Any) -> str:
    """Check that a class has the attributes of the contract and a Config that `--set` can set.

    Raises:
        Failed: an attribute is missing or wrong.
    """
    if not issubclass(kind := type(cls), type):
        raise Failed(f"expected a method's class, not an instance of {kind.__name__}")
    name = cls.__name__
    learns = "fit" if is_fitted(cls) else "update"
    attributes = ("Config", "inputs", learns, "predict", "state_dict", "load_state_dict")
    missing = [f"`{attribute}`" for attribute in attributes if not hasattr(cls, attribute)]
    missing += [f"`{method}`" for method in sorted(getattr(cls, "__abstractmethods__", ()))]
    if missing:
        raise Failed(f"{name} lacks {named(missing, len(missing))} (hsal_bench/method/contract.py)")
    if cls.inputs not in INPUTS:
        raise Failed(f"{name}.inputs is {cls.inputs!r}; expected {' or '.join(map(repr, INPUTS))}")
    default = _default(cls)
    _check_fields(default, f"{name}.Config")
    presets = _check_presets(cls, default)
    number = len(dataclasses.fields(default))
    settings = "1 setting" if number == 1 else f"{number} settings"
    return f"inputs {cls.inputs}, {settings}, presets {', '.join(presets) or 'none'}"


def _default(cls: Any) -> Any:
    """Return the default Config, which must be a frozen dataclass with a default for each field."""
    name = f"{cls.__name__}.Config"
    config = cls.Config
    if not isinstance(config, type) or not dataclasses.is_dataclass(config):
        raise Failed(f"{name} is {one_line(repr(config))}, not a dataclass: {_CONFIG}")
    if not config.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise Failed(f"{name} is not frozen: use @dataclass(frozen=True)")
    unset = dataclasses.MISSING
    for field in dataclasses.fields(config):
        if field.default is unset and field.default_factory is unset:
            raise Failed(f"{name}.{field.name} has no default: every field needs one")
    return _attempt(config, f"{name}()")


def _attempt(action: Callable[[], Any], name: str) -> Any:
    try:
        return action()
    except Exception as error:
        raise Failed(f"{name} raised {one_line(f'{type(error).__name__}: {error}')}") from error


def _check_fields(config: Any, name: str) -> None:
    """Check that every value survives being written as text and read again, as `--set` does."""
    types = _attempt(partial(options.field_types, type(config)), f"evaluating the types of {name}")
    for field, annotation in types.items():
        value = getattr(config, field)
        try:
            settable = parse(options.as_text(value), annotation, field) == value
        except (UsageError, PydanticUserError):
            settable = False
        if not settable:
            kind = getattr(annotation, "__name__", str(annotation))
            raise Failed(f"{name}.{field} = {value!r}: --set cannot set a {kind}; use {SETTABLE}")


def _check_presets(cls: Any, default: Any) -> list[str]:
    presets = getattr(cls, "presets", {})
    fields = options.field_types(cls.Config)
    for preset, changes in presets.items():
        name = f"{cls.__name__}.presets[{preset!r}]"
        if not isinstance(changes, Mapping):
            raise Failed(f"{name} is {changes!r}; expected a dict of fields of Config")
        if unknown := [field for field in changes if field not in fields]:
            raise Failed(f"{name} sets {unknown[0]!r}; fields of Config: {', '.join(fields)}")
        changed = _attempt(partial(dataclasses.replace, default, **changes), name)
        _check_fields(changed, name)
    return list(presets)
