"""What the values of a record may be, whoever has written it: all can be computed with, and shown.

A check raises ValueError with the place of the first value that is not so, as "curve[3].loss".
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
"""Just more than single precision holds, in which a loss may well come near it. The square of what
is larger by far, as a deviation over seeds takes it, is infinite."""

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
    """Refuse numbers that are infinite or very large, and texts and keys that do not print."""
    for where, leaf in _leaves(value, place):
        if isinstance(leaf, str):
            if not leaf.isprintable():
                told = shown(leaf, _SHOWN)
                raise ValueError(f"{where} holds characters that do not print ({told})")
        elif isinstance(leaf, int | float) and not _within(leaf):
            raise ValueError(
                f"{where} is {str(leaf)[:_SHOWN]}: it must be finite, and not that large"
            )


def check_not_negative(values: Mapping[str, float | None]) -> None:
    """Refuse a number below 0."""
    for name, number in values.items():
        if number is not None and number < 0:
            raise ValueError(f"{name} is {number}: it cannot be negative")


def check_amounts(fields: Mapping[str, Any]) -> None:
    """Refuse a negative number among a record's fields, and a selected update that was not made."""
    check_not_negative({name: fields[name] for name in _AMOUNTS})
    parts = {"budget": fields["budget"], "peak_memory_bytes": vars(fields["peak_memory_bytes"])}
    for part, numbers in parts.items():
        check_not_negative({f"{part}.{name}": number for name, number in numbers.items()})
    selected, made = fields["selected_update"], fields["updates"]
    if selected is not None and made is not None and selected > made:
        raise ValueError(f"selected_update is {selected}, and updates, those made, is {made}")


def check_time(text: str, place: str) -> None:
    """Refuse what is no time in ISO 8601, or does not say its time zone."""
    try:
        zone = datetime.fromisoformat(text).tzinfo
    except ValueError:
        raise ValueError(f"{place} is {text!r}: it is no time in ISO 8601") from None
    if zone is None:
        raise ValueError(f"{place} is {text!r}: it lacks the time zone")


def check_shares(metrics: Mapping[str, float], place: str, prefix: str = "") -> None:
    """Refuse a metric that is a share of something and is not from 0 to 1; it may be NaN."""
    # Here, not above: it imports numpy, which a command that reads no record starts without.
    from hsal_bench.metrics.scores import is_share

    for name, number in metrics.items():
        outside = number < -_ROUNDING or number > 1 + _ROUNDING
        if outside and name.startswith(prefix) and is_share(name.removeprefix(prefix)):
            raise ValueError(f"{place}.{name} is {number}: it is a share, from 0 to 1")


def check_curve(curve: Sequence[Mapping[str, float]]) -> None:
    """Refuse a line without a whole "update" above the one before, or with a share that is none."""
    last = -1.0
    for number, line in enumerate(curve):
        place, update = f"curve[{number}]", line.get("update")
        if update is None:
            raise ValueError(f"{place} lacks update")
        if update < 0 or not float(update).is_integer():
            raise ValueError(f"{place}.update is {update}: it must be a whole number, 0 or more")
        if update <= last:
            raise ValueError(f"{place}.update is {update:g}, after {last:g}: updates ascend")
        check_shares(line, place, "valid_")
        last = update


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield what lies in dataclasses, mappings and lists, with its place; keys are leaves too."""
    if dataclasses.is_dataclass(value):
        for name, part in vars(value).items():
            yield from _leaves(part, f"{place}.{name}" if place else name)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield f"a key of {place}", key
            yield from _leaves(part, f"{place}.{shown(str(key), _SHOWN)}")
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from _leaves(part, f"{place}[{number}]")
    else:
        yield place, value


def _within(number: float) -> bool:
    if isinstance(number, int):
        return abs(number) <= LARGEST_WHOLE
    return math.isnan(number) or abs(number) <= LARGEST
