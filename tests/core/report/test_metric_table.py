"""Tables from records: what is averaged, ranked and noted, and what is a table of its own."""

import dataclasses
import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hsal_bench.comparison import grouping
from hsal_bench.errors import UsageError
from hsal_bench.record.correct import pack_correct
from hsal_bench.record.record import DataSet
from hsal_bench.report.metric_table import HEADLINE, metric_table

OTHER = DataSet("mnist-set", "cd34" * 16, {"train": 60, "test": 2}, "s.h5")
OWN_TITLE = "mnist-multiset (content ab12ab12, metrics 1)"


def rows(records, metrics=HEADLINE):
    return metric_table(records, metrics).to_dict("records")


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 20), min_size=2, max_size=6))
def test_means_and_sample_deviations(ok, rights):
    values = [right / 20 for right in rights]
    (row,) = rows([ok(seed=seed, exact_match=value) for seed, value in enumerate(values)])
    assert row["n"] == len(values)
    assert row["exact_match"] == pytest.approx(statistics.fmean(values))
    assert row["exact_match_std"] == pytest.approx(statistics.stdev(values), abs=1e-12)


def test_one_seed_has_no_deviation(ok):
    (row,) = rows([ok()])
    assert (row["n"], row["exact_match"], row["note"]) == (1, 0.5, "")
    assert all(math.isnan(row[f"exact_match_{of}"]) for of in ("std", "low", "high"))


@pytest.mark.parametrize(
    ("name", "values", "low", "high"),
    [
        ("exact_match", (0.2, 0.3, 0.4), 0.0516, 0.5484),  # a deviation of 0.1
        ("macro_f1", (0.0, 0.1, 0.0), 0.0, 0.177),
        ("macro_f1", (1.0, 0.8, 1.0), 0.646, 1.0),
        ("cardinality_mae", (0.0, 3.0, 0.0), 0.0, 5.303),
        ("cardinality_bias", (0.0, 3.0, 0.0), -3.303, 5.303),
    ],
)
def test_an_interval_stays_within_the_limits_of_the_metric(ok, name, values, low, high):
    # t(.975, 2) is 4.303; below the first, the standard error is a third of the odd value.
    records = [ok(seed=seed, metrics={name: number}) for seed, number in enumerate(values)]
    (row,) = rows(records, [name])
    assert [row[f"{name}_low"], row[f"{name}_high"]] == pytest.approx([low, high], abs=1e-3)


def test_numbers_of_the_run_have_no_interval(ok):
    table = metric_table([ok(seed=k) for k in range(3)], ["wall_s", "updates"])
    assert not [name for name in table.columns if name.endswith(("_low", "_high"))]


def test_intervals_are_pooled_over_the_methods_of_a_table(ok):
    records = [
        ok(name, seed, metrics={"macro_f1": 0.3 + (0.1 if name == "a" else 0.01) * seed})
        for name in "abcde"
        for seed in range(3)
    ]
    variance = (0.1**2 + 4 * 0.01**2) / 5
    reach = stats.t.ppf(0.975, 3) * math.sqrt((variance + 2 * 0.01**2) / 3 / 3)
    high = {row["method"]: row["macro_f1_high"] for row in rows(records, ["macro_f1"])}
    assert high["b"] == pytest.approx(0.31 + reach)


def test_best_method_first_and_failures_last(ok, bad):
    records = [bad(method="a"), ok("b", exact_match=0.1), ok("c", exact_match=0.9)]
    assert [row["method"] for row in rows(records)] == ["c", "b", "a"]


@pytest.mark.parametrize(
    "other",
    [
        {"data_set": DataSet("mnist-multiset", "ff" * 32, {"train": 60, "test": 2}, "m.h5")},
        {"data_set": DataSet("mnist-set", "ab12" * 16, {"train": 60, "test": 2}, "s.h5")},
        {"metrics_version": 2},
    ],
)
def test_other_data_and_other_metrics_are_another_table(other, ok):
    means = metric_table([ok(), ok(seed=1, **other)])
    assert means["n"].tolist() == [1, 1]
    assert means["data_set"].nunique() == 2


def test_contents_that_begin_alike_are_tables_of_their_own(ok):
    a, b = (DataSet("m", "ab12ab12" + 14 * end, {"test": 20}, "m.h5") for end in ("0001", "0002"))
    records = [ok(data_set=a), ok(data_set=b), ok(data_set=a, trained_on=b)]
    assert [row["data_set"] for row in rows(records)] == [
        "m (content ab12ab120001, metrics 1)",
        "m (content ab12ab120001, metrics 1), trained on m (content ab12ab120002)",
        "m (content ab12ab120002, metrics 1)",
    ]


def test_rows_that_were_trained_on_another_data_set_are_another_table(ok, bad):
    reason = "hsal-rl is built for at most 4 objects per image"
    there = [ok(trained_on=OTHER), bad("unsupported", reason, method="b", trained_on=OTHER)]
    title = f"{OWN_TITLE}, trained on mnist-set (content cd34cd34)"
    table = rows([ok(exact_match=0.9), *there])
    assert [(row["data_set"], row["note"]) for row in table] == [
        (OWN_TITLE, ""),
        (title, ""),
        (title, f"unsupported: {reason}"),
    ]
    assert [row["exact_match"] for row in table[:2]] == [0.9, 0.5]


