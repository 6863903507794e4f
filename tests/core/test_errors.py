"""Suggestions for an unknown name."""

from pathlib import Path

import pytest

from hsal_bench.errors import near_path, suggest

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


def test_the_nearest_path_of_the_same_kind_is_suggested(tmp_path, monkeypatch):
    (tmp_path / "trial").mkdir()
    for name in ("mnist-multiset.h5", "mnist-single.h5", "mnist-multset.json"):
        (tmp_path / "trial" / name).touch()
    path = tmp_path / "trial" / "mnist-multset.h5"
    assert near_path(path) == f"did you mean {tmp_path / 'trial/mnist-multiset.h5'}?"
    assert near_path(tmp_path / "trail" / "any.h5") == f"did you mean {tmp_path / 'trial'}?"
    assert near_path(tmp_path / "trial" / "svhn.h5") == ""
    (tmp_path / "mine-runs").mkdir()
    monkeypatch.chdir(tmp_path)
    assert near_path(Path("mine-run")) == "did you mean mine-runs?"
    assert near_path(Path("/none/of/these")) == ""
