"""Ranks from records: worked examples, refusals, and how often the rule errs and finds."""

import itertools

import numpy as np
import pytest
from scipy import stats

from hsal_bench.comparison import statistics
from hsal_bench.comparison.ranking import few_seeds, ranking
from hsal_bench.errors import UsageError
from hsal_bench.record.correct import pack_correct
from hsal_bench.record.record import DataSet


@pytest.fixture
def runs(ok):
    """Return a function that makes a method's records of rows of right (1) and wrong (0) images."""

    def runs(*rows, **changes):
        return [
            ok(seed=seed, correct=pack_correct(np.array(row, bool)), **changes)
            for seed, row in enumerate(rows)
        ]

    return runs


def first(right, images=200):
    """The first `right` of the images are predicted."""
    return np.arange(images) < right


def test_methods_that_cannot_be_told_apart_share_a_rank(runs):
    methods = {
        "bad": runs(first(40)),
        "good": runs(first(150)),
        "fair": runs(first(146)),
        "also bad": runs(first(42)),
    }
    result = ranking(methods)
    assert [(rank.name, rank.text, rank.as_best) for rank in result.ranks] == [
        ("good", "1–2", True),
        ("fair", "1–2", True),
        ("also bad", "3–4", False),
        ("bad", "3–4", False),
    ]
    assert [rank.exact_match for rank in result.ranks] == [0.75, 0.73, 0.21, 0.2]


def brute_force_p(a, b):
    """The p-value of two tables of right images [seeds, images], over images and seeds."""
    if len(a) == len(b) == 1:
        only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
        return stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    difference = (a.mean(0) - b.mean(0)) * len(a) * len(b)
    signs = np.array(list(itertools.product((-1, 1), repeat=a.shape[1])))
    images = np.mean(np.abs(signs @ difference) >= abs(difference.sum()) - 1e-9)
    return max(images, brute_force_welch(a.mean(1), b.mean(1)))


def brute_force_welch(a, b):
    u, v = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    if u + v == 0:
        return float(a.mean() == b.mean())
    t = abs(a.mean() - b.mean()) / (u + v) ** 0.5
    freedom = (u + v) ** 2 / (u**2 / (len(a) - 1) + v**2 / (len(b) - 1))
    return 2 * stats.t.sf(t, freedom)


def brute_force_ranks(tables):
    """Each method's best and worst rank: Holm by stepping down through the p-values."""
    pairs = list(itertools.combinations(tables, 2))
    p = {pair: brute_force_p(*(tables[name] for name in pair)) for pair in pairs}
    apart = set()
    for place, pair in enumerate(sorted(pairs, key=p.get)):
        if p[pair] * (len(pairs) - place) >= statistics.LEVEL:
            break
        apart.add(pair)
    wins = [sorted(pair, key=lambda name: -tables[name].mean()) for pair in apart]
    return {
        name: (
            1 + sum(loser == name for _, loser in wins),
            len(tables) - sum(winner == name for winner, _ in wins),
        )
        for name in tables
    }


@pytest.mark.parametrize("seeds", [(1, 1, 1), (1, 2, 5), (3, 3, 4)])
@pytest.mark.parametrize("images", [40, 400])
def test_all_pairs_at_once_are_the_tests_of_each_pair(runs, seeds, images):
    rng = np.random.default_rng(images)
    tables = [
        rng.random((n, images)) < skill for n, skill in zip(seeds, (0.5, 0.6, 0.7), strict=True)
    ]
    pairs = ranking({name: runs(*table) for name, table in zip("abc", tables, strict=True)}).pairs
    result = sorted(pairs.p_images)
    expected = []
    for a, b in itertools.combinations(tables, 2):
        if len(a) == len(b) == 1:
            expected.append(stats.binomtest(int((a & ~b).sum()), int((a ^ b).sum())).pvalue)
        else:
            differences = len(a) * b.sum(0) - len(b) * a.sum(0)
            expected.append(statistics.paired_images(differences))
            if np.count_nonzero(differences) > statistics.FEW:
                assert expected[-1] == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    assert result == pytest.approx(sorted(expected))


@pytest.mark.parametrize("seeds", [1, 3])
def test_ranks_are_those_of_the_brute_force(runs, seeds):
    rng, several = np.random.default_rng(seeds), 0
    for _ in range(10):
        skills = dict(zip("abcd", rng.random(4), strict=True))
        tables = {name: rng.random((seeds, 12)) < skill for name, skill in skills.items()}
        result = ranking({name: runs(*table) for name, table in tables.items()})
        expected = brute_force_ranks(tables)
        assert {rank.name: (rank.best, rank.worst) for rank in result.ranks} == expected
        several += len(set(expected.values())) > 1
    assert several >= 3


