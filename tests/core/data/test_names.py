"""Datasets by name: a generator's own, and those it makes with other options."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hsal_bench.data import names as dataset_names
from hsal_bench.data.generator import load_generator
from hsal_bench.errors import UsageError
from hsal_bench.options import as_json


@pytest.fixture(autouse=True)
def large(known_generators: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The generator "toy-large" makes "toy-odd" as well, with the seed of what it is to be like."""
    generator: Any = load_generator("toy-large")

    def spec_of(name: str, like: Any) -> Any:
        odd = dataclasses.replace(generator.defaults, unique=False, max_objects=2, clutter_size=1)
        if name != "toy-odd":
            return None
        return odd if like is None else dataclasses.replace(odd, seed=like.seed)

    def family(spec: Any) -> dict[str, str]:
        return {"toy-large": "squares", "toy-odd": "odd squares"}

    monkeypatch.setattr(generator, "spec_of", spec_of, raising=False)
    monkeypatch.setattr(generator, "family", family, raising=False)
    return generator


def test_a_name_is_a_generator_s_own_or_one_it_gives(large: Any) -> None:
    assert dataset_names.find("toy-large") == ("toy-large", large.defaults)
    own, spec = dataset_names.find("toy-odd")
    assert own == "toy-large"
    assert dataset_names.flags(large.defaults, spec) == [
        *("--max-objects", "2"),
        *("--clutter-size", "1"),
        "--no-unique",
    ]
    assert dataset_names.find("tox") is None


def test_what_a_name_says_nothing_of_is_taken_from_another_config() -> None:
    other = dataclasses.replace(load_generator("toy").defaults, seed=7, clutter=0)
    _, spec = dataset_names.find("toy-odd", {"generator": "toy", **as_json(other)})
    assert (spec.seed, spec.clutter, spec.max_objects) == (7, 1, 2)
    _, spec = dataset_names.find("toy-odd", {"generator": "elsewhere"})
    assert spec.seed == 0


def test_every_name_and_what_it_is() -> None:
    assert dataset_names.all_names() == ["toy", "toy-large", "toy-odd"]
    assert dataset_names.variations("toy-large") == {"toy-odd": "odd squares"}
    assert dataset_names.unknown("tox", ["x"]) == (
        "did you mean 'toy'? known: toy, toy-large, toy-odd, x"
    )
    own, spec = dataset_names.find("toy-odd")
    assert dataset_names.dataset_summary(own, "toy-odd", spec) == "odd squares"
    assert dataset_names.dataset_summary("toy", "toy", load_generator("toy").defaults) == "squares"


def test_a_config_tells_its_family(large: Any) -> None:
    config = {"generator": "toy-large", **as_json(large.defaults)}
    assert dataset_names.family(config) == ["toy-large", "toy-odd"]
    assert dataset_names.family(config | {"generator": "toy"}) == []
    assert dataset_names.family({"generator": "elsewhere"}) == []


def test_a_generator_that_cannot_be_loaded_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_large(name: str) -> object:
        if name == "toy":
            raise UsageError("cannot be imported")
        return load_generator(name)

    monkeypatch.setattr(dataset_names, "load_generator", only_large)
    assert dataset_names.find("toy-odd")[0] == "toy-large"
    assert dataset_names.all_names() == ["toy", "toy-large", "toy-odd"]
    with pytest.raises(UsageError, match="cannot be imported"):
        dataset_names.find("toy")
