"""Checks of the values in a record: whoever wrote it, they can be computed with and displayed.

A check raises ValueError with the place of the first bad value, such as "curve[3].loss".
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from hsal_bench.text import shown

LARGEST_WHOLE = 2**63 - 1
LARGEST = 3.5e38
"""Just above the largest single-precision number, which a loss can come near. The square of a much
larger number, needed for the deviation over seeds, would be infinite."""

LONGEST, LONGEST_NAME = 20_000, 200
"""Most characters of a text and of a name."""

NAME = rf"[A-Za-z0-9][A-Za-z0-9._+-]{{0,{LONGEST_NAME - 1}}}"
"""The pattern of a name of which paths are made."""

_NAME = re.compile(NAME)
ROUNDING = 1e-6
"""Chance levels are computed in single precision."""

AMOUNTS = (
    "seed",
    "updates",
    "selected_update",
    "wall_s",
    "cpu_s",
    "throughput_train",
    "throughput_predict",
    "parameters",
)
_SHOWN = 40


def check_values(value: Any, place: str = "") -> None:
    """Refuse infinite or very large numbers, and unprintable or very long texts and keys."""
    if _is_valid(value):  # the places of thousands of values are needed only for a message
        return
    for where, leaf in _leaves(value, place):
        if _is_valid(leaf):
            continue
        if not isinstance(leaf, str):
            raise ValueError(f"{where} is {str(leaf)[:_SHOWN]}: it is infinite or too large")
        if len(leaf) > LONGEST:
            raise ValueError(f"{where} has {len(leaf):,} characters: at most {LONGEST:,}")
        raise ValueError(f"{where} contains unprintable characters ({shown(leaf, _SHOWN)})")


def check_lengths(names: Mapping[str, str | None]) -> None:
    """Refuse a name of more than `LONGEST_NAME` characters."""
    for place, name in names.items():
        if name is not None and len(name) > LONGEST_NAME:
            raise ValueError(f"{place} has {len(name):,} characters: at most {LONGEST_NAME}")


def check_names(names: Mapping[str, str | None]) -> None:
    """Refuse a name that must not be part of a path, or is longer than `LONGEST_NAME`."""
    for place, name in names.items():
        if name is not None and not _NAME.fullmatch(name):
            raise ValueError(
                f"{place} is '{shown(name, _SHOWN)}': a name has at most {LONGEST_NAME} letters, "
                "digits and . _ + -, and starts with a letter or digit"
            )


def check_not_negative(values: Mapping[str, float | None]) -> None:
    """Refuse a number below 0."""
    for name, number in values.items():
        if number is not None and number < 0:
            raise ValueError(f"{name} is {number}: it cannot be negative")


def check_amounts(fields: Mapping[str, Any]) -> None:
    """Refuse negative amounts in a record's fields, and a selected update that was never made."""
    check_not_negative({name: fields[name] for name in AMOUNTS})
    nested = {"budget": fields["budget"], "peak_memory_bytes": vars(fields["peak_memory_bytes"])}
    for field, numbers in nested.items():
        check_not_negative({f"{field}.{name}": number for name, number in numbers.items()})
    selected, updates = fields["selected_update"], fields["updates"]
    if selected is not None and updates is not None and selected > updates:
        raise ValueError(f"selected_update is {selected}, but only {updates} updates were made")


def check_time(text: str, place: str) -> None:
    """Refuse a text that is not an ISO 8601 time with a time zone."""
    try:
        zone = datetime.fromisoformat(text).tzinfo
    except ValueError:
        raise ValueError(f"{place} is {text!r}: it is not an ISO 8601 time") from None
    if zone is None:
        raise ValueError(f"{place} is {text!r}: it has no time zone")


def check_shares(metrics: Mapping[str, float], place: str, prefix: str = "") -> None:
    """Refuse a share that is not between 0 and 1; it may be NaN."""
    # Imported here because it imports numpy, which commands that read no record do not need.
    from hsal_bench.metrics.scores import is_share

    for name, number in metrics.items():
        outside = number < -ROUNDING or number > 1 + ROUNDING
        if outside and name.startswith(prefix) and is_share(name.removeprefix(prefix)):
            raise ValueError(f"{place}.{name} is {number}: it must be between 0 and 1")


def check_curve(curve: Sequence[Mapping[str, float]]) -> None:
    """Refuse a line with a bad share, or without a whole "update" above the previous one."""
    last = -1.0
    for number, line in enumerate(curve):
        place, update = f"curve[{number}]", line.get("update")
        if update is None:
            raise ValueError(f"{place} has no update")
        if update < 0 or not float(update).is_integer():
            raise ValueError(f"{place}.update is {update}: it must be a whole number, 0 or more")
        if update <= last:
            raise ValueError(f"{place}.update is {update:g}, after {last:g}: updates must increase")
        check_shares(line, place, "valid_")
        last = update


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield all nested values with their places; the keys of mappings count as values."""
    if dataclasses.is_dataclass(value):
        for name, item in vars(value).items():
            yield from _leaves(item, f"{place}.{name}" if place else name)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield f"a key of {place}", key
            yield from _leaves(item, f"{place}.{shown(str(key), _SHOWN)}")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _leaves(item, f"{place}[{number}]")
    else:
        yield place, value


def _is_valid(value: Any) -> bool:
    """Whether `_leaves` of a value are printable texts of bounded length and finite numbers."""
    kind = type(value)
    if kind is str:
        return len(value) <= LONGEST and value.isprintable()
    if kind is float:
        return -LARGEST <= value <= LARGEST or value != value
    if kind is int:
        return -LARGEST_WHOLE <= value <= LARGEST_WHOLE
    if kind is dict:
        return all(map(_is_valid, value)) and all(map(_is_valid, value.values()))
    if kind in (list, tuple):
        return all(map(_is_valid, value))
    if dataclasses.is_dataclass(value):
        return all(map(_is_valid, vars(value).values()))
    # A number of another type, such as NumPy's, compares like a number.
    return not isinstance(value, float) or -LARGEST <= value <= LARGEST or value != value
