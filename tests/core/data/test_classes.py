"""Classes that a dataset declares and cannot train are named."""

from __future__ import annotations

from hsal_bench.data.classes import class_warnings

NAMES = ("a", "b", "c")


def test_nothing_to_warn_of() -> None:
    assert class_warnings({"train": [0, 1, 2], "valid": [0], "test": [1]}, NAMES) == []


def test_a_class_that_never_occurs() -> None:
    (warning,) = class_warnings({"train": [1, 2], "valid": [1], "test": [2]}, NAMES)
    assert warning.startswith("WARNING: class a of 3 never occurs")


def test_a_class_that_is_tested_and_never_trained() -> None:
    (warning,) = class_warnings({"train": [0, 1], "valid": [0], "test": [2]}, NAMES)
    assert warning.startswith("WARNING: class c occurs in test and never in train")
