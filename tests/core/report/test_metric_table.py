"""Tables from records: what is averaged, what is kept apart and how it is named."""

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
from hsal_bench.record.record import Activation, DataSet
from hsal_bench.report import metric_table


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 20), min_size=2, max_size=6))
def test_means_and_sample_deviations(ok, rights):
    values = [right / 20 for right in rights]
    records = [ok(seed=seed, exact_match=value) for seed, value in enumerate(values)]
    (row,) = metric_table.metric_table(records).to_dict("records")
    assert row["n"] == len(values)
    assert row["exact_match"] == pytest.approx(statistics.fmean(values))
    assert row["exact_match_std"] == pytest.approx(statistics.stdev(values), abs=1e-12)


def test_one_seed_has_no_deviation(ok):
    (row,) = metric_table.metric_table([ok()]).to_dict("records")
    assert (row["n"], row["exact_match"], row["note"]) == (1, 0.5, "")
    assert all(math.isnan(row[f"exact_match_{of}"]) for of in ("std", "low", "high"))


def test_a_mean_has_its_interval(ok):
    # Mean 0.3, deviation 0.1, t_(0.975, 2) = 4.3027.
    records = [ok(seed=seed, exact_match=share) for seed, share in enumerate((0.2, 0.3, 0.4))]
    (row,) = metric_table.metric_table(records, ["exact_match"]).to_dict("records")
    reach = 4.3027 * 0.1 / math.sqrt(3)
    found = row["exact_match_low"], row["exact_match_high"]
    assert found == pytest.approx((0.3 - reach, 0.3 + reach), abs=1e-5)


@pytest.mark.parametrize(
    ("name", "values", "low", "high"),
    [
        ("macro_f1", (0.0, 0.1, 0.0), 0.0, 0.177),
        ("macro_f1", (1.0, 0.8, 1.0), 0.646, 1.0),
        ("cardinality_mae", (0.0, 3.0, 0.0), 0.0, 5.303),
        ("cardinality_bias", (0.0, 3.0, 0.0), -3.303, 5.303),
    ],
)
def test_an_interval_stays_within_the_limits_of_the_metric(ok, name, values, low, high):
    # t(.975, 2) is 4.303, and the standard error is a third of the one value that differs.
    records = [ok(seed=seed, metrics={name: number}) for seed, number in enumerate(values)]
    (row,) = metric_table.metric_table(records, [name]).to_dict("records")
    assert [row[f"{name}_low"], row[f"{name}_high"]] == pytest.approx([low, high], abs=1e-3)


def test_numbers_of_the_run_have_no_interval(ok):
    table = metric_table.metric_table([ok(seed=k) for k in range(3)], ["wall_s", "updates"])
    assert not [name for name in table.columns if name.endswith(("_low", "_high"))]


def test_intervals_are_pooled_over_the_methods_of_a_table(ok):
    records = [
        ok(name, seed, metrics={"macro_f1": 0.3 + (0.1 if name == "a" else 0.01) * seed})
        for name in "abcde"
        for seed in range(3)
    ]
    rows = metric_table.metric_table(records, ["macro_f1"]).set_index("method")
    variance = (0.1**2 + 4 * 0.01**2) / 5
    reach = stats.t.ppf(0.975, 3) * math.sqrt((variance + 2 * 0.01**2) / 3 / 3)
    assert rows.loc["b", "macro_f1_high"] == pytest.approx(0.31 + reach)


def test_best_method_first_and_failures_last(ok, bad):
    records = [bad(method="a"), ok("b", exact_match=0.1), ok("c", exact_match=0.9)]
    assert metric_table.metric_table(records)["method"].tolist() == ["c", "b", "a"]


@pytest.mark.parametrize(
    "other",
    [
        {"data_set": DataSet("mnist-multiset", "ff" * 32, {"train": 60, "test": 2}, "m.h5")},
        {"data_set": DataSet("mnist-set", "ab12" * 16, {"train": 60, "test": 2}, "s.h5")},
        {"metrics_version": 2},
    ],
)
def test_other_data_and_other_metrics_are_another_table(other, ok):
    means = metric_table.metric_table([ok(), ok(seed=1, **other)])
    assert means["n"].tolist() == [1, 1]
    assert means["data_set"].nunique() == 2


