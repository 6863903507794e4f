"""Plain JSON values to dataclasses, checked field by field against the type annotations.

Supported: dataclasses, bool, int, float, Decimal (where the JSON was read with decimals), str, Any,
Literal, Mapping[str, T], tuple[T, ...], and any of them with None. A null among the floats of a
mapping stands for NaN.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, Union

from hsal_bench.errors import UsageError, suggest
from hsal_bench.plain_text import shown

_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Decimal: "a number",
    str: "a text",
}
_SHOWN = 40
_type_hints = functools.cache(typing.get_type_hints)
"""A record holds many values of one class, and its annotations take long to evaluate."""


def typed(kind: Any, value: Any, where: str) -> Any:
    """Return the plain JSON `value` as a `kind`; `where` (file, then field) opens an error.

    Raises:
        UsageError: the value is not a `kind`, or the dataclass itself refuses it.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        some = next(member for member in arguments if member is not type(None))
        return None if value is None else typed(some, value, where)
    if origin is Literal:
        return value if value in arguments else _fail(where, value, _one_of(arguments))
    if origin is Mapping:
        return _mapping(arguments[1], value, where)
    if origin is tuple:
        if not isinstance(value, list):
            _fail(where, value, "a list")
        parts = enumerate(value)
        return tuple(typed(arguments[0], part, f"{where}[{index}]") for index, part in parts)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, where)
    return _scalar(kind, value, where)


def _dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        _fail(where, value, "an object")
    kinds = _type_hints(kind)
    fields = dataclasses.fields(kind)
    names = [field.name for field in fields]
    if unknown := [name for name in value if name not in names]:
        told = shown(unknown[0], _SHOWN)
        raise UsageError(f"{where}: no field is named '{told}': {suggest(told, names)}")
    if missing := [
        field.name for field in fields if _is_required(field) and field.name not in value
    ]:
        raise UsageError(f"{where}: the field {missing[0]!r} is missing")
    given = {name: typed(kinds[name], value[name], _below(where, name)) for name in value}
    try:
        return kind(**given)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error


def _is_required(field: dataclasses.Field[Any]) -> bool:
    """Whether a field has no default: one that was added later may be missing in older files."""
    unset = dataclasses.MISSING
    return field.default is unset and field.default_factory is unset


def _mapping(kind: Any, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _fail(where, value, "an object")
    return {
        key: math.nan if kind is float and part is None else typed(kind, part, _below(where, key))
        for key, part in value.items()
    }


def _scalar(kind: Any, value: Any, where: str) -> Any:
    # JSON writes a whole float as 3, and a bool is an int to Python.
    accepted = (int, kind) if kind in (float, Decimal) else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        _fail(where, value, _NAMES[kind])
    try:
        return kind(value)
    except OverflowError:
        _fail(where, value, "a number that can be computed with")


def _one_of(choices: tuple[Any, ...]) -> str:
    return " or ".join(map(str, choices))


def _below(where: str, name: str) -> str:
    """Return the place of a field: "file: field", then "file: field.inner"."""
    name = shown(name, _SHOWN)
    return f"{where}.{name}" if ": " in where else f"{where}: {name}"


def _fail(where: str, value: Any, expected: str) -> typing.NoReturn:
    told = str(value) if isinstance(value, Decimal) else repr(value)
    raise UsageError(f"{where} is {shown(told, _SHOWN)}: it must be {expected}")
