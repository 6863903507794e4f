"""Checks of the values in a record: whoever wrote it, they can be computed with and displayed.

A check raises ValueError with the place of the first bad value, such as "curve[3].loss".
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from hsal_bench.text import shown

LARGEST_WHOLE = 2**63 - 1
LARGEST = 3.5e38
"""Just above the largest single-precision number, which a loss can come near. The square of a much
larger number, needed for the deviation over seeds, would be infinite."""

_ROUNDING = 1e-6
"""Chance levels are computed in single precision."""

_AMOUNTS = (
    "seed",
    "updates",
    "selected_update",
    "wall_s",
    "throughput_train",
    "throughput_predict",
    "parameters",
)
_SHOWN = 40


def check_values(value: Any, place: str = "") -> None:
    """Refuse infinite or very large numbers, and unprintable characters in texts and keys."""
    for where, leaf in _leaves(value, place):
        if isinstance(leaf, str):
            if not leaf.isprintable():
                text = shown(leaf, _SHOWN)
                raise ValueError(f"{where} contains unprintable characters ({text})")
        elif isinstance(leaf, int | float) and not _within(leaf):
            raise ValueError(f"{where} is {str(leaf)[:_SHOWN]}: it is infinite or too large")


def check_not_negative(values: Mapping[str, float | None]) -> None:
    """Refuse a number below 0."""
    for name, number in values.items():
        if number is not None and number < 0:
            raise ValueError(f"{name} is {number}: it cannot be negative")


def check_amounts(fields: Mapping[str, Any]) -> None:
    """Refuse negative amounts in a record's fields, and a selected update that was never made."""
    check_not_negative({name: fields[name] for name in _AMOUNTS})
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
        outside = number < -_ROUNDING or number > 1 + _ROUNDING
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


def _within(number: float) -> bool:
    if isinstance(number, int):
        return abs(number) <= LARGEST_WHOLE
    return math.isnan(number) or abs(number) <= LARGEST