def test_contents_that_begin_alike_are_tables_of_their_own(ok):
    alike = [DataSet("m", "ab12ab12" + 14 * end, {"test": 20}, "m.h5") for end in ("0001", "0002")]
    trained = {"trained_on": alike[1], "data_set": alike[0]}
    means = metric_table.metric_table([ok(data_set=alike[0]), ok(data_set=alike[1]), ok(**trained)])
    assert means["data_set"].tolist() == [
        "m (content ab12ab120001, metrics 1)",
        "m (content ab12ab120001, metrics 1), trained on m (content ab12ab120002)",
        "m (content ab12ab120002, metrics 1)",
    ]


def test_rows_that_were_trained_on_another_data_set_are_another_table(ok, bad):
    other = DataSet("mnist-set", "cd34" * 16, {"train": 60, "test": 2}, "s.h5")
    reason = "hsal-rl is built for at most 4 objects per image"
    there = [ok(trained_on=other), bad("unsupported", reason, method="b", trained_on=other)]
    means = metric_table.metric_table([ok(exact_match=0.9), *there])
    own = "mnist-multiset (content ab12ab12, metrics 1)"
    assert (
        means["data_set"].tolist()
        == [own] + [f"{own}, trained on mnist-set (content cd34cd34)"] * 2
    )
    assert means["exact_match"].tolist()[:2] == [0.9, 0.5]
    assert means["note"].tolist() == ["", "", f"unsupported: {reason}"]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"config": {"learning_rate": 0.01}}, "learning_rate=0.01"),
        ({"config": {"learning_rate": 0.001, "carry": True}}, "carry=true"),
        ({"budget": {"updates": 7, "batch_size": 64}}, "budget.updates=7"),
        ({"activation": Activation("resnet34", "ImageNet", "cd" * 32)}, "backbone=resnet34"),
        ({"activation": Activation("small", "x", "ee" * 32)}, "activations=eeeeeeee"),
        ({"method_sha256": "ef" * 32}, "file=efefefef"),
    ],
)
def test_variants_of_a_method_are_not_averaged(other, expected, ok):
    means = metric_table.metric_table([ok(), ok(seed=1, **other)])
    assert means["n"].tolist() == [1, 1]
    assert f"hsal-rl [{expected}]" in means["method"].tolist()


def test_a_label_shows_the_settings_in_which_variants_of_a_method_differ(ok):
    records = [
        ok(settings={"learning_rate": "0.001", "carry": "no"}),
        ok(settings={"learning_rate": "0.001", "carry": "yes"}, config={"carry": True}),
        ok(settings={"learning_rate": "0.001"}),
        ok("rl", settings={"learning_rate": "0.01"}),
    ]
    means = metric_table.metric_table(records)
    assert dict(zip(means["method"], means["label"], strict=True)) == {
        "hsal-rl+carry=no+learning_rate=0.001": "hsal-rl+carry=no",
        "hsal-rl+carry=yes+learning_rate=0.001": "hsal-rl+carry=yes",
        "hsal-rl+learning_rate=0.001": "hsal-rl",
        "rl+learning_rate=0.01": "rl",
    }


SETTINGS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["0", "1", "+b=1"]))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(["x", "y", "x-y"]), SETTINGS), max_size=8), st.data())
def test_labels_are_unique_and_do_not_depend_on_the_order(ok, methods, data):
    records = [ok(method, settings=chosen) for method, chosen in methods]

    def labels(records):
        return grouping.short_labels(dict(grouping.variants(records)))

    short = labels(records)
    assert len(set(short.values())) == len(short)
    assert labels(data.draw(st.permutations(records))) == short


def test_labels_that_would_be_equal_are_the_full_names(ok):
    records = [ok("x", settings={"a": a, "b": "0"}) for a in "12"]
    means = metric_table.metric_table([*records, ok("x+a=1")])
    assert set(means["label"]) == {"x+a=1", "x+a=1+b=0", "x+a=2+b=0"}


