"""Methods from a file: the class is loaded, or the message names the problem and its line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hsal_bench.errors import UsageError
from hsal_bench.method.load import load_method


@pytest.fixture
def method_file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "mine.py"
    path.write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "@dataclass\nclass MyConfig:\n    width: int = 3\n"
        "@dataclass\nclass MyMethod(MyConfig):\n"
        "    def update(self, batch): ...\n"
        "    def predict(self, batch): ...\n"
        "Imported = type('Imported', (), "
        "{'update': None, 'predict': None, '__module__': 'elsewhere'})\n"
    )
    yield path
    sys.modules.pop("hsal_bench_file_mine", None)


def test_a_class_of_a_file(method_file: Path) -> None:
    assert load_method(f"{method_file}:MyMethod")().width == 3


def refusal(name: str) -> str:
    with pytest.raises(UsageError) as caught:
        load_method(name)
    return str(caught.value)


@pytest.mark.parametrize("name", ["MyMethd", "Path"])
def test_a_file_without_the_class_tells_its_methods_alone(method_file: Path, name: str) -> None:
    guess = "did you mean 'MyMethod'? " if name == "MyMethd" else ""
    assert refusal(f"{method_file}:{name}") == (
        f"{method_file} has no class {name!r}: {guess}known: MyMethod"
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Net", "a class without `update` and `predict`"),
        ("build", "a function"),
        ("instance", "an instance of MyMethod"),
        ("dataclass", "a function"),
    ],
)
def test_something_that_is_not_a_method_is_rejected(
    method_file: Path, name: str, kind: str
) -> None:
    with method_file.open("a") as file:
        file.write("instance = MyMethod()\n@dataclass\nclass Net: ...\ndef build(): ...\n")
    assert refusal(f"{method_file}:{name}") == (
        f"{method_file}: {name} is {kind}, not a method's class: name the class, as in "
        f"{method_file}:MyMethod"
    )


@pytest.mark.parametrize("end", ["", ":"])
def test_a_file_without_a_name_asks_for_it(method_file: Path, end: str) -> None:
    assert refusal(f"{method_file}{end}") == (
        f"{method_file}: name the class, as in {method_file}:MyMethod"
    )


def test_a_file_with_no_method_in_it(method_file: Path) -> None:
    method_file.write_text("class Half:\n    def update(self, batch): ...\n")
    hint = "the file has no class with `update` and `predict`"
    assert refusal(str(method_file)) == f"{method_file}: {hint}"
    assert refusal(f"{method_file}:X") == f"{method_file} has no class 'X': {hint}"
    method_file.write_text("class Bare: ...\n")
    bare = "Bare is a class without `update` and `predict`, not a method's class"
    assert refusal(f"{method_file}:Bare") == f"{method_file}: {bare}: {hint}"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no file .*x\.py: give a method as path/to/file.py:Cla"):
        load_method(f"{tmp_path / 'x.py'}:A")


def test_a_file_that_fails_to_import(method_file: Path) -> None:
    method_file.write_text("x = 1\nimport no_such_module\n")
    assert refusal(f"{method_file}:A") == (
        f"{method_file} line 2: import failed "
        "(ModuleNotFoundError: No module named 'no_such_module')"
    )
    method_file.write_text("import re\n\nx = re.compile('(')\n")
    assert refusal(f"{method_file}:A").startswith(f"{method_file} line 3: import failed (")


def test_a_file_that_is_not_python(method_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method_file.write_text("import re\n\nclass A(:\n")
    monkeypatch.chdir(method_file.parent)
    assert refusal("mine.py:A") == ("mine.py line 3: import failed (SyntaxError: invalid syntax)")


def test_a_class_that_leaves_its_base_open_is_reported_with_its_line(method_file: Path) -> None:
    method_file.write_text(
        "from hsal_bench.method.gradient import GradientMethod\n\n"
        "class Half(GradientMethod):\n    def predict(self, batch, *, trace=False): ...\n"
    )
    assert refusal(f"{method_file}:Half") == (
        f"{method_file} line 3: Half lacks `build_network` and `loss`"
    )


def test_a_file_that_failed_leaves_no_half_module(method_file: Path) -> None:
    method_file.write_text("x = 1 / 0\n")
    with pytest.raises(UsageError, match="ZeroDivisionError"):
        load_method(f"{method_file}:A")
    assert "hsal_bench_file_mine" not in sys.modules
