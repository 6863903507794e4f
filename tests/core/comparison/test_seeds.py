"""Tests over seeds: worked examples, the rule of pooling, and scipy's Tukey and Dunnett."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hsal_bench.comparison import seeds, statistics
from hsal_bench.comparison.seeds import gap_that_shows, seeds_that_show


def test_a_t_interval_by_hand():
    # Mean 3, deviation sqrt(2.5), t_(0.975, 4) = 2.7764.
    low, high = seeds.mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (low, high) == (pytest.approx(1.0367, abs=1e-4), pytest.approx(4.9633, abs=1e-4))


def test_a_t_interval_is_scipys():
    values = np.random.default_rng(0).normal(size=4).tolist()
    expected = stats.t.interval(0.9, 3, loc=np.mean(values), scale=stats.sem(values))
    assert seeds.mean_interval(values, confidence=0.9) == pytest.approx(expected)


def welch(a, b):
    """The p-value of two methods' scores, one per seed."""
    of = seeds.seed_scores([a, b])
    return float(seeds.welch(*(seeds.SeedScores(*(x[i] for x in of)) for i in (0, 1))))


def test_welch_and_t_of_three_seeds_are_those_of_statsmodels():
    a, b = [0.41, 0.45, 0.52], [0.58, 0.55, 0.57]
    assert welch(a, b) == pytest.approx(0.07098720796)
    assert seeds.mean_interval(a) == pytest.approx((0.32168906576, 0.59831093424))


def test_welch_by_hand_and_without_spread():
    # Variances 1 and 4, of three seeds each.
    a, b = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
    t = (2 - 4) / math.sqrt(1 / 3 + 4 / 3)
    freedom = (1 / 3 + 4 / 3) ** 2 / ((1 / 3) ** 2 / 2 + (4 / 3) ** 2 / 2)
    assert welch(a, b) == pytest.approx(2 * stats.t.sf(-t, freedom))
    assert welch([0.5, 0.5], [0.5, 0.5]) == 1.0
    assert welch([0.5, 0.5], [0.6, 0.6]) == 0.0


@pytest.mark.parametrize(("number", "pairs"), [(2, 1), (2, 10), (3, 3), (5, 10), (7, 325)])
def test_a_gap_shows_from_there_on_and_not_below(number, pairs):
    a = stats.zscore(np.arange(number), ddof=1)
    gap = gap_that_shows(number, pairs)
    for times, shows in ((0.99, False), (1.01, True)):
        p = welch(a, a + times * gap)
        assert (statistics.holm([p] + [1.0] * (pairs - 1))[0] < statistics.LEVEL) == shows


def test_how_many_seeds_show_three_deviations():
    # t_(0.975, 2) = 4.303 of two seeds each, t_(0.9975, 2) = 14.089 over ten pairs.
    assert gap_that_shows(2, 1) == pytest.approx(4.303, abs=1e-3)
    assert gap_that_shows(2, 10) == pytest.approx(14.089, abs=1e-3)
    assert [seeds_that_show(pairs) for pairs in (1, 10, 325)] == [3, 5, 7]
    for pairs in (1, 10, 325):
        enough = seeds_that_show(pairs)
        assert gap_that_shows(enough, pairs) <= 3
        assert gap_that_shows(enough - 1, pairs) > 3


def test_too_few_seeds_have_no_interval():
    assert all(map(math.isnan, seeds.mean_interval([0.5])))
    assert all(map(math.isnan, seeds.mean_interval([0.5], 0.01)))
    assert all(map(math.isnan, seeds.mean_interval([0.4, 0.5])))
    # Variances 0.005 and 0.015 give 0.01, and t_(0.975, 2) = 4.3027.
    reach = 4.3027 * 0.1 / math.sqrt(2)
    found = seeds.mean_interval([0.4, 0.5], 0.015)
    assert found == pytest.approx((0.45 - reach, 0.45 + reach), abs=1e-5)


def table(shape, spread=1.0, seed=0):
    """The scores of equal methods, [methods, seeds]."""
    return np.random.default_rng(seed).normal(0, 1, shape) * np.reshape(spread, (-1, 1))