def test_runs_that_differ_without_settings_keep_their_brackets(ok):
    records = [ok(), ok(config={"learning_rate": 0.01}), ok("rl", settings={"a": "1"})]
    assert set(metric_table.metric_table(records)["label"]) == {
        "hsal-rl [learning_rate=0.001]",
        "hsal-rl [learning_rate=0.01]",
        "rl",
    }


def _own(seed, recipe="ab" * 32):
    """The activation model of a seed that has its own."""
    return Activation("small", "x", f"{seed:064x}", 0.98, seed=seed, recipe_sha256=recipe)


def test_seeds_with_activation_models_of_their_own_are_one_row(ok):
    records = [ok(seed=seed, activation=_own(seed)) for seed in range(3)]
    (row,) = metric_table.metric_table(records).to_dict("records")
    assert (row["method"], row["n"]) == ("hsal-rl", 3)
    assert row["activation_models"] == "one per seed"
    assert row["given_activations"] == "small one per seed (abababab)"


def test_activation_models_per_seed_and_for_all_seeds_are_two_rows(ok):
    shared = [ok(seed=seed, activation=_own(0, recipe=None)) for seed in range(3)]
    own = [ok(seed=seed, activation=_own(seed)) for seed in range(3)]
    other = [ok(seed=seed, activation=_own(seed, "cd" * 32)) for seed in range(3)]
    means = metric_table.metric_table([*shared, *own, *other])
    assert dict(zip(means["method"], means["n"], strict=True)) == {
        "hsal-rl [activations=00000000]": 3,
        "hsal-rl [activations=one per seed (abababab)]": 3,
        "hsal-rl [activations=one per seed (cdcdcdcd)]": 3,
    }


def test_a_variant_is_named_by_its_settings_as_its_folder_is(ok):
    settings = {"teacher_forcing": "true", "hidden": "64"}
    (row,) = metric_table.metric_table([ok(settings=settings)]).to_dict("records")
    assert row["method"] == "hsal-rl+hidden=64+teacher_forcing=true"


def test_runs_of_one_label_that_differ_all_the_same_are_told_apart(ok):
    settings, other = {"settings": {"hidden": "64"}}, {"config": {"learning_rate": 0.01}}
    means = metric_table.metric_table([ok(), ok(**settings), ok(**settings, **other)])
    assert sorted(means["method"]) == [
        "hsal-rl",
        "hsal-rl+hidden=64 [learning_rate=0.001]",
        "hsal-rl+hidden=64 [learning_rate=0.01]",
    ]


def test_of_two_presets_only_the_names_are_reported_and_what_differs_within_one(ok):
    paper = {"preset": "paper", "config": {"learning_rate": 0.001, "hidden": 512}}
    slow = {"preset": "paper", "config": {"learning_rate": 0.0001, "hidden": 512}}
    assert set(metric_table.metric_table([ok(), ok(**paper)])["method"]) == {
        "hsal-rl [preset=quick]",
        "hsal-rl [preset=paper]",
    }
    assert set(metric_table.metric_table([ok(), ok(**paper), ok(**slow)])["method"]) == {
        "hsal-rl [preset=quick, learning_rate=0.001]",
        "hsal-rl [preset=paper, learning_rate=0.001]",
        "hsal-rl [preset=paper, learning_rate=0.0001]",
    }


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=6), st.randoms())
def test_every_run_is_in_one_row_whatever_the_order(ok, values, random):
    records = [
        ok(settings={"x": x}, config={"y": y, "learning_rate": 0.1}, preset=p, seed=seed)
        for seed, (x, y, p) in enumerate(zip(values, reversed(values), values, strict=True))
    ]
    once = [(name, len(runs)) for name, runs in grouping.variants(records)]
    assert sum(number for _, number in once) == len(records)
    assert len({name for name, _ in once}) == len(once)
    random.shuffle(records)
    assert sorted((name, len(runs)) for name, runs in grouping.variants(records)) == sorted(once)


def test_the_table_says_what_each_row_was_given(ok):
    (row,) = metric_table.metric_table([ok()]).to_dict("records")
    given_ = {name: x for name, x in row.items() if name.startswith("given_")}
    assert given_ == {
        "given_preset": "quick",
        "given_budget_updates": 100,
        "given_budget_batch_size": 64,
        "given_activations": "small cdcdcdcd",
    }


