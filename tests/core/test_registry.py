from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from hsal_bench import registry
from hsal_bench.errors import UsageError

Offer = Callable[[str, str, str], None]


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Offer]:
    """Let a package offer an entry point; nothing else is installed."""
    points: list[EntryPoint] = []

    def add(package: str, name: str, value: str) -> None:
        point = EntryPoint(name, value, registry.METHODS)
        vars(point)["dist"] = SimpleNamespace(name=package)
        points.append(point)
        registry._found.cache_clear()

    monkeypatch.setattr(
        registry, "entry_points", lambda group: [one for one in points if one.group == group]
    )
    registry._found.cache_clear()
    yield add
    registry._found.cache_clear()


def test_listing_imports_nothing(offer: Offer) -> None:
    offer("p", "b", "no_such_module:B")
    offer("p", "a", "no_such_module:A")
    assert registry.names(registry.METHODS) == ["a", "b"]
    assert registry.names(registry.GENERATORS) == []


def test_loading_imports_the_one_that_is_wanted(offer: Offer) -> None:
    offer("p", "ordered", "collections:OrderedDict")
    offer("p", "broken", "no_such_module:X")
    assert registry.load(registry.METHODS, "ordered", "method").__name__ == "OrderedDict"


def test_an_unknown_name_suggests_the_nearest(offer: Offer) -> None:
    offer("p", "hsal-rl", "m:A")
    offer("p", "cross-entropy", "m:B")
    with pytest.raises(UsageError) as caught:
        registry.load(registry.METHODS, "hsal-lr", "method")
    assert str(caught.value) == (
        "no method 'hsal-lr': did you mean 'hsal-rl'? known: cross-entropy, hsal-rl"
    )
    with pytest.raises(UsageError, match="no data set 'x': known: none"):
        registry.load(registry.GENERATORS, "x", "data set")


def test_two_packages_with_one_name_are_both_named(offer: Offer) -> None:
    offer("theirs", "net", "a:Net")
    offer("ours", "net", "b:Net")
    with pytest.raises(UsageError) as caught:
        registry.load(registry.METHODS, "net", "method")
    assert str(caught.value) == (
        "method 'net' is offered by package ours and package theirs: uninstall one of them"
    )


def test_one_package_found_twice_is_no_clash(offer: Offer) -> None:
    offer("ours", "ordered", "collections:OrderedDict")
    offer("ours", "ordered", "collections:OrderedDict")
    assert registry.load(registry.METHODS, "ordered", "method").__name__ == "OrderedDict"


def test_what_fails_to_import_names_its_package_and_keeps_the_cause(offer: Offer) -> None:
    offer("theirs", "net", "no_such_module:Net")
    with pytest.raises(UsageError, match="'net' of package theirs cannot be imported") as caught:
        registry.load(registry.METHODS, "net", "method")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert "No module named 'no_such_module'" in str(caught.value)
