"""One mechanism for options: frozen dataclasses, filled from text and checked field by field.

The fields of a data set's spec are the options of `hsal-bench generate`; the fields of a method's
config are what `hsal-bench run --set key=value` may set. Supported field types: bool, int, float,
str, Literal, tuple[T, ...] ("1,2", or "0-4" of whole numbers), and any of them with None.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar, Union

from hsal_bench.errors import UsageError, suggest
from hsal_bench.typed_json import typed

Config = TypeVar("Config")

_RANGE, _LONGEST = re.compile(r"(\d+)-(\d+)"), 1_000
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def option(
    default: Any,
    help: str,
    at_least: float | None = None,
    at_most: float | None = None,
    *,
    omit_default: bool = False,
) -> Any:
    """Return a dataclass field with a default and the sentence that explains it to a user.

    `at_least` and `at_most` bound the value, or each value of a tuple; None is never outside.
    `omit_default`: `as_config` leaves the field out while it has its default, as the configs of
    files written before there was such a field do.
    """
    about = {"help": help, "at_least": at_least, "at_most": at_most, "omit_default": omit_default}
    return dataclasses.field(default=default, metadata=about)


def field_types(config_type: type) -> dict[str, Any]:
    """Return the type of each field of a dataclass, in the order of the fields."""
    hints = typing.get_type_hints(config_type)
    return {field.name: hints[field.name] for field in dataclasses.fields(config_type)}


def replace(config: Config, values: Mapping[str, str], owner: str) -> Config:
    """Return `config` with the fields in `values` replaced by what their texts say.

    `owner` names whose options these are, for the error message ("hsal-rl", "mnist-multiset").

    Raises:
        UsageError: no such field, a text that is not of the field's type, a value outside the
            field's bounds; whatever the dataclass itself refuses in `__post_init__`.
    """
    known = field_types(type(config))
    unknown = [name for name in values if name not in known]
    if unknown:
        raise UsageError(f"{owner} has no option {unknown[0]!r}: {suggest(unknown[0], known)}")
    parsed = {name: parse(text, known[name], f"{owner}: {name}") for name, text in values.items()}
    _refuse_outside(type(config), parsed, owner)
    return dataclasses.replace(config, **parsed)  # type: ignore[type-var]


def assignments(texts: Iterable[str]) -> dict[str, str]:
    """Split `key=value` texts, or `owner:key=value`; the last of two for one key holds.

    Raises:
        UsageError: a text without `=`.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text}: write --set key=value")
        owner, colon, field = key.strip().rpartition(":")
        pairs[owner + colon + field.replace("-", "_")] = value.strip()
    return pairs


def parse(text: str, kind: Any, where: str) -> Any:
    """Return the value of type `kind` that `text` stands for; `where` opens the error message."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        if text.lower() == "none":
            return None
        kind = next(member for member in arguments if member is not type(None))
        return parse(text, kind, where)
    if origin is Literal:
        choices = {str(argument): argument for argument in arguments}
        if text not in choices:
            raise UsageError(f"{where} is {text!r}: {suggest(text, choices)}")
        return choices[text]
    if origin is tuple:
        named = [part.strip() for part in text.split(",")]
        parts = [one for part in named for one in _counted(part, arguments[0], where)]
        try:
            return tuple(parse(part, arguments[0], where) for part in parts)
        except UsageError as error:
            raise UsageError(f"{error}; several with commas") from None
    if kind is bool:
        if text.lower() not in _TRUE + _FALSE:
            raise UsageError(f"{where} is {text!r}: write true or false")
        return text.lower() in _TRUE
    try:
        value = kind(text)
    except ValueError:
        raise UsageError(f"{where} is {text!r}: it takes {_describe(kind)}") from None
    if kind is float and not math.isfinite(value):
        raise UsageError(f"{where} is {text!r}: it takes a finite number")
    return value


def _counted(part: str, kind: Any, where: str) -> list[str]:
    """Return what a part of a list stands for: the whole numbers of "0-4", else itself."""
    ends = _RANGE.fullmatch(part) if kind is int else None
    if ends is None:
        return [part]
    low, high = map(int, ends.groups())
    if high < low:
        raise UsageError(f"{where} is {part!r}, which counts down: write {high}-{low}")
    if high - low >= _LONGEST:
        raise UsageError(f"{where} is {part!r}: at most {_LONGEST:,} numbers in one range")
    return list(map(str, range(low, high + 1)))


def listed(text: str) -> list[str]:
    """Return the parts of a list with commas, each once; none is empty."""
    return list(dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))))


def as_text(value: Any) -> str:
    """Return a field's value as a user would write it: what `parse` makes the value from."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return ",".join(map(as_text, value)) if isinstance(value, tuple) else str(value)


def as_json(config: Any) -> dict[str, Any]:
    """Return a dataclass as plain JSON values."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(config).items()
    }


def as_config(spec: Any) -> dict[str, Any]:
    """Return a dataset's spec as the config in its file: `as_json`, see `omit_default`."""
    values = as_json(spec)
    for field in dataclasses.fields(spec):
        if field.metadata.get("omit_default") and getattr(spec, field.name) == field.default:
            del values[field.name]
    return values


def from_json(config_type: type[Config], values: Mapping[str, Any], owner: str) -> Config:
    """Return the dataclass that `as_json` or `as_config` made `values` from.

    Raises:
        UsageError: a field is missing, unknown, of another type or outside its bounds; whatever
            the dataclass itself refuses.
    """
    # A default that has changed since would make it another config.
    required = [
        field.name
        for field in dataclasses.fields(config_type)  # type: ignore[arg-type]
        if not field.metadata.get("omit_default")
    ]
    if missing := [name for name in required if name not in values]:
        raise UsageError(f"{owner}: the field {missing[0]!r} is missing")
    config: Config = typed(config_type, dict(values), owner)
    check_bounds(config, owner)
    return config


def check_bounds(config: Any, owner: str = "") -> None:
    """Check every field of a dataclass against the bounds its `option` gives.

    Raises:
        UsageError: a value is outside.
    """
    _refuse_outside(type(config), vars(config), owner)


def bounds(field: dataclasses.Field[Any]) -> str:
    """Return what the bounds of a field allow: "at least 1", or "" if it has none."""
    least, most = field.metadata.get("at_least"), field.metadata.get("at_most")
    if least is not None and most is not None:
        return f"from {_plain(least)} to {_plain(most)}"
    if least is not None:
        return f"at least {_plain(least)}"
    return "" if most is None else f"at most {_plain(most)}"


def _plain(number: float) -> str:
    """Return a number as a person writes it: 0 for 0.0, 32,767."""
    return f"{int(number) if number == int(number) else number:,}"


def _refuse_outside(config_type: Any, values: Mapping[str, Any], owner: str) -> None:
    where = f"{owner}: " if owner else ""
    for field in dataclasses.fields(config_type):
        value = values.get(field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if part is not None and not _within(part, field):
                raise UsageError(f"{where}{field.name} is {part!r}: it takes {bounds(field)}")


def _within(value: Any, field: dataclasses.Field[Any]) -> bool:
    least, most = field.metadata.get("at_least"), field.metadata.get("at_most")
    return (least is None or value >= least) and (most is None or value <= most)


def _describe(kind: Any) -> str:
    return {int: "a whole number", float: "a number"}.get(kind, str(kind))