@pytest.mark.parametrize(
    ("numbers", "pools"),
    [
        ([5, 5, 5], True),  # 12 degrees of freedom
        ([3] * 5, True),  # 10
        ([2] * 10, True),
        ([2] * 9, False),
        ([3] * 4, False),
        ([50, 50], False),  # fewer than three methods
        ([50, 2, 2], False),  # one method counts with at most four
        ([5, 5, 1, 1, 1], False),
    ],
)
def test_the_rule_of_pooling(numbers, pools):
    scores = seeds.seed_scores([table((1, n), seed=n + k)[0] for k, n in enumerate(numbers)])
    assert math.isnan(seeds.mean_variance(scores)) != pools


def test_the_mean_variance_is_that_of_tukeys_test():
    scores = table((5, 4))
    found = seeds.mean_variance(seeds.seed_scores(scores))
    ends = stats.tukey_hsd(*scores).confidence_interval()
    wide = (ends.high - ends.low)[0, 1] / 2
    q = stats.studentized_range.ppf(0.95, 5, 15)
    assert found == pytest.approx((wide / q) ** 2 * 4, rel=1e-6)


def test_a_pooled_variance_is_a_weighted_mean():
    scores = seeds.SeedScores(np.zeros(2), np.array([1.0, 0.0]), np.array([5, 2]), np.array([4, 1]))
    found = seeds.pooled(scores, 6.0)
    assert found.std**2 == pytest.approx([(4 + 6) / 5, 6 / 2])
    assert found.freedom.tolist() == [5, 2]
    assert seeds.pooled(scores, math.nan) is scores


@given(st.integers(0, 99), st.integers(1, 9))
def test_rows_without_a_spread_change_nothing(seed, rows):
    scores = [*table((4, 5), seed=seed)]
    alone = seeds.mean_variance(seeds.seed_scores(scores))
    constant = [np.full(5, 0.5)] * rows + [np.array([0.7])] * rows
    assert seeds.mean_variance(seeds.seed_scores(scores + constant)) == alone


@cache
def tukeys_critical_value(methods, freedom):
    return stats.studentized_range.ppf(0.95, methods, freedom)


def rejected(scores):
    """Numbers of significant pairs: Welch's test, pooled as here, Tukey's (5 % critical value)."""
    methods, number = scores.shape
    a, b = np.triu_indices(methods, 1)
    own = seeds.seed_scores(scores)
    found = []
    for each in (own, seeds.pooled(own, seeds.mean_variance(own))):
        p = seeds.welch(*(seeds.SeedScores(*(x[i] for x in each)) for i in (a, b)))
        found.append((statistics.holm(p) < 0.05).sum())
    error = math.sqrt(seeds.mean_variance(own) / number)
    q = tukeys_critical_value(methods, methods * (number - 1))
    found.append((np.abs(own.mean[a] - own.mean[b]) / error > q).sum())
    return found


def test_of_equal_spreads_pooling_lies_between_welch_and_tukey():
    shift = np.repeat([0.0, 3.0], 3)[:, None]
    welch, ours, tukey = sum(np.array(rejected(table((6, 3), seed=k) + shift)) for k in range(40))
    assert 1.5 * welch < ours < tukey


def test_of_unequal_spreads_tukey_errs_and_pooling_does_not():
    spread = [10, 1, 1, 1, 1, 1, 1, 1]
    errors = sum(np.array(rejected(table((8, 5), spread, k))) > 0 for k in range(200))
    _, ours, tukey = errors
    assert ours <= stats.binom.ppf(0.99, 200, 0.05)
    assert tukey > 2 * stats.binom.ppf(0.99, 200, 0.05)


def test_dunnetts_test_of_the_first_method_finds_no_less():
    """It covers four pairs, pools all of the variance, and needs equal spreads."""
    ours = dunnett = 0
    for k in range(10):
        scores = table((5, 4), seed=k) + np.array([3.0, 0, 0, 0, 0])[:, None]
        own = seeds.seed_scores(scores)
        each = seeds.pooled(own, seeds.mean_variance(own))
        first, rest = (
            seeds.SeedScores(*(x[i] for x in each)) for i in (np.zeros(4, int), range(1, 5))
        )
        p = seeds.welch(first, seeds.SeedScores(*map(np.asarray, rest)))
        ours += (statistics.holm(p) < 0.05).sum()
        result = stats.dunnett(*scores[1:], control=scores[0], rng=np.random.default_rng(0))
        dunnett += (result.pvalue < 0.05).sum()
    assert 10 < ours <= dunnett
