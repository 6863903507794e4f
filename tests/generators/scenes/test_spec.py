import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsal_bench.errors import UsageError
from hsal_bench.generators.scenes.spec import SceneSpec
from hsal_bench.options import as_json, from_json


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"max_objects": 5}, ["max_objects=5", "max_size=50", "canvas=100"]),
        ({"max_objects": 2, "max_size": 60}, ["max_objects=2", "max_size=60", "canvas=100"]),
        (
            {"placement": "uniform", "max_objects": 10, "min_size": 30},
            ["max_objects=10", "min_size=30", "canvas=100"],
        ),
        ({"max_size": 101}, ["max_size=101", "canvas=100"]),
        ({"min_size": 51}, ["min_size=51", "max_size=50"]),
        ({"min_objects": 5}, ["min_objects=5", "max_objects=4"]),
        ({"clutter": 401}, ["clutter=401", "clutter_size=5", "canvas=100"]),
        ({"clutter_size": 29}, ["clutter_size is 29", "from 1 to 28"]),
        ({"clutter": -1}, ["clutter is -1", "from 0 to"]),
        ({"min_size": 0}, ["min_size is 0"]),
        ({"min_objects": -1}, ["min_objects is -1"]),
        ({"min_objects": 0, "max_objects": 0}, ["max_objects is 0"]),
        ({"canvas": 40_000}, ["canvas is 40000", "to 32,767"]),
        ({"train": 0}, ["train is 0"]),
        ({"valid": -1}, ["valid is -1"]),
        ({"seed": -1}, ["seed is -1"]),
        ({"placement": "circle"}, ["placement='circle'", "uniform"]),
    ],
)
def test_a_contradiction_is_refused_and_named(fields: dict, named: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        SceneSpec(**fields)
    for text in named:
        assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"min_objects": 0},
        {"max_objects": 10, "max_size": 25},
        {"max_objects": 9, "placement": "uniform"},
        {"clutter": 0},
        {"canvas": 28, "max_size": 28, "max_objects": 1, "clutter": 25},
    ],
)
def test_what_fits_is_accepted(fields: dict) -> None:
    spec = SceneSpec(**fields)
    assert {name: getattr(spec, name) for name in fields} == fields
    assert dataclasses.replace(spec, **{name: getattr(SceneSpec(), name) for name in fields}) == (
        SceneSpec()
    )


@given(
    canvas=st.integers(1, 60),
    max_objects=st.integers(1, 12),
    min_size=st.integers(1, 60),
    max_size=st.integers(1, 60),
)
def test_an_accepted_grid_has_a_cell_for_every_object(
    canvas: int, max_objects: int, min_size: int, max_size: int
) -> None:
    try:
        spec = SceneSpec(
            canvas=canvas, max_objects=max_objects, min_size=min_size, max_size=max_size, clutter=0
        )
    except UsageError:
        return
    for size in range(spec.min_size, spec.max_size + 1):
        assert (spec.canvas // size) ** 2 >= spec.max_objects


def test_a_spec_survives_json() -> None:
    spec = dataclasses.replace(SceneSpec(), placement="uniform", seed=7)
    assert from_json(SceneSpec, as_json(spec), "mnist-multiset") == spec
