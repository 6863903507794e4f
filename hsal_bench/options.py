"""Options: the fields of frozen dataclasses, set from text and checked one by one.

The fields of a dataset's spec are the options of `hsal-bench generate`; the fields of a method's
config are the keys of `hsal-bench run --set key=value`. `hsal_bench.annotations` lists the types
that a field may have.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from hsal_bench.annotations import parse as parse
from hsal_bench.errors import UsageError, suggest
from hsal_bench.jsonio import typed

Config = TypeVar("Config")

_SHOWN = 3


def option(
    default: Any,
    help: str,
    at_least: float | None = None,
    at_most: float | None = None,
    *,
    omit_default: bool = False,
) -> Any:
    """Return a dataclass field with a default and the help text users see.

    `at_least` and `at_most` bound the value, or each value of a tuple; None is always allowed.
    `omit_default`: `as_config` omits the field while it has its default, so that files written
    before the field existed have the same config.
    """
    about = {"help": help, "at_least": at_least, "at_most": at_most, "omit_default": omit_default}
    return dataclasses.field(default=default, metadata=about)


def field_types(config_type: type) -> dict[str, Any]:
    """Return the type of each field of a dataclass, in the order of the fields."""
    hints = typing.get_type_hints(config_type)
    return {field.name: hints[field.name] for field in dataclasses.fields(config_type)}


def replace(config: Config, values: Mapping[str, str], owner: str) -> Config:
    """Return a copy of `config` with the fields in `values` set from text.

    `owner` is the dataset or method of the options, for messages ("hsal-rl", "mnist-multiset").

    Raises:
        UsageError: there is no such field, or a text is not of its type or outside its bounds.
            Errors of the dataclass's own `__post_init__` pass through.
    """
    known = field_types(type(config))
    unknown = [name for name in values if name not in known]
    if unknown:
        raise UsageError(f"{owner} has no option {unknown[0]!r}: {suggest(unknown[0], known)}")
    parsed = {name: parse(text, known[name], f"{owner}: {name}") for name, text in values.items()}
    _check_values(type(config), parsed, owner)
    return dataclasses.replace(config, **parsed)  # type: ignore[type-var]


def assignments(texts: Iterable[str], option: str = "--set") -> dict[str, str]:
    """Split texts `key=value` or `owner:key=value`; the last value of a key wins.

    Raises:
        UsageError: a text has no `=`.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"{option} {text}: write {option} key=value")
        owner, colon, field = key.strip().rpartition(":")
        pairs[owner + colon + field.replace("-", "_")] = value.strip()
    return pairs


def option_of(field: str, value: Any) -> str:
    """Return the option of a field as `generate` takes it for that value: "--no-unique"."""
    return f"--{'no-' if value is False else ''}{field.replace('_', '-')}"


def split_list(text: str) -> list[str]:
    """Split a comma-separated list, without duplicates and empty parts."""
    return list(dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))))


def as_text(value: Any) -> str:
    """Return a field's value as a user would write it; `parse` reads it back."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return ",".join(map(as_text, value)) if isinstance(value, tuple | list) else str(value)


def as_json(config: Any) -> dict[str, Any]:
    """Return a dataclass as plain JSON values."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(config).items()
    }


def as_config(spec: Any) -> dict[str, Any]:
    """Return a dataset's spec as its file stores it: `as_json` without omitted defaults."""
    values = as_json(spec)
    for field in dataclasses.fields(spec):
        if field.metadata.get("omit_default") and getattr(spec, field.name) == field.default:
            del values[field.name]
    return values


def from_json(config_type: type[Config], values: Mapping[str, Any], owner: str) -> Config:
    """Return the dataclass whose `as_json` or `as_config` is `values`.

    Raises:
        UsageError: a field is missing, unknown, of the wrong type or outside its bounds, or the
            dataclass rejects it.
    """
    # A default may have changed since: filling it in would give a different config.
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


def difference(
    stored: Mapping[str, Any], wanted: Mapping[str, Any], names: Iterable[str] | None = None
) -> str:
    """Return how a stored config differs from the wanted one: "seed 0, not 7", or "".

    names: as for `differing`. At most three differences are shown.
    """
    pairs = list(differing(stored, wanted, names).items())
    return "; ".join(f"{name} {was}, not {now}" for name, (was, now) in pairs[:_SHOWN])


def differing(
    stored: Mapping[str, Any], wanted: Mapping[str, Any], names: Iterable[str] | None = None
) -> dict[str, tuple[Any, Any]]:
    """Return the differing fields of two configs with both values: {"budget.updates": (80, 90)}.

    names: the fields to compare, by default those of either.
    """
    compared = {**wanted, **stored} if names is None else names
    # Through JSON, as `stored` was: a tuple equals the list that was read back.
    was, now = (
        _flat(json.loads(json.dumps({name: values.get(name) for name in compared})))
        for values in (stored, wanted)
    )
    pairs = {name: (was.get(name), now.get(name)) for name in {**now, **was}}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def check_bounds(config: Any, owner: str = "") -> None:
    """Check every field of a dataclass against the bounds of its `option`.

    Raises:
        UsageError: a value is out of bounds.
    """
    _check_values(type(config), vars(config), owner)


def bounds(field: dataclasses.Field[Any]) -> str:
    """Return the bounds of a field in words: "at least 1"; "" without bounds."""
    least, most = field.metadata.get("at_least"), field.metadata.get("at_most")
    if least is not None and most is not None:
        return f"from {_plain(least)} to {_plain(most)}"
    if least is not None:
        return f"at least {_plain(least)}"
    return "" if most is None else f"at most {_plain(most)}"


def _plain(number: float) -> str:
    """Return a number as people write it: 0 for 0.0, 32,767."""
    return f"{int(number) if number == int(number) else number:,}"


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        nested = isinstance(value, Mapping)
        flat |= _flat(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}": value}
    return flat


def _check_values(config_type: Any, values: Mapping[str, Any], owner: str) -> None:
    where = f"{owner}: " if owner else ""
    for field in dataclasses.fields(config_type):
        value = values.get(field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if part is not None and not _within(part, field):
                raise UsageError(f"{where}{field.name} is {part!r}: it must be {bounds(field)}")


def _within(value: Any, field: dataclasses.Field[Any]) -> bool:
    least, most = field.metadata.get("at_least"), field.metadata.get("at_most")
    return (least is None or value >= least) and (most is None or value <= most)
