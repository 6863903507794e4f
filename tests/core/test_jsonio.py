"""JSON is read as its standard has it, and what is written can be read so."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsal_bench.errors import UsageError
from hsal_bench.jsonio import MAX_DEPTH, parse, typed, without_nan

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_infinity=False) | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)


@settings(deadline=None)
@given(VALUES)
def test_what_is_written_without_nan_is_read_again(value):
    plain = without_nan(value)
    assert parse(json.dumps(plain, allow_nan=False)) == plain


def test_nan_is_null_wherever_it_stands():
    assert without_nan({"a": (1.5, math.nan), "b": math.nan}) == {"a": [1.5, None], "b": None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Expecting property name"),
        ("[NaN]", "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity is not a JSON number"),
        ('{"a": 1, "a": 1}', "duplicate key 'a'"),
        ('{"\x1b": 1, "\x1b": 1}'.replace("\x1b", "\\u001b"), r"duplicate key '\\x1b'"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested too deeply"),
        ("1" * 5000, "Exceeds the limit"),
    ],
)
def test_what_is_not_strict_json_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        parse(text)


def test_depth_has_a_limit_and_not_a_number_of_lists():
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert len(parse(f"[{'[],' * 100}[]]")) == 101


def test_decimals_keep_the_digits_that_were_written():
    assert str(parse("0.800", Decimal)) == "0.800"


@pytest.mark.parametrize("digits", ["1e-99999999999999999999", "0e99999999999999999999"])
def test_a_number_that_a_decimal_cannot_hold_is_refused(digits):
    with pytest.raises(ValueError, match="a number has too many digits"):
        parse(f"[{digits}]", Decimal)


@dataclass(frozen=True)
class Inner:
    ratio: float
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    loss: Mapping[str, float]
    free: Mapping[str, Any]
    limit: float | None = None


RIGHT = {"name": "a", "inner": {"ratio": 1, "sizes": [2]}, "loss": {"x": None}, "free": {"y": [1]}}


def test_a_dataclass_is_built_from_plain_values():
    outer = typed(Outer, RIGHT, "f.json")
    assert (outer.inner, outer.free) == (Inner(1.0, (2,)), {"y": [1]})
    assert type(outer.inner.ratio) is float
    assert math.isnan(outer.loss["x"])


def test_all_problems_are_reported_at_once():
    values = {
        "name": 3,
        "inner": {"ratio": "x", "sizes": [1, True], "rato": 1},
        "loss": {"x": "high"},
        "limit": math.inf,
    }
    with pytest.raises(UsageError) as caught:
        typed(Outer, values, "f.json")
    assert str(caught.value) == (
        "f.json: name is 3: it must be a text; inner.ratio is 'x': it must be a number; "
        "inner.sizes[1] is True: it must be a whole number; inner: no field is named 'rato': "
        "did you mean 'ratio'? known: ratio, sizes; loss.x is 'high': it must be a number; "
        "the field 'free' is missing; limit is inf: it must be a number that a float can hold"
    )