def test_of_equal_exact_matches_macro_f1_orders_the_ranks_and_decides_none(runs):
    scores = {"a": {"macro_f1": 0.2}, "b": {"macro_f1": 0.3}, "c": {"macro_f1": 0.1}}
    result = ranking({name: runs(first(50), metrics=metric) for name, metric in scores.items()})
    assert [(rank.name, rank.text) for rank in result.ranks] == [
        ("b", "1–3"),
        ("a", "1–3"),
        ("c", "1–3"),
    ]
    assert result.highest == ("b", "a", "c")
    assert ranking({"a": runs(first(50)), "b": runs(first(51))}).highest == ("b",)
    assert ranking({}).highest == ()


def test_one_seed_each_is_mcnemar_with_holm(runs):
    a, b = np.repeat([1, 0, 1], [1, 9, 40]), np.repeat([0, 1, 1], [1, 9, 40])
    two = ranking({"a": runs(a), "b": runs(b)})
    # The better one comes first: 9 images against 1.
    assert [rank.name for rank in two.ranks] == ["b", "a"]
    assert two.pairs.difference == pytest.approx([-8 / 50])
    assert two.pairs.p == two.pairs.p_images == two.pairs.adjusted == pytest.approx([22 / 1024])
    assert np.isnan(two.pairs.p_seeds)
    three = ranking({"a": runs(a), "b": runs(b), "c": runs(b)})
    assert three.pairs.p == pytest.approx([1, 22 / 1024, 22 / 1024])
    assert three.pairs.adjusted == pytest.approx([1, 66 / 1024, 66 / 1024])
    assert [rank.text for rank in three.ranks] == ["1–3"] * 3


def test_seeds_that_scatter_explain_what_images_do_not(runs):
    scattered = runs(first(100), first(180))
    steady = runs(first(60), first(61))
    pairs = ranking({"a": scattered, "b": steady}).pairs
    assert pairs.p_images < 0.001
    assert pairs.p == pairs.p_seeds > 0.05
    assert not pairs.significant


def test_of_one_seed_against_several_the_images_alone_decide(runs):
    result = ranking({"a": runs(first(150), first(152)), "b": runs(first(60))})
    assert np.isnan(result.pairs.p_seeds)
    assert result.pairs.significant
    assert result.tests.endswith("; only one trained model of b")


def test_any_number_of_seeds_is_tested_exactly(runs):
    rng = np.random.default_rng(0)
    a, b = rng.random((101, 12)) < 0.4, rng.random((103, 12)) < rng.random(12)
    at = {"started": "2025-01-02T03:04:05+00:00"}
    pairs = ranking({"a": runs(*a, **at), "b": runs(*b, **at)}).pairs
    difference = b.mean(0) - a.mean(0)
    signs = 1 - 2 * (np.arange(2**12)[:, None] >> np.arange(12) & 1)
    result = np.abs(signs @ difference) >= abs(difference.sum()) - 1e-9
    assert pairs.p_images == pytest.approx([result.mean()])


def test_the_tests_are_reported_in_words(runs):
    one = {"a": runs(first(9)), "b": runs(first(8))}
    assert ranking(one).tests == (
        "exact McNemar test over images, level 5 %; one seed: compares the trained models, not the "
        "methods"
    )
    several = {name: runs(first(9), first(8)) for name in "abc"}
    assert ranking(several).tests == (
        "paired test over images and Welch's over seeds, Holm over 3 pairs, level 5 %"
    )


def test_so_few_seeds_are_reported_with_how_many_would_do(runs):
    five = {name: runs(first(9), first(8)) for name in "abcde"}
    assert ranking(five).few_seeds == (
        "Few seeds: with 2 per method and Holm's correction over 10 pairs, the largest difference "
        "is significant only above about 14.1 standard deviations over seeds; with 4 per method "
        "above 2.7. Train 4 seeds or more (--seeds 0-3)"
    )
    assert few_seeds({"a": 2, "b": 2}, 1).startswith(
        "Few seeds: with 2 per method, the difference is significant only above about 4.3 "
    )


def test_two_seeds_without_pooling_say_so_in_place_of_a_rank(runs):
    methods = {name: runs(first(9 * k), first(8 * k)) for k, name in enumerate("abc", 1)}
    assert [rank.text for rank in ranking(methods).ranks] == ["too few seeds"] * 3
    three = {name: runs(first(9), first(8), first(9)) for name in "abc"}
    assert [rank.text for rank in ranking(three).ranks] == ["1–3"] * 3
    assert ranking({"a": runs(first(9), first(8))}).ranks[0].text == "1"


def test_pooling_is_told_and_finds_a_gap_that_welch_does_not(runs):
    methods = {name: runs(first(5), first(5 + k), first(4)) for k, name in enumerate("abcd", 1)}
    methods["best"] = runs(first(40), first(60), first(50))
    found = ranking(methods)
    assert found.pairs.pooled and "over seeds with pooled variance" in found.tests
    assert found.ranks[0].text == "1"


