"""A name that a generator gives with other options comes with the command that makes it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hsal_bench import registry, variants
from hsal_bench.errors import UsageError


@pytest.fixture(autouse=True)
def named(known_generators: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The generator "toy-large" makes "toy-odd" and, by its own options, "toy-own"."""
    generator = registry.load_generator("toy-large")
    own = generator.defaults
    odd = dataclasses.replace(own, unique=False, max_objects=2, clutter_size=1)
    monkeypatch.setattr(generator, "spec_of", {"toy-odd": odd, "toy-own": own}.get, raising=False)


def test_the_command_has_what_differs_and_the_folder() -> None:
    assert variants.remedy("toy-own", []) == "it is `hsal-bench generate toy-large`"
    command = "hsal-bench generate toy-large --max-objects 2 --clutter-size 1 --no-unique"
    assert variants.remedy("toy-odd", []) == f"it is `{command}`"
    out = Path("my data")
    assert variants.remedy("toy-odd", [], out) == f"it is `{command} --out 'my data'`"


def test_another_name_gets_the_nearest() -> None:
    assert variants.remedy("tox", ["toy", "x"]) == "did you mean 'toy'? known: toy, x"


def test_a_generator_that_cannot_be_loaded_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    load = registry.load_generator

    def only_large(name: str) -> object:
        if name == "toy":
            raise UsageError("cannot be imported")
        return load(name)

    monkeypatch.setattr(registry, "load_generator", only_large)
    assert variants.remedy("toy-own", []) == "it is `hsal-bench generate toy-large`"
