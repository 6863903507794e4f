from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
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
        registry._points.cache_clear()

    monkeypatch.setattr(
        registry, "entry_points", lambda group: [one for one in points if one.group == group]
    )
    registry._points.cache_clear()
    yield add
    registry._points.cache_clear()


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
    with pytest.raises(UsageError, match="no dataset 'x': known: none"):
        registry.load(registry.GENERATORS, "x", "dataset")


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


def test_a_docstring_is_read_without_an_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "parcel"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')\n")
    (package / "nets.py").write_text(
        'import no_such\n\n\nclass Net:\n    """A net.\n\n    More.\n    """\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.docstring("parcel.nets:Net") == "A net.\n\nMore."
    assert "parcel" not in sys.modules


@pytest.mark.parametrize(
    "target", ["no_such_module:f", "json:no_such_function", "sys:exit", "hsal_bench.no:f", "a..b:f"]
)
def test_without_a_readable_docstring_it_is_empty(target: str) -> None:
    assert registry.docstring(target) == ""


def test_the_docstring_of_a_source_that_does_not_parse_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "garbled.py").write_text("def f(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.docstring("garbled:f") == ""
