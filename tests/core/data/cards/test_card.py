from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from hsal_bench.data.cards.card import card, unbuilt_card
from hsal_bench.data.file import open_data
from hsal_bench.data.generator import About, load_generator
from hsal_bench.text import table

pytestmark = pytest.mark.usefixtures("known_generators")

ABOUT = About(
    summary="An image shows squares.",
    origin="Nobody drew them.",
    made=("Drawn.", "Kept."),
    limits=("All are square.",),
    not_for=("Hanging on a wall.",),
    personal="None.",
    license="CC0",
    license_url="https://example.org/cc0",
    homepage="https://example.org/squares",
)


@pytest.fixture
def stated(known_generators: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy generator has something to tell."""
    toy = load_generator("toy")
    monkeypatch.setattr(toy, "about", lambda spec: ABOUT, raising=False)


def of(path: Path) -> str:
    with open_data(path) as data:
        return card(data)


def headings(text: str) -> list[str]:
    return re.findall(r"^#+ (.*)", text, re.M)


@pytest.mark.usefixtures("stated")
def test_the_card_of_a_file_tells_all(toy_file: Path) -> None:
    text = of(toy_file)
    assert headings(text) == [
        "toy",
        "What it is for",
        "How it was created",
        "Splits",
        "Objects per image",
        "Classes",
        "Sizes",
        "Positions",
        "Measured biases",
        "Where it comes from",
        "Known limits",
        "What it is not for",
        "Licence",
        "Citation",
        "Reading the file",
    ]
    assert "1,300 images (1,200 train, 40 valid, 60 test)" in text
    assert "occurs in it. An image shows squares.\n" in text
    assert "1. Drawn.\n2. Kept.\n" in text
    assert "- Objects per image: 1 to 3" in text
    assert "- Hanging on a wall." in text
    assert "[CC0](https://example.org/cc0)" in text
    assert "<https://example.org/squares>" in text
    assert "| `boxes` | int16 [N, 3, 4] | x0, y0, x1, y1" in text


def test_a_generator_with_nothing_to_tell_leaves_its_sections_out(toy_file: Path) -> None:
    text = of(toy_file)
    assert not {"Where it comes from", "Known limits", "What it is not for"} & set(headings(text))
    assert "```sh\nhsal-bench generate toy\n```" in text
    assert "| Personal data | unknown |" in text
    assert "## Licence\n\nCC0\n" in text


def test_a_generator_that_is_not_here_is_reported(
    toy_file: Path, set_config: Callable[..., None]
) -> None:
    set_config(generator="squares")
    text = of(toy_file)
    assert "Only its options are known: its generator 'squares' is not installed." in text
    assert "| clutter_size | 2 |  |" in text


def test_notes_of_the_making_are_reported(toy_file: Path) -> None:
    assert "Notes from its creation" not in of(toy_file)
    with h5py.File(toy_file, "r+") as file:
        file.attrs["notes"] = '["3 squares were round"]'
    assert "Notes from its creation:\n\n- 3 squares were round\n" in of(toy_file)


@pytest.mark.usefixtures("stated")
def test_the_card_without_a_file_says_how_to_get_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "toy-x.h5"
    text = unbuilt_card("toy", path)
    assert headings(text) == [
        "toy-x",
        "What it is for",
        "How it was created",
        "Composition",
        "Where it comes from",
        "Known limits",
        "What it is not for",
        "Licence",
    ]
    assert (
        f"file {path}, which does not exist yet. Run `hsal-bench generate toy --out {tmp_path}`"
        in text
    )
    assert "An image shows squares.\n" in text


def test_the_card_without_a_file_of_a_generator_with_nothing_to_tell(tmp_path: Path) -> None:
    text = unbuilt_card("toy", tmp_path / "toy-x.h5")
    assert headings(text) == ["toy-x", "What it is for", "How it was created", "Composition"]
    assert text.startswith("# toy-x\n\nsquares.\n")


def test_a_cell_keeps_to_its_place() -> None:
    rows = table(("a", "b"), [("x|y", "two\nlines")]).splitlines()
    assert rows == ["| a | b |", "| :-- | --: |", "| x\\|y | two lines |"]
