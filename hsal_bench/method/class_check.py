"""What is asked of a method's class before one is made: its attributes and its Config.

`check-method` tells of it, and `run` refuses a class that lacks any of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from hsal_bench import options
from hsal_bench.checking import Failed
from hsal_bench.errors import UsageError
from hsal_bench.text import one_line

INPUTS = ("images", "activations")
_NEW_CONFIG = (
    "write `Config = Settings` in the method, Settings being a class under "
    "@dataclass(frozen=True), empty if there is nothing to set"
)
_PARTS = ("Config", "inputs", "update", "predict", "state_dict", "load_state_dict")


def check_class(cls: Any) -> str:
    """The class has what the contract names, and a Config that `--set` can set.

    Raises:
        Failed: it lacks something, or has it otherwise.
    """
    if not issubclass(kind := type(cls), type):
        raise Failed(f"an instance of {kind.__name__} is given; expected a method's class")
    name = cls.__name__
    if missing := [part for part in _PARTS if not hasattr(cls, part)]:
        remedy = f": {_NEW_CONFIG}" if "Config" in missing else ""
        raise Failed(
            f"{name} has no `{'` and no `'.join(missing)}`; expected by Method "
            f"(hsal_bench/method/contract.py){remedy}"
        )
    if unwritten := sorted(getattr(cls, "__abstractmethods__", ())):
        raise Failed(
            f"{name} has no `{'` and no `'.join(unwritten)}`; its base class leaves it open"
        )
    if cls.inputs not in INPUTS:
        raise Failed(f"{name}.inputs is {cls.inputs!r}; expected {' or '.join(map(repr, INPUTS))}")
    default = _default(cls)
    number = len(dataclasses.fields(default))
    _check_fields(default, f"{name}.Config")
    changed = _check_presets(cls, default)
    told = "1 setting" if number == 1 else f"{number} settings"
    return f"inputs {cls.inputs}, {told}, presets {', '.join(changed) or 'none'}"


def _default(cls: Any) -> Any:
    name = f"{cls.__name__}.Config"
    if not isinstance(cls.Config, type) or not dataclasses.is_dataclass(cls.Config):
        raise Failed(
            f"{name} is {one_line(repr(cls.Config))}; expected a dataclass: {_remedy(cls.Config)}"
        )
    if not cls.Config.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise Failed(f"{name} can be changed after it is made; expected @dataclass(frozen=True)")
    required = [
        field.name
        for field in dataclasses.fields(cls.Config)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if required:
        raise Failed(f"{name}.{required[0]} has no default; expected one for every field")
    return _made(cls.Config, f"{name}()")


def _remedy(config: Any) -> str:
    """Return how a Config that is no dataclass becomes one."""
    if isinstance(config, type):
        return "put @dataclass(frozen=True) over it"
    if dataclasses.is_dataclass(config):
        return f"name the class {type(config).__name__}, and not an instance of it"
    return _NEW_CONFIG


def _made(make: Callable[[], Any], name: str) -> Any:
    try:
        return make()
    except Exception as error:
        told = one_line(f"{type(error).__name__}: {error}")
        raise Failed(f"{name} raises {told}; expected that it raises nothing") from error


def _check_fields(config: Any, name: str) -> None:
    """Check that every value can be written as a text and read again, as `--set` does."""
    types = _made(partial(options.field_types, type(config)), f"reading the types of {name}")
    for field, kind in types.items():
        value = getattr(config, field)
        try:
            again = options.parse(options.as_text(value), kind, field)
        except (UsageError, TypeError, ValueError, AttributeError) as error:
            raise Failed(_cannot_be_set(name, field, value, kind)) from error
        if again != value:
            raise Failed(_cannot_be_set(name, field, value, kind))


def _cannot_be_set(name: str, field: str, value: Any, kind: Any) -> str:
    told = getattr(kind, "__name__", str(kind))
    return (
        f"{name}.{field} is {value!r}, a field of type {told} that --set cannot set; expected a "
        "value of type bool, int, float, str, Literal or tuple[T, ...], or one of these with None"
    )


def _check_presets(cls: Any, default: Any) -> list[str]:
    presets = getattr(cls, "presets", {})
    known = options.field_types(cls.Config)
    for preset, changes in presets.items():
        name = f"{cls.__name__}.presets[{preset!r}]"
        if not isinstance(changes, Mapping):
            raise Failed(f"{name} is {changes!r}; expected a dict of fields of Config")
        if unknown := [field for field in changes if field not in known]:
            raise Failed(
                f"{name} changes {unknown[0]!r}; expected a field of Config: {', '.join(known)}"
            )
        changed = _made(partial(dataclasses.replace, default, **changes), name)
        _check_fields(changed, name)
    return list(presets)