def test_equal_conditions_need_no_word(ok):
    given_ = grouping.conditions(ok())
    assert grouping.inequality({"a": given_, "b": dict(given_)}) == ""
    assert grouping.inequality({"a": given_}) == ""
    assert grouping.inequality({}) == ""


def test_unequal_conditions_are_reported_with_the_rows_they_concern(ok):
    short = ok(budget={"updates": 6000, "batch_size": 32})
    rows = {"a": grouping.conditions(ok()), "b": grouping.conditions(ok())}
    assert grouping.inequality(rows | {"c": grouping.conditions(short)}) == (
        "Not under equal conditions: updates 100, batch size 64 (a and b) "
        "against updates 6,000, batch size 32 (c)"
    )


def test_of_many_rows_that_were_given_the_same_three_are_named(ok):
    short = grouping.conditions(ok(budget={"updates": 6000, "batch_size": 64}))
    rows = dict.fromkeys("abcd", grouping.conditions(ok()))
    assert grouping.inequality(rows | {"e": short}) == (
        "Not under equal conditions: updates 100 (a, b, c and 1 more) against updates 6,000 (e)"
    )


def test_a_method_with_its_own_budget_has_no_updates_to_compare(ok):
    own = grouping.conditions(ok(own_budget=True, budget={}, updates=None))
    assert grouping.inequality({"a": grouping.conditions(ok()), "b": own}) == (
        "Not under equal conditions: updates 100, batch size 64 (a) against own budget (b)"
    )
    assert grouping.inequality({"a": own, "b": own}) == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"preset": "paper"}, "preset quick (a) against preset paper (b)"),
        (
            {"activation": Activation("small", "x", "ee" * 32)},
            "activations small cdcdcdcd (a) against activations small eeeeeeee (b)",
        ),
        (
            {"activation": None},
            "activations small cdcdcdcd (a) against activations none (images) (b)",
        ),
        (
            {"budget": {"updates": 100, "batch_size": 64, "eval_every": 5}},
            "updates between validations — (a) against updates between validations 5 (b)",
        ),
    ],
)
def test_each_condition_is_named(changes, expected, ok):
    rows = {"a": grouping.conditions(ok()), "b": grouping.conditions(ok(**changes))}
    assert grouping.inequality(rows) == f"Not under equal conditions: {expected}"


def test_a_failed_seed_is_noted_and_not_averaged(ok, bad):
    records = [ok(seed=0, exact_match=0.2), bad(seed=1), ok(seed=2, exact_match=0.4)]
    (row,) = metric_table.metric_table(records).to_dict("records")
    assert row["n"] == 2
    assert row["exact_match"] == pytest.approx(0.3)
    assert row["note"] == "2 of 3 seeds; 1 failed: the loss is nan"


def test_a_seed_that_other_rows_have_is_missing(ok, bad, elsewhere):
    whole = [ok("whole", seed, exact_match=0.9) for seed in range(5)]
    part = [ok("part", 0), ok("part", 4), bad(method="part", seed=2)]
    means = metric_table.metric_table([*whole, *part, elsewhere()])
    found = {row["method"]: row for row in means.to_dict("records")}
    assert {name: (row["n"], row["seeds"]) for name, row in found.items()} == {
        "whole": (5, 5),
        "part": (2, 5),
        "theirs": (1, 1),
    }
    assert found["whole"]["note"] == ""
    assert found["part"]["note"] == (
        "2 of 5 seeds; 1 failed: the loss is nan; no record of seeds 1, 3"
    )
    assert found["part"]["exact_match"] == 0.5
    assert found["theirs"]["note"].startswith("predictions made elsewhere")


def right(number, images=200):
    return pack_correct(np.arange(images) < number)


