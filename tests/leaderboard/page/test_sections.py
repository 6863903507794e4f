"""Sections and rows of the board: what is kept apart, which run counts, who stands where."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsal_bench.leaderboard.page.sections import Anchors, sections
from hsal_bench.record.record import DataSet

OTHER = DataSet("mnist-multiset", "ff" * 32, {"train": 60, "test": 400}, "m.h5")


def only(entries):
    (section,) = sections(entries)
    return section


def test_a_row_has_means_and_deviations_over_seeds(run):
    (row,) = only([run(seed=0, right=160), run(seed=1, right=240)]).rows
    assert row.cell("exact_match").text == "0.500 ± 0.141"
    assert row.cell("exact_match").number == pytest.approx(0.5)
    assert row.cell("coverage") == row.cell("coverage").__class__("—", None)


def test_the_best_come_first_and_what_failed_last(run, bad):
    entries = [bad(method="a"), run("b", right=20), run("c", right=390), run("d", right=386)]
    section = only(entries)
    assert [row.name for row in section.rows] == ["c", "d", "b", "a"]
    assert [row.rank.text if row.rank else None for row in section.rows] == [
        "1–2",
        "1–2",
        "3",
        None,
    ]
    assert [row.rank.as_best for row in section.rows[:3]] == [True, True, False]


def test_a_section_without_a_run_that_succeeded_has_no_ranks(bad):
    section = only([bad(), bad("unsupported", "too many objects", method="b")])
    assert section.ranking is None
    assert [row.name for row in section.rows] == ["b", "hsal-rl"]


@pytest.mark.parametrize("other", [{"data_set": OTHER}, {"metrics_version": 2}])
def test_other_images_and_other_metrics_are_another_section_that_says_so(other, run):
    found = sections([run(), run(seed=1, **other)])
    assert [len(section.rows) for section in found] == [1, 1]
    assert [section.same_name for section in found] == [(found[1].title,), (found[0].title,)]


def test_contents_that_begin_alike_are_sections_of_their_own(run):
    alike = [DataSet("m", "ab12" * 15 + end, {"test": 400}, "m.h5") for end in ("0000", "0001")]
    found = sections(
        [run(data_set=one, right=right) for one, right in zip(alike, (9, 8), strict=True)]
    )
    assert [len(section.rows) for section in found] == [1, 1]
    contents = ["ab12" * 15 + "0000", "ab12" * 15 + "0001"]
    assert [section.title for section in found] == [
        f"m (content {content}, metrics 1)" for content in contents
    ]
    assert [section.anchor for section in found] == [f"m-{content}" for content in contents]


def test_rows_trained_elsewhere_are_another_section(run):
    there = run(trained_on=OTHER, curve=())
    found = sections([run(), there])
    assert "trained on mnist-multiset" in found[1].title
    assert found[0].anchor != found[1].anchor


def test_the_latest_run_of_a_seed_counts_and_the_others_are_kept(run):
    late = run(right=300, started="2025-06-01T00:00:00+00:00")
    (row,) = only([late, run(right=100)]).rows
    assert row.entries == (late,)
    assert [run.metrics["exact_match"] for run in row.superseded] == [0.25]


def test_what_is_missing_is_known(run):
    five = [run("a", seed) for seed in range(5)]
    elsewhere = run("c", data_set=DataSet("x", "cc" * 32, {"test": 400}, "x.h5"))
    first, second = sections([*five, run("b", 3), elsewhere])
    assert {row.name: row.missing for row in first.rows} == {"a": (), "b": (0, 1, 2, 4)}
    assert first.absent == ("c",)
    assert second.absent == ("a", "b")


def test_a_method_is_drawn_alike_in_all_sections(run):
    there = DataSet("x", "cc" * 32, {"test": 400}, "x.h5")
    found = sections([run("a"), run("b"), run("b", data_set=there, right=10)])
    inks = {(row.name, row.ink) for section in found for row in section.rows}
    assert inks == {("a", 0), ("b", 1)}


def test_unequal_conditions_are_reported(run):
    section = only([run("a"), run("b", budget={"updates": 900, "batch_size": 64})])
    assert (
        section.inequality == "Not under equal conditions: updates 100 (a) against updates 900 (b)"
    )
    assert only([run("a"), run("b")]).inequality == ""


def test_of_predictions_made_elsewhere_no_seeds_and_no_conditions_are_asked(run, elsewhere):
    section = only([run(seed=0), run(seed=1), elsewhere(seed=7)])
    assert [row.missing for row in section.rows] == [(), ()]
    assert section.inequality == ""


@given(st.lists(st.text(max_size=8), max_size=12))
def test_anchors_are_plain_and_differ(texts):
    anchors = Anchors()
    found = [anchors.new(text) for text in texts]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(r"[A-Za-z0-9.-]+", anchor) for anchor in found)


def test_anchors_stay_the_same_when_a_method_joins(run):
    before = {row.name: row.anchor for row in only([run("a"), run("b+x=1")]).rows}
    after = {row.name: row.anchor for row in only([run("a"), run("b+x=1"), run("aa")]).rows}
    assert before.items() <= after.items()
    assert before["b+x=1"] == "mnist-multiset-ab12ab12-b-x-1"
