"""Statistics over test images, and corrections; `seeds` has those over seeds.

The tests and quantiles are scipy's. The bootstrap resamples images: each resample draws as many as
there are, with replacement (Efron & Tibshirani, An Introduction to the Bootstrap, 1993), and
intervals are percentiles of the replicates. If all images have the same score (all right, say),
the interval has no width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Real

CONFIDENCE = 0.95
LEVEL = 0.05
"""Significance level of the tests."""
POWER = 0.80
RESAMPLES = 2_000
FEW = 100
"""Up to this many differing images, an exact sign-flip test replaces the normal limit."""

LARGEST_REACH = 10**7
"""Largest sum of differences for the exact test: 100 images take a second and 40 MB. Methods with
some 300 seeds each, in numbers without a common factor, come near it."""

_FLIPS = 2**18  # sums at a time in the exact test: they stay in the cache
_BLOCK = 250  # resamples at a time: 60 MB for 10,000 images, and few matrix products

Columns = Real[np.ndarray, "images columns"]


class Interval(NamedTuple):
    """A confidence interval; both ends are NaN if it is undefined."""

    low: float
    high: float


def mean_std(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean (NaN without values) and the sample deviation (NaN for fewer than two)."""
    n = len(values)
    if n == 0:
        return math.nan, math.nan
    mean = math.fsum(values) / n
    if n == 1:
        return mean, math.nan
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))


def resampled_sums(
    columns: Columns, resamples: int = RESAMPLES, seed: int = 0
) -> Float[np.ndarray, "resamples columns"]:
    """Return the sum of every column over each resample of the images.

    The resamples are the same for all columns, and for every call with the same number of images
    and the same seed: results of two methods are paired.
    """
    rng = np.random.default_rng(seed)
    images = len(columns)
    values = columns.astype(np.float64)
    sums = np.empty((resamples, columns.shape[1]))
    for start in range(0, resamples, _BLOCK):
        rows = min(_BLOCK, resamples - start)
        indices = rng.integers(images, size=(rows, images)) + images * np.arange(rows)[:, None]
        weights = np.bincount(indices.ravel(), minlength=rows * images).reshape(rows, images)
        sums[start : start + rows] = weights.astype(np.float64) @ values
    return sums