def test_rows_are_ranked_within_their_data_set(ok, bad):
    other = DataSet("mnist-set", "cd34" * 16, {"train": 60, "test": 2}, "s.h5")
    runs = [("good", 0.75, 150), ("fair", 0.73, 146), ("poor", 0.2, 40)]
    records = [ok(name, exact_match=share, correct=right(n)) for name, share, n in runs]
    means = metric_table.metric_table([*records, bad(method="broken"), ok("good", data_set=other)])
    assert [
        (row["method"], row["rank_best"], row["rank_worst"], row["as_best"])
        for row in means.to_dict("records")
    ] == [
        ("good", 1, 2, True),
        ("fair", 1, 2, True),
        ("poor", 3, 3, False),
        ("broken", None, None, False),
        ("good", 1, 1, True),
    ]
    assert means["ranked_by"].iloc[0].startswith("exact McNemar test over images, Holm over 3 pai")
    assert means["ranked_by"].iloc[3:].tolist() == ["", ""]


def test_of_one_seed_run_twice_the_latest_counts(ok):
    later = ok(exact_match=0.9, started="2025-01-02T03:04:00-05:00")
    (row,) = metric_table.metric_table([later, ok(exact_match=0.1)]).to_dict("records")
    assert (row["n"], row["exact_match"]) == (1, 0.9)
    assert row["note"] == "seed 0 run more than once: the latest counts"


def test_a_run_is_superseded_by_later_ones_of_its_seed_whatever_the_clock_shows(ok):
    first, second, last = (
        ok(seed=3, started=started)
        for started in (
            "2025-01-02T09:00:00+09:00",  # midnight in Greenwich
            "2025-01-02T01:00:00+00:00",
            "2025-01-01T23:00:00-05:00",
        )
    )
    other = ok(seed=1)
    latest, superseded = grouping.latest_per_seed([last, first, other, second])
    assert (latest, superseded) == ([other, last], [first, second])


def test_a_number_that_one_seed_lacks_has_no_mean(ok):
    metrics = {"exact_match": 0.5, "macro_f1": math.nan}
    (row,) = metric_table.metric_table([ok(), ok(seed=1, metrics=metrics)]).to_dict("records")
    assert math.isnan(row["macro_f1"])
    assert row["exact_match"] == 0.5


def test_a_metric_that_no_record_has_is_a_column_without_numbers(ok):
    table = metric_table.metric_table([ok()], ["coverage", "exact_match"])
    assert table["coverage"].isna().all()
    assert table["exact_match"].tolist() == [0.5]


def test_an_unknown_metric_is_refused(ok):
    with pytest.raises(UsageError, match="no record has a metric 'macro_f2': did you mean 'macro_"):
        metric_table.metric_table([ok()], ["macro_f2"])


def test_predictions_made_elsewhere_have_a_row_and_a_note(ok, elsewhere):
    records = [ok(), elsewhere(exact_match=0.9), elsewhere("b", extra_data=("ImageNet", "SVHN"))]
    rows = metric_table.metric_table(records, ["exact_match", "updates"]).to_dict("records")
    assert [row["method"] for row in rows] == ["theirs", "b", "hsal-rl"]
    assert rows[0]["note"] == (
        "predictions made elsewhere, unofficial; trained on the train and valid splits, as stated"
    )
    assert "trained on the train and valid splits and ImageNet and SVHN, as st" in rows[1]["note"]
    assert math.isnan(rows[0]["updates"])
    assert (rows[0]["given_preset"], rows[2]["given_preset"]) == (grouping.NONE, "quick")


def test_a_weak_activation_model_is_reported_and_a_sound_one_is_not(ok):
    weak = dataclasses.replace(ok().activation, single_object_accuracy=0.45)
    rows = metric_table.metric_table([ok(), ok("rl", activation=weak)])
    notes = dict(zip(rows["method"], rows["note"], strict=True))
    assert notes["rl"] == "weak activation model: 45.0 % single-object accuracy"
    assert notes["hsal-rl"] == ""


def test_a_training_that_changed_its_device_is_marked(ok):
    rows = metric_table.metric_table([ok(), ok("rl", seed=0, resumed_on=("cuda", "cpu"))])
    notes = dict(zip(rows["method"], rows["note"], strict=True))
    assert notes["rl"] == (
        "seed 0 changed device during training (cuda, then cpu): may differ from a run on one "
        "device"
    )
    assert notes["hsal-rl"] == ""
