"""How far chance explains a number: over seeds, over test images, and between two methods.

The tests and quantiles are scipy's. What is resampled is images: each of the bootstrap's resamples
draws as many as there are, with replacement (Efron & Tibshirani, An Introduction to the Bootstrap,
1993), and the intervals are the percentiles of its replicates. Where every image has the same
score (all right, say) such an interval has no width.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Real

CONFIDENCE = 0.95
LEVEL = 0.05
"""Of the tests: a difference with a larger p-value is not told from chance."""
POWER = 0.80
RESAMPLES = 2_000
CLEAR = 3.0
"""Deviations over seeds between two means whose single seeds hardly overlap: it ought to show."""
FEW = 100
"""Images that differ, up to which signs are flipped in place of trusting the normal limit."""

LARGEST_REACH = 10**7
"""Largest sum of differences whose flips are counted: 100 images take a second and 40 MB. Methods
come near it with some 300 seeds each, in numbers without a common factor."""

_BLOCK = 250  # resamples at a time: 60 MB for 10,000 images, and few products for BLAS to share out

Columns = Real[np.ndarray, "images columns"]


class Interval(NamedTuple):
    """A confidence interval; both ends are NaN where there is none."""

    low: float
    high: float


def mean_std(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean (NaN of none) and the sample standard deviation (NaN of fewer than two)."""
    n = len(values)
    if n == 0:
        return math.nan, math.nan
    mean = math.fsum(values) / n
    if n == 1:
        return mean, math.nan
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Return Student's t-interval of the mean of independent values, seeds' scores for instance.

    NaN of fewer than two values. It is where the mean over ever more seeds would lie, not where
    single seeds do. Of two values it reaches 12.7 standard errors to either side, so that it can
    go beyond the values that a score can have; it is not cut there.
    """
    mean, std = mean_std(values)
    if math.isnan(std):
        return Interval(math.nan, math.nan)
    from scipy.special import stdtrit

    n = len(values)
    reach = float(stdtrit(n - 1, (1 + confidence) / 2)) * std / math.sqrt(n)
    return Interval(mean - reach, mean + reach)


def resampled_sums(
    columns: Columns, resamples: int = RESAMPLES, seed: int = 0
) -> Float[np.ndarray, "resamples columns"]:
    """Return the sum of every column over each resample of the images.

    All columns see the same resamples, and so does every call with as many images and the same
    seed: what is computed from two methods' columns is paired.
    """
    rng = np.random.default_rng(seed)
    images = len(columns)
    values = columns.astype(np.float64)
    sums = np.empty((resamples, columns.shape[1]))
    for start in range(0, resamples, _BLOCK):
        rows = min(_BLOCK, resamples - start)
        drawn = rng.integers(images, size=(rows, images)) + images * np.arange(rows)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=rows * images).reshape(rows, images)
        sums[start : start + rows] = weights.astype(np.float64) @ values
    return sums


def percentile_interval(
    replicates: Float[np.ndarray, " resamples"], confidence: float = CONFIDENCE
) -> Interval:
    """Return the bootstrap's percentile interval; NaN if a replicate is."""
    low, high = np.quantile(replicates, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def macro_f1(
    hits: Real[np.ndarray, "*resamples classes"], objects: Real[np.ndarray, "*resamples classes"]
) -> Float[np.ndarray, "*resamples"]:
    """Return the macro-F1 of sums over images, as `metrics.score` has it of the images themselves.

    hits: TP per class. objects: true + predicted ones; a class without any takes no part, and
    without any class the score is 1.
    """
    occurring = objects > 0
    f1 = np.where(occurring, 2 * hits / np.where(occurring, objects, 1), 0.0).sum(-1)
    classes = occurring.sum(-1)
    return np.where(classes > 0, f1 / np.maximum(classes, 1), 1.0)


def mcnemar(
    only_a: Int[np.ndarray, "*pairs"] | int, only_b: Int[np.ndarray, "*pairs"] | int
) -> Float[np.ndarray, "*pairs"]:
    """Return the two-sided p-value of McNemar's exact test, for one pair of methods or many.

    only_a, only_b: images that one alone has right; were there no difference, either would be as
    likely. 1 without any such image.
    """
    from scipy.special import bdtr

    images = np.add(only_a, only_b)
    # As likely one way as the other, so both tails are alike; in the middle they meet.
    return np.where(
        images > 0, np.minimum(1.0, 2 * bdtr(np.minimum(only_a, only_b), images, 0.5)), 1.0
    )


def paired_images(differences: Int[np.ndarray, " images"]) -> float:
    """Return the two-sided p-value of "the differences of the images have the mean 0".

    Differences are whole numbers, in whatever unit: of methods with m and n seeds it is 1 / (m n).

    The test is for scores that are means over seeds; of one seed each, `mcnemar` is exact. The
    t-test is of the mean itself, which is the difference in exact match, whereas Wilcoxon's test is
    of ranks that are nearly all tied here; thousands of bounded differences put it at its normal
    limit. That limit is no help where at most `FEW` images differ at all: every way of flipping
    their signs is counted there, which for one seed each is McNemar's test again.
    """
    differing = differences[differences != 0]
    if len(differing) == 0:
        return 1.0
    steps = differing // np.gcd.reduce(differing)
    if len(steps) <= FEW and np.abs(steps).sum() <= LARGEST_REACH:
        return _all_flips(steps)
    return float(paired_t(steps.sum(), (steps**2).sum(), len(differences)))


def _all_flips(differences: Int[np.ndarray, " images"]) -> float:
    """Return the share of all flips of the signs whose sum is at least as far from 0.

    Exact, one difference after the other; a sample of flips, as scipy's permutation_test draws
    for more than a dozen, has a smallest p-value that Holm's correction soon makes useless.
    """
    steps = np.abs(differences)
    # A sum as far below 0: the differences that are made positive come to this much at most.
    most = int(steps.sum() - abs(differences.sum())) // 2
    chances = np.zeros(most + 1)  # of these coming to 0..most
    chances[0] = 1.0
    for step in steps.tolist():
        chances /= 2
        chances[step:] += chances[: max(0, most + 1 - step)]
    return float(min(1.0, 2 * chances.sum()))  # as many flips lie as far above 0


def paired_t(
    sums: Int[np.ndarray, "*pairs"], squares: Int[np.ndarray, "*pairs"], images: int
) -> Float[np.ndarray, "*pairs"]:
    """Return the p-value of the t-test in `paired_images`, for one pair of methods or many.

    sums, squares: over the images, of the differences and of their squares; not all are 0.
    """
    from scipy.special import stdtr

    spread = images * squares - sums**2  # N^2 times the variance of the differences
    with np.errstate(divide="ignore"):  # differences that are all the same have no spread: p is 0
        t = np.abs(sums) * np.sqrt((images - 1) / spread)
    return 2 * stdtr(images - 1, -t)


class Scores(NamedTuple):
    """A method's scores over seeds, or those of many methods: mean, standard deviation, number."""

    mean: Float[np.ndarray, "*methods"]
    std: Float[np.ndarray, "*methods"]
    seeds: Int[np.ndarray, "*methods"]


def welch(a: Scores, b: Scores) -> Float[np.ndarray, "*methods"]:
    """Return the two-sided p-value of Welch's t-test of two methods' scores over seeds.

    Where no method's seeds differ at all: 1 for equal scores, 0 for others. NaN where a method has
    one seed.
    """
    from scipy.special import stdtr

    u, v = np.divide(a.std**2, a.seeds), np.divide(b.std**2, b.seeds)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(np.subtract(a.mean, b.mean)) / np.sqrt(u + v)
        freedom = (u + v) ** 2 / (u**2 / np.subtract(a.seeds, 1) + v**2 / np.subtract(b.seeds, 1))
    return np.where((a.std == 0) & (b.std == 0), np.equal(a.mean, b.mean), 2 * stdtr(freedom, -t))


def gap_that_shows(seeds: int, pairs: int, *, level: float = LEVEL) -> float:
    """Return how far apart two means must lie for `welch` after `holm`, in deviations over seeds.

    seeds: of either method, two or more, which scatter alike, so that Welch's test has
    2 seeds - 2 degrees of freedom. pairs: those that Holm's correction is over; the largest
    difference of all has to pass level / pairs.
    """
    from scipy.special import stdtrit

    t = float(stdtrit(2 * seeds - 2, 1 - level / (2 * pairs)))
    return t * math.sqrt(2 / seeds)


def seeds_that_show(pairs: int, *, gap: float = CLEAR, level: float = LEVEL) -> int:
    """Return the fewest seeds of either method with which a gap of so many deviations shows."""
    return next(n for n in itertools.count(2) if gap_that_shows(n, pairs, level=level) <= gap)


def holm(p: Sequence[float] | Float[np.ndarray, " pairs"]) -> Float[np.ndarray, " pairs"]:
    """Return p-values adjusted for their number, in the same order.

    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of
    Statistics 6 (1979): the chance of any wrong rejection stays below the level.
    """
    order = np.argsort(p, kind="stable")
    steps = np.asarray(p, dtype=float)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def smallest_difference(
    images: int, discordant: int, *, power: float = POWER, level: float = LEVEL
) -> float:
    """Return the smallest true difference d of two shares that McNemar's test would have found.

    With N images of which a share psi is discordant (one method alone is right), it is found with
    that power if sqrt(N) d = z_(1 - level/2) sqrt(psi) + z_power sqrt(psi - d^2): R. J. Connor,
    Sample size for testing differences in proportions for the paired-sample design, Biometrics 43
    (1987), after O. S. Miettinen, Biometrics 24 (1968); solved for d. NaN where no d <= psi does
    it: so few discordant images show nothing.
    """
    from scipy.special import ndtri

    psi, z_a, z_b = discordant / images, float(ndtri(1 - level / 2)), float(ndtri(power))
    if images <= z_a**2 - z_b**2:
        return math.nan
    root = z_a * math.sqrt(images) + z_b * math.sqrt(images - z_a**2 + z_b**2)
    d = math.sqrt(psi) * root / (images + z_b**2)
    return d if 0 < d <= psi else math.nan
