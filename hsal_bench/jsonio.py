"""JSON, strictly read and checked: standard JSON only, and dataclasses from plain values.

`parse` rejects what Python's own reader would let pass. `typed` builds a dataclass and checks each
field against its type annotation (`hsal_bench.annotations`). A null among the floats of a mapping
stands for NaN.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import typing
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, NoReturn

from hsal_bench.annotations import Annotation, noun
from hsal_bench.errors import UsageError, suggest
from hsal_bench.text import shown

MAX_DEPTH = 50
"""Levels of nested lists and objects: code that walks through them is recursive."""

_LONGEST = 40
_type_hints = functools.cache(typing.get_type_hints)
"""A record holds many values of one class, and evaluating its annotations is slow."""


def parse(text: str, number: type[float] | type[Decimal] = float) -> Any:
    """Return the value of a JSON text; numbers with a point or an exponent become a `number`.

    Raises:
        ValueError: the text is not JSON; it holds NaN, an infinite number, a number that a float
            or a `number` cannot hold, a duplicate key, or more than `MAX_DEPTH` nested levels.
    """

    def finite(digits: str) -> float | Decimal:
        if math.isinf(float(digits)):
            _refuse(digits)
        try:
            return number(digits)
        except InvalidOperation:  # an exponent of some twenty digits; a float would be 0
            _refuse(digits)

    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse, parse_float=finite
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    _refuse_deep(value, MAX_DEPTH)
    return value


def without_nan(value: Any) -> Any:
    """Return plain values with every NaN replaced by None, as JSON needs it."""
    if isinstance(value, Mapping):
        return {key: without_nan(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        if key in members:
            raise ValueError(f"duplicate key '{shown(key, _LONGEST)}'")
        members[key] = value
    return members


def _refuse(number: str) -> NoReturn:
    raise ValueError(f"it holds {shown(number, _LONGEST)}")


def _refuse_deep(value: Any, left: int) -> None:
    if not isinstance(value, dict | list):
        return
    if not left:
        raise ValueError("nested too deeply")
    for part in value.values() if isinstance(value, dict) else value:
        _refuse_deep(part, left - 1)


def typed(annotation: Any, value: Any, where: str) -> Any:
    """Return a plain JSON value as the annotated type; messages start with `where` (file, field).

    Raises:
        UsageError: the value is not of that type, or the dataclass rejects it.
    """
    kind, choices, item, optional = Annotation.of(annotation)
    if kind is Any or (optional and value is None):
        return value
    if kind is Literal:
        return value if value in choices else _fail(where, value, " or ".join(map(str, choices)))
    if kind is Mapping:
        return _mapping(item, value, where)
    if kind is tuple:
        if not isinstance(value, list):
            _fail(where, value, "a list")
        return tuple(typed(item, part, f"{where}[{index}]") for index, part in enumerate(value))
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
        name = shown(unknown[0], _LONGEST)
        raise UsageError(f"{where}: no field is named '{name}': {suggest(name, names)}")
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
    """Whether a field has no default; older files may lack fields added later, which have one."""
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
        _fail(where, value, "true or false" if kind is bool else noun(kind))
    try:
        return kind(value)
    except OverflowError:
        _fail(where, value, "a number that a float can hold")


def _below(where: str, name: str) -> str:
    """Return where a field is: "file: field", then "file: field.inner"."""
    name = shown(name, _LONGEST)
    return f"{where}.{name}" if ": " in where else f"{where}: {name}"


def _fail(where: str, value: Any, expected: str) -> NoReturn:
    text = str(value) if isinstance(value, Decimal) else repr(value)
    raise UsageError(f"{where} is {shown(text, _LONGEST)}: it must be {expected}")