def test_a_row_without_a_spread_changes_only_the_number_of_pairs(runs):
    methods = {
        name: runs(*(first(60 + 9 * k + s) for s in (0, 5, 9))) for k, name in enumerate("abcde")
    }
    alone = ranking(methods).pairs
    more = ranking(methods | {"z": runs(*[first(0)] * 3)}).pairs
    old = (more.a < 5) & (more.b < 5)
    assert more.p[old] == pytest.approx(alone.p)
    assert (len(more), len(alone)) == (15, 10)


def test_who_has_few_seeds_is_named_where_others_have_enough():
    seeds = {"a": 10, "b": 2, "c": 10, "d": 1}
    assert few_seeds(seeds, 6).startswith("Few seeds (b): with 2 per method and Holm")


def test_of_one_seed_or_of_enough_nothing_is_said(runs):
    assert ranking({"a": runs(first(9)), "b": runs(first(8))}).few_seeds == ""
    for seeds in ([5], [1, 5], [3, 3], [5] * 5):
        pairs = len(seeds) * (len(seeds) - 1) // 2
        assert few_seeds(dict(zip("abcde", seeds, strict=False)), pairs) == ""


def test_one_method_has_the_first_rank(runs):
    result = ranking({"a": runs(first(9))})
    assert [(rank.text, rank.as_best) for rank in result.ranks] == [("1", True)]
    assert len(result.pairs) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"data_set": DataSet("m", "ff" * 32, {"test": 200}, "m.h5")},
            "b on content ffffffff, 200 images, metrics 1",
        ),
        ({"metrics_version": 2}, "b on content ab12ab12, 200 images, metrics 2"),
    ],
)
def test_other_data_or_metrics_are_refused(runs, changes, message):
    with pytest.raises(UsageError) as refused:
        ranking({"a": runs(first(9)), "b": runs(first(9), **changes)})
    assert str(refused.value) == (
        "runs on different images or metrics: a on content ab12ab12, 200 images, metrics 1; "
        + message
    )


def test_what_cannot_be_ranked_is_refused(runs, bad):
    with pytest.raises(UsageError, match="b has no run to rank: leave it out"):
        ranking({"a": runs(first(9)), "b": []})
    with pytest.raises(UsageError, match="b, seed 0, failed: rank only successful runs"):
        ranking({"a": runs(first(9)), "b": [bad()]})


IMAGES = 500


def simulated(rng, skills, seeds, scatter):
    """Return which images each method's models have right, bool [methods, seeds, images].

    An image is as hard for every method; a method's models differ by what their seeds do.
    """
    hard = rng.normal(0, 2, IMAGES)
    skill = np.asarray(skills)[:, None] + rng.normal(0, scatter, (len(skills), seeds))
    return rng.random((len(skills), seeds, IMAGES)) < 1 / (1 + np.exp(hard - skill[:, :, None]))


def share_of_errors(runs, times, **how):
    """Return how often equal methods differ significantly; also by the images alone."""
    rng = np.random.default_rng(0)
    errors = by_images = 0
    for _ in range(times):
        rows = simulated(rng, skills=[0.5] * 4, **how)
        result = ranking({name: runs(*models) for name, models in zip("abcd", rows, strict=True)})
        errors += result.pairs.significant.any()
        by_images += statistics.holm(result.pairs.p_images).min() < statistics.LEVEL
    return errors, by_images


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "scatter"),
    # One seed tells models apart, so the models are equal there: no scatter.
    [(1, 0.0), (2, 0.3), (3, 0.3), (5, 0.1), (5, 0.3)],
)
def test_equal_methods_are_told_apart_at_most_at_the_level(runs, seeds, scatter):
    times = 400
    errors, by_images = share_of_errors(runs, times, seeds=seeds, scatter=scatter)
    # As many errors as 5 % would give are allowed, up to what chance does once in a hundred: 31.
    assert errors <= stats.binom.ppf(0.99, times, statistics.LEVEL)
    if scatter == 0.3:
        assert by_images > 0.3 * times


def test_equal_methods_are_seldom_told_apart(runs):
    errors, by_images = share_of_errors(runs, 40, seeds=3, scatter=0.3)
    assert errors <= stats.binom.ppf(0.99, 40, statistics.LEVEL)
    assert by_images > 12


@pytest.mark.parametrize(("seeds", "skill"), [(1, 1.3), (3, 1.1)])
def test_a_real_difference_is_found(runs, seeds, skill):
    rng = np.random.default_rng(1)
    times = detected = 0
    for _ in range(20):
        a, b = simulated(rng, [0.5, skill], seeds, scatter=0.0 if seeds == 1 else 0.05)
        order = ranking({"worse": runs(*a), "better": runs(*b)})
        times += 1
        detected += [rank.text for rank in order.ranks] == ["1", "2"]
        assert order.ranks[0].name == "better" or not order.pairs.significant.any()
    assert detected >= 0.8 * times
