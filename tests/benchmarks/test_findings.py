"""The tables and figures of docs/findings.md."""

import dataclasses

import numpy as np
import pytest

from hsal_bench.record.correct import pack_correct


@pytest.fixture
def findings(scripts):
    return scripts.findings


@pytest.fixture
def runs(scripts, record):
    """Return a function that makes runs of a variant with the given numbers of 8 right images."""

    def run(item, right):
        metrics = {"exact_match": right / 8}
        return record(item, metrics=metrics, correct=pack_correct(np.arange(8) < right))

    def runs(rights, variant="count-classifier"):
        items = scripts.reproduction.plan("S", methods=[variant], datasets=["mnist-multiset"])
        return [run(item, right) for item, right in zip(items, rights, strict=False)]

    return runs


def test_the_pages_have_the_tables_of_the_records(findings):
    for page, tables in findings.page_tables().items():
        text = page.read_text()
        assert findings.with_tables(text, tables) == text, page


@pytest.mark.parametrize(
    ("rights", "text"),
    [
        ([], "—"),
        ([4], "0.500 (1 seed)"),
        ([4, 6], "0.625 ± 0.177 (2 seeds)"),
        ([1, 2, 3, 4, 5], "0.375 ± 0.198"),
    ],
)
def test_a_number_of_other_than_five_seeds_says_so(findings, runs, rights, text):
    assert findings.cell(runs(rights)) == text


def test_a_difference_has_welchs_interval(findings, runs):
    # With equal variances and numbers of seeds, Welch's interval is Student's with 2n - 2 = 4
    # degrees of freedom: 0.25 ± 2.776 sqrt(2 (1/8)² / 3).
    higher, lower = runs([4, 5, 6]), runs([2, 3, 4])
    assert findings.difference(higher, lower) == "+0.250 [-0.033, +0.533]"


def test_a_difference_of_few_seeds_has_no_interval(findings, runs):
    assert findings.difference(runs([4]), runs([2])) == "+0.250 (too few seeds for an interval)"
    assert findings.difference([], runs([2])) == "—"


def test_readings_are_next_to_their_default_the_best_first(findings, runs):
    def measured(rights):
        others = {"macro_f1": 0.5, "pointing_hit": 0.25}
        return [dataclasses.replace(r, metrics={**r.metrics, **others}) for r in runs(rights)]

    known = {
        "hsal-rl": [4, 4, 5],
        "hsal-rl+trajectories=1": [1],
        "hsal-rl+return_to_go=yes": [6, 6, 7],
        "cross-entropy": [2, 2, 2],
    }
    on = {("mnist-multiset", name): measured(rights) for name, rights in known.items()}
    elsewhere = {("mnist-set", "hsal-rl+reset_controller=yes"): measured([8])}
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in findings.readings_table(on | elsewhere).splitlines()[2:]
    ]
    assert [row[0] for row in rows] == [
        "`hsal-rl`, `return_to_go=yes`",
        "**`hsal-rl`, the default**",
        "`hsal-rl`, `trajectories=1`",
        "**`cross-entropy`, the default**",
    ]
    best, default, *_ = rows
    assert best[2].startswith("+0.250 [") and default[2] == ""


def test_the_cpu_time_is_the_mean_of_the_runs_in_one_environment(findings, runs):
    def timed(run, cpu_s, processor):
        environment = dataclasses.replace(run.environment, processor=processor)
        return dataclasses.replace(run, cpu_s=cpu_s, environment=environment)

    untimed, first, second, elsewhere = runs([4, 4, 4, 4])
    here = [timed(first, 60, "a"), timed(second, 90, "a")]
    methods = {"x": [untimed, *here], "y": [timed(elsewhere, 6, "b")], "z": [untimed]}
    assert findings.cpu_minutes(methods) == {"x": 1.25}
    assert findings.cpu_minutes({"z": [untimed]}) == {}


def test_kendalls_tau_is_of_the_methods_that_both_have(findings, runs):
    low, middle, high = (runs([right]) for right in (2, 4, 6))
    first = {"a": low, "b": middle, "c": high}
    assert findings.kendall(first, {"a": low, "c": high}) == 1
    other = {"a": middle, "b": high, "c": low, "d": low}  # one pair in order, two not
    assert findings.kendall(first, other) == pytest.approx(-1 / 3)


def test_orders_are_compared_where_all_methods_have_run(scripts, findings, runs):
    names, methods = scripts.reproduction, ("count-classifier", "cross-entropy")
    first = {(names.MULTISET, method): runs([4], method) for method in methods}
    one_more = {(names.UNIFORM, methods[0]): runs([4], methods[0])}
    assert findings.orders_table(first | one_more) == findings.orders_table(first)


@pytest.mark.parametrize("method", ["count-classifier", "idspn"])  # which has inner gradients
def test_operations_grow_with_the_updates(scripts, runs, method):
    (run,) = runs([4], method)
    longer = dataclasses.replace(run, updates=2 * run.updates)
    once, twice = map(scripts.findings_figures.training_operations, (run, longer))
    assert twice == 2 * once > 0


def test_a_figure_is_saved_as_svg_and_png_with_the_same_bytes_each_time(scripts, runs, tmp_path):
    figures = scripts.findings_figures
    s = {("mnist-multiset", "hsal-rl"): runs([4], "hsal-rl")}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        figures.save(figures.grid_figure(s, {"REINFORCE": ("hsal-rl", "x")}), tmp_path / name / "c")
    for suffix in ("svg", "png"):
        first, second = (tmp_path / name / f"c.{suffix}" for name in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()
