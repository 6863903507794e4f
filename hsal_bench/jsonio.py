"""JSON, strictly read and checked: standard JSON only, and dataclasses from plain values.

`parse` rejects what Python's own reader accepts. `typed` builds a dataclass with pydantic and
reports all problems at once. A null among the floats of a mapping stands for NaN.
"""

from __future__ import annotations

import functools
import json
import math
import typing
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NoReturn

from hsal_bench.annotations import Annotation
from hsal_bench.checking import listed
from hsal_bench.errors import UsageError, suggest
from hsal_bench.text import shown

if TYPE_CHECKING:
    from pydantic_core import CoreConfig, ErrorDetails, SchemaValidator

MAX_DEPTH = 50
"""Levels of nested lists and objects: code that walks through them is recursive."""

_LONGEST = 40
_EXPECTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "is_instance_of": "a number",
    "decimal_type": "a number",
    "finite_number": "a number that a float can hold",
    "string_type": "a text",
    "string_unicode": "a text",
    "tuple_type": "a list",
    "dict_type": "an object",
    "dataclass_type": "an object",
}
"""What a value must be, by pydantic's type of the error."""

_STRICT: CoreConfig = {"strict": True, "allow_inf_nan": False}


def parse(text: str, number: type[float] | type[Decimal] = float) -> Any:
    """Return the value of a JSON text; numbers with a point or an exponent become a `number`.

    A number beyond the largest float becomes infinite, which `typed` refuses.

    Raises:
        ValueError: the text is not JSON; it contains NaN, an infinite number, a duplicate key, or
            more than `MAX_DEPTH` nested levels.
    """
    try:
        value = json.loads(
            text.rstrip(),
            object_pairs_hook=_object,
            parse_constant=_refuse,
            parse_float=None if number is float else number,
        )
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if "\n" in text.strip() else ""
        raise ValueError(f"{error.msg}: {line}column {error.colno}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except InvalidOperation:
        raise ValueError("a number has too many digits") from None
    _refuse_deep(value)
    return value


def without_nan(value: Any) -> Any:
    """Return plain values with every NaN replaced by None, as JSON needs it."""
    if isinstance(value, Mapping):
        return {key: without_nan(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"duplicate key '{shown(twice, _LONGEST)}'")
    return members


def _refuse(number: str) -> NoReturn:
    raise ValueError(f"{number} is not a JSON number")


def _refuse_deep(value: Any) -> None:
    level: list[Any] = [[value]]
    for _ in range(MAX_DEPTH + 1):
        parts = (part.values() if isinstance(part, dict) else part for part in level)
        level = [inner for part in parts for inner in part if isinstance(inner, dict | list)]
        if not level:
            return
    raise ValueError("nested too deeply")


def typed(annotation: Any, value: Any, where: str) -> Any:
    """Return a plain JSON value as the annotated type; `where`: a file, or "file: field".

    Raises:
        UsageError: the value is not of that type, or a dataclass rejects it. The message lists all
            problems.
    """
    from pydantic_core import ValidationError

    try:
        return _validator(annotation).validate_python(value)
    except ValidationError as error:
        file, _, field = where.partition(": ")
        problems = [_problem(annotation, details, field) for details in error.errors()]
        text = "; ".join(listed(problems))
        gap = " " if text.startswith("is ") else ": "
        raise UsageError(f"{file}{gap}{text}") from error


@functools.cache
def _validator(annotation: Any) -> SchemaValidator:
    from pydantic_core import SchemaValidator

    return SchemaValidator(json_rules(annotation), _STRICT)


def json_rules(annotation: Any) -> Any:
    """Return pydantic's core schema of a type, adapted to plain JSON values."""
    from pydantic import TypeAdapter

    return _adapted(TypeAdapter(annotation).core_schema)


def _adapted(schema: Any) -> Any:
    """Take lists for tuples, objects for dataclasses, null for NaN, whole numbers for decimals."""
    from pydantic_core import core_schema

    if isinstance(schema, list):
        return [_adapted(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: part if key == "metadata" else _adapted(part) for key, part in schema.items()}
    match schema.get("type"):
        case "tuple":
            schema["strict"] = False
        case "dataclass":
            schema |= {"strict": False, "config": _STRICT}
        case "dataclass-args":
            schema["extra_behavior"] = "forbid"
        case "decimal":
            return core_schema.no_info_before_validator_function(_decimal, schema)
        case "dict" if schema["values_schema"]["type"] == "float":
            schema["values_schema"] = core_schema.nullable_schema(schema["values_schema"])
            return core_schema.no_info_after_validator_function(_null_as_nan, schema)
    return schema


def _decimal(value: Any) -> Any:
    return Decimal(value) if type(value) is int else value


def _null_as_nan(values: dict[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in values.items()}


def _problem(annotation: Any, details: ErrorDetails, field: str) -> str:
    """Return a problem in words; `field`: the place of the whole value, or ""."""
    kind, location = details["type"], list(details["loc"])
    if kind in ("missing", "unexpected_keyword_argument"):
        name = location.pop()
        parent = _place(location, field)
        opening = f"{parent}: " if parent else ""
        if kind == "missing":
            return f"{opening}the field {name!r} is missing"
        name = shown(str(name), _LONGEST)
        return f"{opening}no field is named '{name}': {suggest(name, _names(annotation, location))}"
    place, error = _place(location, field), details.get("ctx", {}).get("error")
    if kind == "value_error":
        return f"{place}: {error}" if place else str(error)
    expected = _EXPECTED.get(kind) or details["msg"]
    if kind == "literal_error":
        expected = " or ".join(map(str, Annotation.of(_type_at(annotation, location)).choices))
    value = details["input"]
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return f"{place} is {shown(text, _LONGEST)}: it must be {expected}".lstrip()


def _place(location: Iterable[int | str], field: str) -> str:
    """Return a place as people write it: "curve[3].loss"."""
    for step in location:
        name = f"[{step}]" if isinstance(step, int) else f".{shown(step, _LONGEST)}"
        field += name
    return field.removeprefix(".")


def _type_at(annotation: Any, location: Iterable[int | str]) -> Any:
    for step in location:
        kind, _, item, _ = Annotation.of(annotation)
        annotation = item or typing.get_type_hints(kind)[str(step)]
    return annotation


def _names(annotation: Any, location: Iterable[int | str]) -> list[str]:
    return list(typing.get_type_hints(Annotation.of(_type_at(annotation, location)).kind))