def test_a_failed_seed_is_noted_and_not_averaged(ok, bad):
    (row,) = rows([ok(seed=0, exact_match=0.2), bad(seed=1), ok(seed=2, exact_match=0.4)])
    assert (row["n"], row["exact_match"]) == (2, pytest.approx(0.3))
    assert row["note"] == "2 of 3 seeds; 1 failed: the loss is nan"


def test_a_seed_that_other_rows_have_is_missing(ok, bad, elsewhere):
    whole = [ok("whole", seed, exact_match=0.9) for seed in range(5)]
    part = [ok("part", 0), ok("part", 4), bad(method="part", seed=2)]
    table = {row["method"]: row for row in rows([*whole, *part, elsewhere()])}
    assert {name: (row["n"], row["seeds"]) for name, row in table.items()} == {
        "whole": (5, 5),
        "part": (2, 5),
        "theirs": (1, 1),
    }
    missing = "2 of 5 seeds; 1 failed: the loss is nan; no record of seeds 1, 3"
    assert (table["whole"]["note"], table["part"]["note"]) == ("", missing)
    assert table["part"]["exact_match"] == 0.5
    assert table["theirs"]["note"].startswith("predictions made elsewhere")


def test_rows_are_ranked_within_their_data_set(ok, bad):
    runs = {"good": 150, "fair": 146, "poor": 40}
    records = [ok(name, correct=pack_correct(np.arange(200) < n)) for name, n in runs.items()]
    table = rows([*records, bad(method="broken"), ok("good", data_set=OTHER)])
    names = ("method", "rank_best", "rank_worst", "as_best")
    assert [tuple(row[name] for name in names) for row in table] == [
        ("good", 1, 2, True),
        ("fair", 1, 2, True),
        ("poor", 3, 3, False),
        ("broken", None, None, False),
        ("good", 1, 1, True),
    ]
    assert table[0]["ranked_by"].startswith("exact McNemar test over images, Holm over 3 pai")
    assert [row["ranked_by"] for row in table[3:]] == ["", ""]


def test_of_one_seed_run_twice_the_latest_counts(ok):
    later = ok(exact_match=0.9, started="2025-01-02T03:04:00-05:00")
    (row,) = rows([later, ok(exact_match=0.1)])
    assert (row["n"], row["exact_match"]) == (1, 0.9)
    assert row["note"] == "seed 0 run more than once: the latest counts"


def test_a_number_that_one_seed_lacks_has_no_mean(ok):
    (row,) = rows([ok(), ok(seed=1, metrics={"exact_match": 0.5, "macro_f1": math.nan})])
    assert (math.isnan(row["macro_f1"]), row["exact_match"]) == (True, 0.5)


def test_a_metric_that_no_record_has_is_a_column_without_numbers(ok):
    (row,) = rows([ok()], ["coverage", "exact_match"])
    assert (math.isnan(row["coverage"]), row["exact_match"]) == (True, 0.5)


def test_an_unknown_metric_is_refused(ok):
    with pytest.raises(UsageError, match="no record has a metric 'macro_f2': did you mean 'macro_"):
        metric_table([ok()], ["macro_f2"])


def test_the_table_says_what_each_row_was_given(ok):
    (row,) = rows([ok()])
    assert {name: x for name, x in row.items() if name.startswith("given_")} == {
        "given_preset": "quick",
        "given_budget_updates": 100,
        "given_budget_batch_size": 64,
        "given_activations": "small cdcdcdcd",
    }


def test_predictions_made_elsewhere_have_a_row_and_a_note(ok, elsewhere):
    records = [ok(), elsewhere(exact_match=0.9), elsewhere("b", extra_data=("ImageNet", "SVHN"))]
    theirs, b, own = rows(records, ["exact_match", "updates"])
    assert [row["method"] for row in (theirs, b, own)] == ["theirs", "b", "hsal-rl"]
    assert theirs["note"] == (
        "predictions made elsewhere, unofficial; trained on the train and valid splits, as stated"
    )
    assert "trained on the train and valid splits and ImageNet and SVHN, as st" in b["note"]
    assert math.isnan(theirs["updates"])
    assert (theirs["given_preset"], own["given_preset"]) == (grouping.NONE, "quick")


def test_a_weak_activation_model_and_a_change_of_device_are_noted(ok):
    weak = dataclasses.replace(ok().activation, single_object_accuracy=0.45)
    moved = ok("moved", resumed_on=("cuda", "cpu"))
    table = rows([ok(), ok("weak", activation=weak), moved])
    assert {row["method"]: row["note"] for row in table} == {
        "hsal-rl": "",
        "weak": "weak activation model: 45.0 % single-object accuracy",
        "moved": "seed 0 changed device during training (cuda, then cpu): may differ from a run on "
        "one device",
    }
