from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsal_bench.errors import UsageError
from hsal_bench.options import (
    as_json,
    as_text,
    assignments,
    bounds,
    check_bounds,
    difference,
    field_types,
    from_json,
    option,
    parse,
    replace,
)


@dataclass(frozen=True)
class Config:
    steps: int = option(3, "how many")
    rate: float = option(0.1, "how fast")
    name: str = option("x", "what it is called")
    loud: bool = option(False, "whether it speaks")
    loss: Literal["ce", "rl"] = option("ce", "which loss")
    widths: tuple[int, ...] = option((8, 16), "of each layer")
    limit: float | None = option(None, "at most", at_least=0.0)
    share: float = option(0.5, "of the whole", at_least=0, at_most=1)
    sizes: tuple[int, ...] = option((4,), "of each image", at_least=1)

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise UsageError(f"steps={self.steps}: it takes a number of at least 0")


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("steps", "7", 7),
        ("rate", "1e-3", 1e-3),
        ("name", "a=b", "a=b"),
        ("loud", "yes", True),
        ("loud", "False", False),
        ("loss", "rl", "rl"),
        ("widths", "1, 2,3", (1, 2, 3)),
        ("limit", "2", 2.0),
        ("limit", "none", None),
        ("share", "1", 1.0),
    ],
)
def test_a_text_becomes_a_value_of_the_fields_type(field: str, text: str, value: Any) -> None:
    found = getattr(replace(Config(), {field: text}, "m"), field)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("stepz", "1", "m has no option 'stepz': did you mean 'steps'? known: "),
        ("steps", "1.5", "m: steps is '1.5': it must be a whole number"),
        ("rate", "fast", "m: rate is 'fast': it must be a number"),
        ("loud", "maybe", "m: loud is 'maybe': it must be yes or no"),
        ("loss", "rll", "m: loss is 'rll': did you mean 'rl'? known: ce, rl"),
        ("widths", "1,x", "m: widths has 'x': write whole numbers"),
        ("limit", "low", "m: limit is 'low': it must be a number"),
        ("rate", "nan", "m: rate is 'nan': it must be a finite number"),
        ("rate", "1e999", "m: rate is '1e999': it must be a finite number"),
        ("limit", "-inf", "m: limit is '-inf': it must be a finite number"),
        ("limit", "-1", "m: limit is -1.0: it must be at least 0"),
        ("share", "1.5", "m: share is 1.5: it must be from 0 to 1"),
        ("sizes", "3,0", "m: sizes is 0: it must be at least 1"),
        ("steps", "-1", "steps=-1: it takes a number of at least 0"),
    ],
)
def test_a_wrong_text_is_refused_by_name(field: str, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        replace(Config(), {field: text}, "m")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("value", [7, 0.001, "a=b", True, False, None, "ce", (1, 2)])
def test_a_value_is_written_as_it_is_parsed(value: Any) -> None:
    kinds = {bool: bool, tuple: tuple[int, ...], type(None): float | None}
    found = parse(as_text(value), kinds.get(type(value), type(value)), "x")
    assert (found, type(found)) == (value, type(value))


def test_fields_that_are_not_named_stay() -> None:
    assert replace(Config(steps=9), {"rate": "2"}, "m") == Config(steps=9, rate=2.0)


def test_a_choice_of_numbers_is_parsed_as_numbers() -> None:
    assert parse("2", Literal[1, 2], "x") == 2


def test_types_are_in_the_order_of_the_fields() -> None:
    assert list(field_types(Config))[:3] == ["steps", "rate", "name"]
    assert field_types(Config)["rate"] is float


def test_assignments_take_dashes_and_the_last_one_holds() -> None:
    assert assignments(["a-b=1", "c=x=y", "a_b = 2"]) == {"a_b": "2", "c": "x=y"}
    with pytest.raises(UsageError, match="--set steps: write --set key=value"):
        assignments(["steps"])


@settings(max_examples=30, deadline=None)
@given(
    st.builds(
        Config,
        steps=st.integers(0),
        rate=st.floats(allow_nan=False, allow_infinity=False),
        name=st.text(),
        loud=st.booleans(),
        loss=st.sampled_from(["ce", "rl"]),
        widths=st.lists(st.integers()).map(tuple),
        limit=st.none() | st.floats(0, 1),
    )
)
def test_to_json_and_back_changes_nothing(config: Config) -> None:
    assert from_json(Config, json.loads(json.dumps(as_json(config))), "m") == config


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("step", 1, "m: no field is named 'step': did you mean 'steps'"),
        ("steps", "7", "m: steps is '7': it must be a whole number"),
        ("steps", True, "m: steps is True: it must be a whole number"),
        ("loss", "rll", "m: loss is 'rll': it must be ce or rl"),
        ("widths", 3, "m: widths is 3: it must be a list"),
        ("limit", -1, "m: limit is -1.0: it must be at least 0"),
        ("steps", -1, "steps=-1: it takes a number of at least 0"),
    ],
)
def test_from_json_refuses_by_name(field: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_json(Config, as_json(Config()) | {field: value}, "m")
    assert str(caught.value).startswith(message)


def test_from_json_wants_every_field() -> None:
    with pytest.raises(UsageError, match="m: the field 'steps' is missing"):
        from_json(Config, {}, "m")


def test_bounds_of_a_config_made_in_code_are_checked_on_demand() -> None:
    check_bounds(Config())
    with pytest.raises(UsageError, match=r"^share is 2: it must be from 0 to 1$"):
        check_bounds(Config(share=2))


@pytest.mark.parametrize(
    ("least", "most", "said"),
    [
        (0.0, None, "at least 0"),
        (0.25, 1.0, "from 0.25 to 1"),
        (1, 2**31 - 1, "from 1 to 2,147,483,647"),
        (None, 0.001, "at most 0.001"),
        (None, None, ""),
    ],
)
def test_bounds_are_written_as_by_a_person(
    least: float | None, most: float | None, said: str
) -> None:
    assert bounds(option(0, "some number", least, most)) == said


def test_a_range_stands_for_its_whole_numbers():
    assert parse("0-2,7,5-5", tuple[int, ...], "seeds") == (0, 1, 2, 7, 5)
    assert parse("-1", tuple[int, ...], "seeds") == (-1,)
    for text in ("2-0", "0-4294967295"):
        with pytest.raises(UsageError, match=r"counts down: write 0-2|at most 1,000 numbers"):
            parse(text, tuple[int, ...], "seeds")
    for text in ("0-", "1-2-3"):
        with pytest.raises(UsageError, match=f"seeds is '{text}': write whole numbers, such"):
            parse(text, tuple[int, ...], "seeds")
    with pytest.raises(UsageError, match="seeds is '0-2': write numbers, such as"):
        parse("0-2", tuple[float, ...], "seeds")


def test_the_difference_of_two_configs_names_nested_fields_and_both_values() -> None:
    stored = {"seed": 0, "budget": {"updates": 400, "batch": 8}, "sizes": [1, 2], "extra": 1}
    wanted = {"seed": 7, "budget": {"updates": 6000, "batch": 8}, "sizes": (1, 2)}
    assert difference(stored, wanted, wanted) == "seed 0, not 7; budget.updates 400, not 6000"
    assert difference(stored, wanted, ["sizes", "budget"]) == "budget.updates 400, not 6000"
    assert difference(stored, wanted).endswith("; extra 1, not None")
    assert difference(stored, stored) == ""
    every = dict.fromkeys("abcde", 1)
    assert difference(every, {}) == "a 1, not None; b 1, not None; c 1, not None"
