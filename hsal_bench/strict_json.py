"""JSON as its standard has it, both ways: what Python's reader would let pass is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from hsal_bench.plain_text import shown

DEEPEST = 50
"""Lists and objects that may lie in each other: code that walks through them is recursive."""

_LONGEST = 40


def parse(text: str, number: type[float] | type[Decimal] = float) -> Any:
    """Return the value that the text is; numbers with a point or an exponent are a `number`.

    Raises:
        ValueError: it is not JSON; it holds NaN, an infinite number or one that a float or a
            `number` cannot hold, a key twice in an object, or more than `DEEPEST` lists and
            objects in each other.
    """

    def finite(digits: str) -> float | Decimal:
        if math.isinf(float(digits)):
            _refuse(digits)
        try:
            return number(digits)
        except InvalidOperation:  # an exponent of some twenty digits, though a float is just 0 then
            _refuse(digits)

    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse, parse_float=finite
        )
    except RecursionError:
        raise ValueError("nested too deep") from None
    _refuse_deep(value, DEEPEST)
    return value


def without_nan(value: Any) -> Any:
    """Return plain values in lists, tuples and mappings as JSON can hold them: NaN is None."""
    if isinstance(value, Mapping):
        return {key: without_nan(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key '{shown(key, _LONGEST)}' stands there twice")
        found[key] = value
    return found


def _refuse(number: str) -> NoReturn:
    raise ValueError(f"it holds {shown(number, _LONGEST)}")


def _refuse_deep(value: Any, left: int) -> None:
    if not isinstance(value, dict | list):
        return
    if not left:
        raise ValueError("nested too deep")
    for part in value.values() if isinstance(value, dict) else value:
        _refuse_deep(part, left - 1)
