"""A path may have a comma: what exists is taken whole."""

from __future__ import annotations

import pytest

from hsal_bench import comma_lists


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a,b", ["a", "b"]),
        (" a , b ", ["a", "b"]),
        ("my, data/x,my, data/y", ["my, data/x", "my, data/y"]),
        ("a,my, data/x,b", ["a", "my, data/x", "b"]),
        ("no, data/x", ["no", "data/x"]),
        ("", [""]),
    ],
)
def test_what_exists_is_taken_whole(text: str, items: list[str]) -> None:
    assert comma_lists.split(text, {"my, data/x", "my, data/y"}.__contains__) == items
