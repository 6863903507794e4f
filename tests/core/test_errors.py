"""Suggestions for an unknown name."""

import pytest

from hsal_bench.errors import suggest

KNOWN = (
    "hsal-rl",
    "hsal-multiset",
    "rl",
    "cross-entropy",
    "exact_match",
    "exact_match_m1",
    "glimpse_feedback",
    "glimpses",
)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("hsal_rl", "hsal-rl"),
        ("HSAL-RL", "hsal-rl"),
        ("hsalrl", "hsal-rl"),
        ("RL", "rl"),
        ("crossentropy", "cross-entropy"),
        ("cross", "cross-entropy"),
        ("corss-entropy", "cross-entropy"),
        ("Exact Match", "exact_match"),
        ("exact-match", "exact_match"),
        ("glimpse", "glimpses"),
    ],
)
def test_the_nearest_name_is_suggested_first(name, near):
    assert suggest(name, KNOWN).startswith(f"did you mean {near!r}? known: cross-entropy, exact")


@pytest.mark.parametrize("name", ["", "zzz"])
def test_without_a_similar_name_none_is_suggested(name):
    assert suggest(name, KNOWN).startswith("known: cross-entropy, exact_match, ")
    assert suggest(name, ()) == "known: none"
