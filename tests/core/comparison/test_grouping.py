"""Runs grouped by variant: full names, short labels, seeds, and conditions that are unequal."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsal_bench.comparison import grouping
from hsal_bench.record.record import Activation
from hsal_bench.report.metric_table import metric_table

OTHER_MODEL = Activation("small", "x", "ee" * 32)


def seeds(records):
    """Return the number of runs of each variant, by full name."""
    return {name: len(runs) for name, runs in grouping.variants(records)}


def labels(records):
    """Return the short labels by full name."""
    return grouping.short_labels(dict(grouping.variants(records)))


def own(seed, recipe="ab" * 32):
    """The activation model of a seed that has its own."""
    return Activation("small", "x", f"{seed:064x}", 0.98, seed=seed, recipe_sha256=recipe)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"config": {"learning_rate": 0.01}}, "learning_rate=0.01"),
        ({"config": {"learning_rate": 0.001, "carry": True}}, "carry=true"),
        ({"budget": {"updates": 7, "batch_size": 64}}, "budget.updates=7"),
        ({"activation": Activation("resnet34", "ImageNet", "cd" * 32)}, "backbone=resnet34"),
        ({"activation": OTHER_MODEL}, "activations=eeeeeeee"),
        ({"method_sha256": "ef" * 32}, "file=efefefef"),
    ],
)
def test_variants_of_a_method_are_not_averaged(other, expected, ok):
    means = metric_table([ok(), ok(seed=1, **other)])
    assert means["n"].tolist() == [1, 1]
    assert f"hsal-rl [{expected}]" in means["method"].tolist()


def test_a_setting_that_the_preset_has_too_makes_no_other_variant(ok):
    given = {"settings": {"carry": "no", "learning_rate": "0.001"}}
    records = [ok(**given), ok(seed=1, settings={"learning_rate": "0.001"}), ok(seed=2, **given)]
    assert seeds(records) == {"hsal-rl+learning_rate=0.001": 3}
    assert labels(records) == {"hsal-rl+learning_rate=0.001": "hsal-rl"}


def test_a_later_run_with_a_setting_of_the_preset_replaces_the_earlier_one(ok):
    records = [ok(), ok(settings={"carry": "no"}, started="2031-01-01T00:00:00+00:00")]
    means = metric_table(records)
    assert (means["label"].tolist(), means["n"].tolist()) == (["hsal-rl"], [1])


def test_a_label_shows_the_settings_in_which_variants_of_a_method_differ(ok):
    records = [
        ok(settings={"learning_rate": "0.001", "carry": "no"}, config={"carry": False}),
        ok(settings={"learning_rate": "0.001", "carry": "yes"}, config={"carry": True}),
        ok(settings={"learning_rate": "0.001"}),
        ok("rl", settings={"learning_rate": "0.01"}),
    ]
    means = metric_table(records)
    assert dict(zip(means["method"], means["label"], strict=True)) == {
        "hsal-rl+carry=no+learning_rate=0.001": "hsal-rl+carry=no",
        "hsal-rl+carry=yes+learning_rate=0.001": "hsal-rl+carry=yes",
        "hsal-rl+learning_rate=0.001": "hsal-rl",
        "rl+learning_rate=0.01": "rl",
    }


def test_a_label_leaves_out_a_setting_that_the_others_have_from_their_preset(ok):
    records = [
        ok(settings={"learning_rate": "0.001", "carry": "no"}, config={"carry": False, "k": 1}),
        ok(settings={"learning_rate": "0.001", "k": "2"}, config={"carry": False, "k": 2}),
    ]
    means = metric_table(records)
    assert dict(zip(means["label"], means["not_shown"], strict=True)) == {
        "hsal-rl": "carry=no, learning_rate=0.001",
        "hsal-rl+k=2": "learning_rate=0.001",
    }


def test_a_label_that_is_cut_comes_with_the_full_name(ok):
    records = [ok(settings={"a": b + "x" * 200}, config={"a": b + "x" * 200}) for b in "12"]
    means = metric_table(records)
    assert means["not_shown"].tolist() == means["method"].tolist()
    assert all(len(label) < 200 for label in means["label"])


SETTINGS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["0", "1", "+b=1"]))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(["x", "y", "x-y"]), SETTINGS), max_size=8), st.data())
def test_labels_are_unique_and_do_not_depend_on_the_order(ok, methods, data):
    records = [ok(method, settings=chosen) for method, chosen in methods]
    short = labels(records)
    assert len(set(short.values())) == len(short)
    assert labels(data.draw(st.permutations(records))) == short


def test_labels_that_would_be_equal_are_the_full_names(ok):
    records = [ok("x", settings={"a": a, "b": "0"}, config={"a": a}) for a in "12"]
    full = {"x+a=1", "x+a=1+b=0", "x+a=2+b=0"}
    assert set(labels([*records, ok("x+a=1")]).values()) == full


def test_runs_that_differ_without_settings_keep_their_brackets(ok):
    records = [ok(), ok(config={"learning_rate": 0.01}), ok("rl", settings={"a": "1"})]
    assert set(labels(records).values()) == {
        "hsal-rl [learning_rate=0.001]",
        "hsal-rl [learning_rate=0.01]",
        "rl",
    }


def test_seeds_with_activation_models_of_their_own_are_one_row(ok):
    table = metric_table([ok(seed=seed, activation=own(seed)) for seed in range(3)])
    (row,) = table.to_dict("records")
    assert (row["method"], row["n"]) == ("hsal-rl", 3)
    assert row["activation_models"] == "one per seed"
    assert row["given_activations"] == "small one per seed (abababab)"


def test_activation_models_per_seed_and_for_all_seeds_are_two_rows(ok):
    shared = [ok(seed=seed, activation=own(0, recipe=None)) for seed in range(3)]
    models = [ok(seed=seed, activation=own(seed)) for seed in range(3)]
    other = [ok(seed=seed, activation=own(seed, "cd" * 32)) for seed in range(3)]
    assert seeds([*shared, *models, *other]) == {
        "hsal-rl [activations=00000000]": 3,
        "hsal-rl [activations=one per seed (abababab)]": 3,
        "hsal-rl [activations=one per seed (cdcdcdcd)]": 3,
    }


HIDDEN = {"settings": {"hidden": "64"}, "config": {"learning_rate": 0.001, "hidden": 64}}
SLOW_HIDDEN = HIDDEN | {"config": {"learning_rate": 0.01, "hidden": 64}}
PAPER = {"preset": "paper", "config": {"learning_rate": 0.001, "hidden": 512}}
SLOW_PAPER = {"preset": "paper", "config": {"learning_rate": 0.0001, "hidden": 512}}


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        (  # as its folder is named
            [{"settings": {"teacher_forcing": "true", "hidden": "64"}}],
            ["+hidden=64+teacher_forcing=true"],
        ),
        (  # one label, and different all the same
            [{}, HIDDEN, SLOW_HIDDEN],
            ["", "+hidden=64 [learning_rate=0.001]", "+hidden=64 [learning_rate=0.01]"],
        ),
        # Of two presets only the names, and what differs within one.
        ([{}, PAPER], [" [preset=quick]", " [preset=paper]"]),
        (
            [{}, PAPER, SLOW_PAPER],
            [
                " [preset=quick, learning_rate=0.001]",
                " [preset=paper, learning_rate=0.001]",
                " [preset=paper, learning_rate=0.0001]",
            ],
        ),
    ],
)
def test_full_names_say_how_variants_differ(runs, expected, ok):
    names = [f"hsal-rl{difference}" for difference in expected]
    assert seeds([ok(**run) for run in runs]) == dict.fromkeys(names, 1)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=6), st.randoms())
def test_every_run_is_in_one_row_whatever_the_order(ok, values, random):
    records = [
        ok(settings={"x": x}, config={"y": y, "learning_rate": 0.1}, preset=p, seed=seed)
        for seed, (x, y, p) in enumerate(zip(values, reversed(values), values, strict=True))
    ]
    once = seeds(records)
    assert sum(once.values()) == len(records)
    assert len(list(grouping.variants(records))) == len(once)
    random.shuffle(records)
    assert seeds(records) == once


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


SHORT = {"budget": {"updates": 6000, "batch_size": 64}}
OWN_BUDGET = {"own_budget": True, "budget": {}, "updates": None}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({}, None),
        ({"a": {}}, None),
        ({"a": {}, "b": {}}, None),
        ({"a": OWN_BUDGET, "b": OWN_BUDGET}, None),
        (
            {"a": {}, "b": {}, "c": {"budget": {"updates": 6000, "batch_size": 32}}},
            "updates 100, batch size 64 (a and b) against updates 6,000, batch size 32 (c)",
        ),
        (
            {name: {} for name in "abcd"} | {"e": SHORT},
            "updates 100 (a, b, c and 1 more) against updates 6,000 (e)",
        ),
        ({"a": {}, "b": OWN_BUDGET}, "updates 100, batch size 64 (a) against own budget (b)"),
        ({"a": {}, "b": {"preset": "paper"}}, "preset quick (a) against preset paper (b)"),
        (
            {"a": {}, "b": {"activation": OTHER_MODEL}},
            "activations small cdcdcdcd (a) against activations small eeeeeeee (b)",
        ),
        (
            {"a": {}, "b": {"activation": None}},
            "activations small cdcdcdcd (a) against activations none (images) (b)",
        ),
        (
            {"a": {}, "b": {"budget": {"updates": 100, "batch_size": 64, "eval_every": 5}}},
            "updates between validations — (a) against updates between validations 5 (b)",
        ),
    ],
)
def test_unequal_conditions_are_named_with_their_rows(rows, expected, ok):
    conditions = {name: grouping.conditions(ok(**changes)) for name, changes in rows.items()}
    message = f"Not under equal conditions: {expected}" if expected else ""
    assert grouping.inequality(conditions) == message