def percentile_interval(
    replicates: Float[np.ndarray, " resamples"], confidence: float = CONFIDENCE
) -> Interval:
    """Return the bootstrap's percentile interval; NaN if any replicate is NaN."""
    low, high = np.quantile(replicates, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def macro_f1(
    hits: Real[np.ndarray, "*resamples classes"], objects: Real[np.ndarray, "*resamples classes"]
) -> Float[np.ndarray, "*resamples"]:
    """Return the macro F1 from sums over images; equal to that of `scores.score`.

    hits: TP per class. objects: true + predicted objects per class; classes without any are left
    out, and without any class the score is 1.
    """
    occurring = objects > 0
    f1 = np.where(occurring, 2 * hits / np.where(occurring, objects, 1), 0.0).sum(-1)
    classes = occurring.sum(-1)
    return np.where(classes > 0, f1 / np.maximum(classes, 1), 1.0)


def mcnemar(
    only_a: Int[np.ndarray, "*pairs"] | int, only_b: Int[np.ndarray, "*pairs"] | int
) -> Float[np.ndarray, "*pairs"]:
    """Return the two-sided p-value of McNemar's exact test, for one pair of methods or many.

    only_a, only_b: numbers of images that only A or only B has right, equally likely under the
    null hypothesis. The p-value is 1 without any such image.
    """
    from scipy.special import bdtr

    images = np.add(only_a, only_b)
    # Both tails are equal by symmetry; in the middle they overlap.
    return np.where(
        images > 0, np.minimum(1.0, 2 * bdtr(np.minimum(only_a, only_b), images, 0.5)), 1.0
    )


def paired_images(differences: Int[np.ndarray, "*pairs images"]) -> Float[np.ndarray, "*pairs"]:
    """Return the two-sided p-value of the null hypothesis that the differences have mean 0.

    For one pair of methods or many. Differences are integers in any unit: 1 / (m n) for methods
    with m and n seeds.

    The test is for scores that are means over seeds; for one seed each, `mcnemar` is exact. The
    t-test concerns the mean, which is the difference in exact match; Wilcoxon's test concerns
    ranks, nearly all tied here. With thousands of bounded differences the t-test is at its normal
    limit. If at most `FEW` images differ, that limit does not hold: all sign flips are counted
    instead, which for one seed each is McNemar's test.
    """
    images = differences.shape[-1]
    rows = differences.reshape(-1, images).astype(np.int64)
    differing = np.count_nonzero(rows, axis=1)
    p = np.ones(len(rows))
    few = np.flatnonzero((differing > 0) & (differing <= FEW))
    steps = _reduced(_nonzero(rows[few]))
    within_reach = np.abs(steps).sum(1) <= LARGEST_REACH
    p[few[within_reach]] = _all_flips(steps[within_reach])
    normal = (differing > FEW) | np.isin(np.arange(len(rows)), few[~within_reach])
    steps = _reduced(rows[normal])
    p[normal] = paired_t(steps.sum(1), (steps**2).sum(1), images)
    return p.reshape(differences.shape[:-1])[()]


def _reduced(rows: Int[np.ndarray, "pairs images"]) -> Int[np.ndarray, "pairs images"]:
    """Return each row divided by its greatest common divisor."""
    return rows // np.gcd.reduce(rows, axis=1, keepdims=True)


def _nonzero(rows: Int[np.ndarray, "pairs images"]) -> Int[np.ndarray, "pairs few"]:
    """Return the numbers of each row that are not 0, filled with 0."""
    row, column = np.nonzero(rows)
    numbers = np.bincount(row, minlength=len(rows))
    place = np.arange(len(row)) - np.repeat(np.cumsum(numbers) - numbers, numbers)
    result = np.zeros((len(rows), numbers.max(initial=1)), rows.dtype)
    result[row, place] = rows[row, column]
    return result


def _all_flips(steps: Int[np.ndarray, "pairs few"]) -> Float[np.ndarray, " pairs"]:
    """Return for each pair the share of all sign flips whose sum is at least as far from 0.

    Exact, by dynamic programming; a step of 0 changes nothing. scipy's permutation_test samples
    flips beyond a dozen: its smallest p-value is too large for Holm's correction.
    """
    sizes = np.abs(steps)
    # For a sum as far below 0, the positive differences sum to at most this.
    most = (sizes.sum(1) - np.abs(steps.sum(1))) // 2
    order = np.argsort(-most)
    p, start = np.empty(len(steps)), 0
    while start < len(steps):  # as many pairs at once as fit into the memory of a block
        width = int(most[order[start]]) + 1
        rows = order[start : start + max(1, _FLIPS // width)]
        p[rows] = 2 * _lower_tails(sizes[rows], most[rows], width)  # the upper tail is equal
        start += len(rows)
    return np.minimum(p, 1.0)


def _lower_tails(
    sizes: Int[np.ndarray, "pairs few"], most: Int[np.ndarray, " pairs"], width: int
) -> Float[np.ndarray, " pairs"]:
    """Return the chance that the positive differences sum to at most `most`, which is < width."""
    sums = np.arange(width)
    chances = np.zeros((len(sizes), width))
    chances[:, 0] = 1.0
    for size in sizes.T:
        before = sums - size[:, None]
        moved = np.take_along_axis(chances, np.maximum(before, 0), axis=1)
        chances = (chances + np.where(before >= 0, moved, 0.0)) / 2
    return np.where(sums <= most[:, None], chances, 0.0).sum(1)


def paired_t(
    sums: Int[np.ndarray, "*pairs"], squares: Int[np.ndarray, "*pairs"], images: int
) -> Float[np.ndarray, "*pairs"]:
    """Return the p-value of the t-test in `paired_images`, for one pair of methods or many.

    sums, squares: of the differences and of their squares over images; not all are 0.
    """
    from scipy.special import stdtr

    spread = images * squares - sums**2  # N^2 times the variance of the differences
    with np.errstate(divide="ignore"):  # equal differences have no spread: p is 0
        t = np.abs(sums) * np.sqrt((images - 1) / spread)
    return 2 * stdtr(images - 1, -t)


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
    """Return the smallest true difference d of two shares that McNemar's test detects.

    With N images of which a share psi is discordant (only one method is right), d is
    detected with that power if sqrt(N) d = z_(1 - level/2) sqrt(psi) + z_power sqrt(psi - d^2):
    R. J. Connor, Sample size for testing differences in proportions for the paired-sample design,
    Biometrics 43 (1987), after O. S. Miettinen, Biometrics 24 (1968); solved for d. NaN if no
    d <= psi solves it: there are too few discordant images.
    """
    from scipy.special import ndtri

    psi, z_a, z_b = discordant / images, float(ndtri(1 - level / 2)), float(ndtri(power))
    if images <= z_a**2 - z_b**2:
        return math.nan
    root = z_a * math.sqrt(images) + z_b * math.sqrt(images - z_a**2 + z_b**2)
    d = math.sqrt(psi) * root / (images + z_b**2)
    return d if 0 < d <= psi else math.nan
