"""Intervals and tests: worked examples, scipy's own bootstrap, laws, and simulated power."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hsal_bench.comparison import statistics
from hsal_bench.metrics import scores as metrics


def test_one_seed_has_no_deviation():
    assert statistics.mean_std([0.5])[0] == 0.5
    assert math.isnan(statistics.mean_std([0.5])[1])
    assert all(map(math.isnan, statistics.mean_std([])))


def test_a_bootstrap_interval_of_a_share_is_scipys():
    right = np.random.default_rng(1).random(400) < 0.7
    sums = statistics.resampled_sums(right[:, None], resamples=4000)
    expected = stats.bootstrap(
        (right.astype(float),),
        np.mean,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    found = statistics.percentile_interval(sums[:, 0] / 400)
    # Two draws of 4,000 resamples: the ends differ by about 1/400 each, the grid of such shares.
    assert found == pytest.approx(expected, abs=0.006)


def test_a_resample_has_as_many_images_and_is_seeded_and_paired():
    columns = np.column_stack([np.ones(50), np.arange(50), np.arange(50)])
    sums = statistics.resampled_sums(columns, resamples=33, seed=4)
    assert (sums[:, 0] == 50).all()
    assert (sums[:, 1] == sums[:, 2]).all()
    assert len(np.unique(sums[:, 1])) > 25
    assert (statistics.resampled_sums(columns, 33, 4) == sums).all()
    assert (statistics.resampled_sums(columns, 33, 5) != sums).any()
    alone = statistics.resampled_sums(columns[:, 1:2], resamples=33, seed=4)
    assert (alone[:, 0] == sums[:, 1]).all()


def test_a_difference_of_paired_scores_is_surer_than_of_unpaired():
    rng = np.random.default_rng(3)
    a = rng.random(500) < 0.5
    b = a ^ (rng.random(500) < 0.05)
    sums = statistics.resampled_sums(np.column_stack([a, b])) / 500
    width = np.ptp(statistics.percentile_interval(sums[:, 1] - sums[:, 0]))
    alone = np.ptp(statistics.percentile_interval(sums[:, 0]))
    assert width < alone / 2


def test_the_macro_f1_of_sums_is_that_of_the_images():
    rng = np.random.default_rng(5)
    truth, predicted = (rng.integers(0, 3, (40, 5)) for _ in range(2))
    truth[:, 4] = predicted[:, 4] = 0
    rows = rng.integers(40, size=40)
    c, p = truth[rows], predicted[rows]
    found = statistics.macro_f1(np.minimum(c, p).sum(0), (c + p).sum(0))
    assert float(found) == pytest.approx(metrics.score(c, p)["macro_f1"])
    assert float(statistics.macro_f1(np.zeros(2), np.zeros(2))) == 1.0


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (0, 0, 1.0),
        (5, 5, 1.0),
        (0, 5, 2 / 32),
        (1, 9, 22 / 1024),
        # statsmodels' mcnemar(exact=True).
        (3, 9, 0.14599609375),
        # Agresti, Categorical Data Analysis: the prime minister's approval, 150 against 86.
        (150, 86, 3.716e-5),
    ],
)
def test_mcnemar_of_worked_examples(only_a, only_b, p):
    assert statistics.mcnemar(only_a, only_b) == pytest.approx(p, rel=1e-3)
    assert statistics.mcnemar(only_b, only_a) == statistics.mcnemar(only_a, only_b)


def test_holm_of_a_worked_example():
    # Sorted: 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1 is raised to the step before.
    found = statistics.holm([0.01, 0.04, 0.03, 0.005])
    assert found == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert len(statistics.holm([])) == 0


def test_holm_with_ties_is_that_of_statsmodels():
    found = statistics.holm([0.01, 0.02, 0.02, 0.04, 0.012])
    assert found == pytest.approx([0.05, 0.06, 0.06, 0.06, 0.05])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_each_p_and_bonferronis(p):
    adjusted = statistics.holm(p)
    for raw, found in zip(p, adjusted, strict=True):
        assert raw <= found <= min(1.0, raw * len(p)) + 1e-12
    assert np.argsort(p, kind="stable").tolist() == sorted(
        range(len(p)), key=lambda i: (adjusted[i], p[i], i)
    )


def test_flipping_signs_of_single_seeds_is_mcnemar():
    for ones, others in [(0, 5), (2, 9), (3, 3)]:
        differences = np.repeat([1, -1, 0], [ones, others, 500])
        assert statistics.paired_images(differences) == pytest.approx(
            statistics.mcnemar(ones, others)
        )


def test_few_and_many_differing_images_agree_at_the_border():
    few = np.repeat([1, -1, 0], [60, 40, 900])
    more = np.concatenate([few, [1, -1]])
    by_flips, by_t = map(statistics.paired_images, (few, more))
    assert by_flips == pytest.approx(by_t, abs=0.02)
    assert 0.03 < by_t < 0.08


SIXTHS = [6, 4, 4, 2, 2, -2, 3, -6, 1, 6]
# Of 101 seeds against 103: they have no factor in common.
MANY_SEEDS = [10403, -9177, 4242, 101, -103, 7, 3054, -2, 8888, 5150]


@pytest.mark.parametrize(
    "differences", [SIXTHS, SIXTHS[:7], [2, -2], [5, -2, -3, 1], [-9, 1, 1], MANY_SEEDS]
)
def test_every_flip_of_the_signs_is_counted(differences):
    differences = np.array(differences)
    sums = [
        sum(sign * value for sign, value in zip(signs, differences, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    expected = np.mean(np.abs(sums) >= abs(differences.sum()))
    assert statistics.paired_images(differences) == pytest.approx(expected)


def test_neither_the_unit_of_differences_nor_their_direction_matters():
    few, many = np.array(SIXTHS), np.repeat(SIXTHS, 20)
    for differences in (few, many):
        p = statistics.paired_images(differences)
        for times in (-1, 2, 10**9):
            assert statistics.paired_images(times * differences) == pytest.approx(p)


def test_differences_too_fine_to_count_flips_of_are_left_to_the_t_test():
    differences = np.array([10**8, -(10**7), 3 * 10**7 + 1, 5, 0, 0])
    expected = stats.ttest_1samp(differences, 0.0).pvalue
    assert statistics.paired_images(differences) == pytest.approx(expected)


def test_many_images_one_way_leave_no_doubt():
    assert statistics.paired_images(np.full(60, 3)) == pytest.approx(2 * 0.5**60)


def test_images_without_a_difference_are_not_told_apart():
    assert statistics.paired_images(np.zeros(100, int)) == 1.0
    assert statistics.paired_images(np.full(3, 5)) == 2 / 8
    assert statistics.paired_images(np.full(500, 5)) == 0.0


@pytest.mark.parametrize(("images", "psi"), [(10_000, 0.2), (10_000, 0.02), (1_000, 0.3)])
def test_the_smallest_difference_is_found_four_times_in_five(images, psi):
    d = statistics.smallest_difference(images, round(psi * images))
    rng = np.random.default_rng(6)
    b, c = (psi + d) / 2, (psi - d) / 2
    draws = rng.multinomial(images, [b, c, 1 - psi], size=2_000)
    discordant, fewer = draws[:, :2].sum(1), draws[:, :2].min(1)
    p = np.minimum(1, 2 * stats.binom.cdf(fewer, discordant, 0.5))
    assert statistics.mcnemar(*map(int, draws[0, :2])) == pytest.approx(p[0])
    # The formula is the normal limit; the exact test is a little more careful.
    assert np.mean(p < 0.05) == pytest.approx(0.8, abs=0.04)


def test_the_smallest_difference_falls_with_images_and_rises_with_discord():
    d = statistics.smallest_difference
    assert d(40_000, 8_000) == pytest.approx(d(10_000, 2_000) / 2, rel=0.01)
    assert d(10_000, 100) < d(10_000, 1_000)
    assert d(10_000, 2_000) == pytest.approx((1.95996 + 0.84162) * math.sqrt(0.2) / 100, rel=0.01)
    assert math.isnan(d(10_000, 0))
    assert math.isnan(d(10_000, 5))
    assert math.isnan(d(3, 3))


def test_scipy_is_imported_where_it_is_used():
    code = "import sys, hsal_bench.comparison.statistics; print('scipy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


@pytest.mark.parametrize(("scale", "reach"), [(1, 10**7), (60, 10**7), (60, 500)])
def test_many_pairs_at_once_are_each_pair_alone(monkeypatch, scale, reach):
    monkeypatch.setattr(statistics, "LARGEST_REACH", reach)
    rng = np.random.default_rng(scale)
    images = 5 * statistics.FEW
    shares = rng.permuted(np.tile([0.0, 0.02, 0.1, 0.2, 0.5], 6))[:, None]  # around FEW
    chosen = rng.random((30, images)) < shares
    differences = rng.integers(-scale, scale + 1, (30, images)) * chosen
    alone = [statistics.paired_images(row) for row in differences]
    assert statistics.paired_images(differences).tolist() == pytest.approx(alone)
    assert statistics.paired_images(differences.reshape(5, 6, images)).shape == (5, 6)
    assert len(statistics.paired_images(differences[:0])) == 0
