"""Statistics over the seeds of a table's methods: tests of two means, intervals of a mean.

A few seeds estimate a variance badly: the deviation of two is below half of the true one in 38 % of
cases. Methods of a table help each other: `pooled` averages each method's variance with the mean
variance of all, as if that were one more seed, an inverse-gamma prior with one degree of freedom
(G. K. Smyth, Linear models and empirical Bayes methods, Statistical Applications in Genetics and
Molecular Biology 3, 2004). More weight would be wrong: methods differ in spread (by a factor of 26
in the committed records), and full pooling as in Tukey's and Dunnett's tests then finds differences
that do not exist. `benchmarks/seed_tests.py` measures both.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from hsal_bench.comparison.statistics import CONFIDENCE, LEVEL, Interval, mean_std

CLEAR = 3.0
"""A clear difference, in standard deviations over seeds: single seeds hardly overlap."""

METHODS, FREEDOM, MOST = 3, 10, 4
"""Pooling needs so many methods with a spread, and so many degrees of freedom in all. A method
counts with at most `MOST`, so that a single method with many seeds does not suffice."""

PRIOR = 1
"""Degrees of freedom of the mean variance: it counts as one more seed of each method."""


class SeedScores(NamedTuple):
    """Scores over seeds of one or many methods: mean, deviation, seeds, degrees of freedom."""

    mean: Float[np.ndarray, "*methods"]
    std: Float[np.ndarray, "*methods"]
    seeds: Int[np.ndarray, "*methods"]
    freedom: Int[np.ndarray, "*methods"]


def seed_scores(scores: Sequence[Sequence[float]]) -> SeedScores:
    """Return the statistics of each method's scores; the deviation of equal scores is exactly 0."""
    mean, std = np.array([mean_std(values) for values in scores]).reshape(-1, 2).T
    std = np.where([len(x) > 1 and np.ptp(x) == 0 for x in scores], 0.0, std)
    seeds = np.array([len(values) for values in scores], int)
    return SeedScores(mean, std, seeds, seeds - 1)


def mean_variance(scores: SeedScores) -> float:
    """Return the mean of the methods' variances over seeds; NaN if pooling is not justified.

    Methods without a spread (equal scores, one seed) do not count. For equal numbers of seeds it
    is the mean square error of an analysis of variance.
    """
    varying = scores.std > 0
    if not justified(scores.freedom[varying].tolist()):
        return math.nan
    return float(np.mean(scores.std[varying] ** 2))


def justified(freedom: Sequence[int]) -> bool:
    """Return whether methods with these degrees of freedom may be pooled."""
    return len(freedom) >= METHODS and sum(min(d, MOST) for d in freedom) >= FREEDOM


def pooled(scores: SeedScores, variance: float) -> SeedScores:
    """Return the scores with variances averaged with `variance` of `PRIOR` degrees of freedom.

    Unchanged if `variance` is NaN. Methods with one seed keep the deviation NaN.
    """
    if math.isnan(variance):
        return scores
    mean, std, seeds, d = scores
    shrunk = np.sqrt((PRIOR * variance + d * std**2) / (PRIOR + d))
    return SeedScores(mean, shrunk, seeds, d + PRIOR)


def mean_interval(
    values: Sequence[float], variance: float = math.nan, confidence: float = CONFIDENCE
) -> Interval:
    """Return Student's t-interval of the mean of independent values, such as scores of seeds.

    It covers the mean over many seeds, not single seeds. variance: the `mean_variance` to pool
    with. The interval is NaN with less than two degrees of freedom: for one value, and for two
    that are not pooled, whose interval would reach 9 standard deviations to either side.
    """
    scores = pooled(seed_scores([values]), variance)
    mean, std, n, freedom = (column.item() for column in scores)
    if n < 2 or freedom < 2:
        return Interval(math.nan, math.nan)
    from scipy.special import stdtrit

    reach = float(stdtrit(freedom, (1 + confidence) / 2)) * std / math.sqrt(n)
    return Interval(mean - reach, mean + reach)


def welch(a: SeedScores, b: SeedScores) -> Float[np.ndarray, "*methods"]:
    """Return the two-sided p-value of Welch's t-test of two methods' scores over seeds.

    If neither method's seeds differ: 1 for equal means, else 0. NaN if a method has one seed.
    """
    from scipy.special import stdtr

    u, v = np.divide(a.std**2, a.seeds), np.divide(b.std**2, b.seeds)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(np.subtract(a.mean, b.mean)) / np.sqrt(u + v)
        freedom = (u + v) ** 2 / (u**2 / a.freedom + v**2 / b.freedom)
    return np.where((a.std == 0) & (b.std == 0), np.equal(a.mean, b.mean), 2 * stdtr(freedom, -t))


def gap_that_shows(
    seeds: int, pairs: int, *, is_pooled: bool = False, level: float = LEVEL
) -> float:
    """Return the smallest significant gap of two means in `welch` after `holm`.

    The gap is in standard deviations over seeds. seeds: per method, two or more, with equal
    spread, so that Welch's test adds up the degrees of freedom of both. pairs: covered by Holm's
    correction; the largest difference has to pass level / pairs.
    """
    from scipy.special import stdtrit

    freedom = 2 * (seeds - 1 + PRIOR * is_pooled)
    return float(stdtrit(freedom, 1 - level / (2 * pairs))) * math.sqrt(2 / seeds)


def seeds_that_show(
    pairs: int, methods: int = 2, *, gap: float = CLEAR, level: float = LEVEL
) -> int:
    """Return the fewest seeds of each method with which a gap of that size is significant."""
    return next(
        n
        for n in itertools.count(2)
        if gap_that_shows(n, pairs, is_pooled=justified([n - 1] * methods), level=level) <= gap
    )
