"""Type annotations are taken apart in one place, and described in words and for `--help`."""

from typing import Literal

import pytest

from hsal_bench.annotations import describe, metavar, noun


@pytest.mark.parametrize(
    ("annotation", "words", "short"),
    [
        (bool, "yes or no", "TEXT"),
        (int, "whole number", "N"),
        (float | None, "number or none", "X"),
        (str, "text", "TEXT"),
        (Literal["a"], "a", "a"),
        (Literal["a", "b", 3], "a, b or 3", "a|b|3"),
        (tuple[int, ...], "whole number, several with commas", "N,..."),
        (None | tuple[float, ...], "number, several with commas or none", "X,..."),
    ],
)
def test_a_type_is_described_for_lists_and_for_help(annotation, words, short):
    assert describe(annotation) == words
    assert metavar(annotation) == short


def test_a_single_value_has_an_article_except_for_a_choice():
    assert [noun(kind) for kind in (int, str, bool)] == ["a whole number", "a text", "yes or no"]
