"""What `check-method` asks of a method's class before making one: its attributes and its Config."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hsal_bench import options
from hsal_bench.checks import Failed
from hsal_bench.errors import UsageError
from hsal_bench.plan import INPUTS

CONTRACT = "hsal_bench/method.py"

_METHODS = ("update", "predict", "state_dict", "load_state_dict")


def check_class(cls: Any) -> str:
    """The class has what the contract names, and a Config that `--set` can set."""
    name = cls.__name__
    if missing := [part for part in ("Config", "inputs", *_METHODS) if not hasattr(cls, part)]:
        raise Failed(
            f"{name} has no `{'` and no `'.join(missing)}`; expected by Method ({CONTRACT})"
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


def where(cls: Any, call: str) -> str:
    """Return where a method of a class is written: "Mine.predict, mine.py line 30"."""
    function = inspect.unwrap(getattr(cls, call))
    code = getattr(function, "__code__", None)
    if code is None:
        return f"{cls.__name__}.{call}"
    return f"{function.__qualname__}, {Path(code.co_filename).name} line {code.co_firstlineno}"


def _default(cls: Any) -> Any:
    name = f"{cls.__name__}.Config"
    if not isinstance(cls.Config, type) or not dataclasses.is_dataclass(cls.Config):
        raise Failed(
            f"{name} is {cls.Config!r}; expected a dataclass: put @dataclass(frozen=True) over it"
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
    return cls.Config()


def _check_fields(config: Any, name: str) -> None:
    """Check that every value can be written as a text and read again, as `--set` does."""
    for field, kind in options.field_types(type(config)).items():
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
        _check_fields(dataclasses.replace(default, **changes), name)
    return list(presets)
