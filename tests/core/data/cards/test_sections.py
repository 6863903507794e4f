from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from hsal_bench.data.cards.composition import Composition
from hsal_bench.data.cards.sections import findings, share, tables

EVEN = Composition(
    images=200,
    objects=np.array([0, 80, 120]),
    classes=np.array([240, 80]),
    repeated=0.25,
    sizes=np.array([[5, 10, 20, 30, 40.0], [6, 11, 21, 31, 41], [0.01, 0.02, 0.04, 0.08, 0.1]]),
    centres=np.array([[0.3, 0.1, 0.1], [0.1, 0.1, 0.05], [0.1, 0.1, 0.05]]),
    unreached=np.array([0.4, 0.3, 0.9, 0.8]),
    overlapping=0.5,
    sources=320,
    sampled=200,
    brightness=0.25,
    contrast=0.125,
)
FOUND = dict.fromkeys(("train", "valid", "test"), EVEN)
EMPTY = dataclasses.replace(
    EVEN,
    objects=np.array([200, 0, 0]),
    classes=np.array([0, 0]),
    repeated=0.0,
    sizes=np.full((3, 5), np.nan),
    centres=np.full((3, 3), np.nan),
    overlapping=math.nan,
    sources=0,
)


def test_what_is_uneven_is_reported_in_sentences() -> None:
    assert findings(FOUND, ("a", "b")) == [
        "Objects per image: 1 to 2, most often 2 (60.0 % of the images), least often 1 (40.0 %).",
        "Repeats: 25.0 % of the images have a class more than once.",
        "Classes: `a` is 75.0 % of the objects, `b` 25.0 %: 3.00 times as many.",
        "Sizes: 90 % of the objects are 10 to 30 pixels wide, and 90 % are 11 to 31 pixels tall; "
        "the median object covers 4.0 % of the image.",
        "Positions: of the ninths of the image, the top left one has the most centres (30.0 %) "
        "and the right one the fewest (5.0 %); 11.1 % each would be even. The outer tenth has no "
        "object at the right in 90.0 % of the images, at the left in 40.0 %, at the bottom in "
        "80.0 %, at the top in 30.0 %.",
        "Overlap: two boxes overlap in 50.0 % of the images with several objects.",
    ]


def test_what_never_happens_is_reported_so() -> None:
    train = dataclasses.replace(
        EVEN, objects=np.array([0, 0, 200]), classes=np.array([9, 0]), repeated=0.0, overlapping=0.0
    )
    lines = findings({**FOUND, "train": train}, ("a", "b"))
    assert lines[:3] == [
        "Objects per image: always 2.",
        "Repeats: no image has a class twice.",
        "Classes: `a` is 100.0 % of the objects, `b` 0.0 %.",
    ]
    assert lines[-1] == "Overlap: no two boxes overlap."


def test_a_split_without_objects_is_reported_by_dashes() -> None:
    found = {**FOUND, "train": EMPTY}
    assert findings(found, ("a", "b")) == [
        "Objects per image: always 0.",
        "Repeats: no image has a class twice.",
    ]
    text = "\n".join(tables(found, ("a", "b"), ""))
    assert "| train: width | - | - | - | - | - |" in text
    assert "| images with overlapping boxes [2] | - | 50.0 % | 50.0 % |" in text
    assert "| largest / smallest | - | 3.00 | 3.00 |" in text


def test_without_boxes_nothing_is_said_about_them() -> None:
    whole = dataclasses.replace(EVEN, sizes=np.array([[64.0] * 5, [64.0] * 5, [1.0] * 5]))
    splits = {**dict.fromkeys(("train", "valid"), whole), "test": EMPTY}
    text = "\n".join([*tables(splits, ("a", "b"), ""), *findings(splits, ("a", "b"))])
    assert "## Classes" in text
    assert "Classes: `a`" in text
    assert "[1] Mean grey value" in text
    assert not [word for word in ("Sizes", "Positions", "verlap", "[2]") if word in text]
    one_smaller = {**splits, "test": EVEN}
    assert "## Sizes" in "\n".join(tables(one_smaller, ("a", "b"), ""))


def test_tables_hold_every_split() -> None:
    text = "\n".join(tables(FOUND, ("a", "b"), ""))
    assert "| objects | 320 | 320 | 320 |" in text
    assert "| 2 | 60.0 % | 60.0 % | 60.0 % |" in text
    assert "| 0 |" not in text
    assert "| b | 25.0 % | 25.0 % | 25.0 % |" in text
    assert "| valid: height | 6 | 11 | 21 | 31 | 41 |" in text
    assert "| middle | 10.0 % | 10.0 % | 5.0 % |" in text
    assert "| train | 40.0 % | 30.0 % | 90.0 % | 80.0 % |" in text


def test_what_splits_share_is_below_the_table_of_splits() -> None:
    assert "\nNot leak-free: all." in tables(FOUND, ("a", "b"), "Not leak-free: all.")[0]


@pytest.mark.parametrize(("part", "text"), [(0.1234, "12.3 %"), (0.0, "0.0 %"), (math.nan, "-")])
def test_a_share_in_words(part: float, text: str) -> None:
    assert share(part) == text
