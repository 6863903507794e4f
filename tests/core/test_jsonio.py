"""JSON is read as its standard has it, and what is written can be read so."""

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsal_bench.jsonio import MAX_DEPTH, parse, without_nan

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
        ("[NaN]", "it holds NaN"),
        ("[-Infinity]", "it holds -Infinity"),
        ("[1e999]", "it holds 1e999"),
        ("1" * 60 + "e999", "it holds 1{40}..."),
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


@pytest.mark.parametrize("digits", ["1e999", "1e-99999999999999999999", "0e99999999999999999999"])
def test_a_number_that_a_decimal_or_a_float_cannot_hold_is_refused(digits):
    with pytest.raises(ValueError, match=f"it holds {digits}"):
        parse(f"[{digits}]", Decimal)
