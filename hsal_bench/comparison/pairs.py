"""The tests of all pairs of methods, vectorised: 2,000 methods have millions of pairs.

Every pair is tested on the exact match of the same test images. Over images: McNemar's exact test
for one seed each; for more seeds, a paired test of each image's share of seeds that have it right
(`statistics.paired_images`). Over seeds, if both methods have two or more: Welch's t-test of
their exact match, with variances pooled over the methods if that is justified (`seeds.pooled`).
The larger p-value counts, so that neither the choice of images nor that of seeds alone explains a
significant difference. Holm's correction covers all pairs. With one seed only the test over images
is possible: it compares the trained models, not the methods.

Other methods affect the result of a pair in two ways only: through their number (Holm) and through
the mean variance over seeds (pooling).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from hsal_bench.comparison import seeds as over_seeds
from hsal_bench.comparison import statistics

_BLOCK = 256  # pairs at a time: 20 MB for 10,000 images

Right = Bool[np.ndarray, "seeds images"]
Places = Int[np.ndarray, " methods"]


@dataclass(frozen=True, eq=False)
class Pairs:
    """The tests of all pairs of methods, one entry per pair in every array.

    a, b: the methods' places in the ranking, a < b. difference: the exact match of b minus that of
    a. p_seeds: NaN if one of them has one seed. p: the larger of the two p-values. adjusted: p
    after Holm's correction. pooled: whether the test over seeds pools the variance.
    """

    a: Int[np.ndarray, " pairs"]
    b: Int[np.ndarray, " pairs"]
    difference: Float[np.ndarray, " pairs"]
    p_images: Float[np.ndarray, " pairs"]
    p_seeds: Float[np.ndarray, " pairs"]
    p: Float[np.ndarray, " pairs"]
    adjusted: Float[np.ndarray, " pairs"]
    pooled: bool

    def __len__(self) -> int:
        return len(self.a)

    @property
    def significant(self) -> Bool[np.ndarray, " pairs"]:
        """Whether the pair differs significantly, at the level of the tests."""
        return self.adjusted < statistics.LEVEL


def pairs_of(rights: Sequence[Right]) -> Pairs:
    """Return the tests of all pairs of methods, given which images each seed has right."""
    a, b = np.triu_indices(len(rights), 1)
    seeds = np.array([len(right) for right in rights], int)
    hits = np.array([int(right.sum()) for right in rights])
    means = hits / np.array([max(1, right.size) for right in rights])
    p_images = _over_images(rights, seeds, hits, a, b)
    scores = over_seeds.seed_scores([right.mean(1).tolist() for right in rights])
    variance = over_seeds.mean_variance(scores)
    scores = over_seeds.pooled(scores, variance)
    of_a, of_b = (over_seeds.SeedScores(*(x[i] for x in scores)) for i in (a, b))
    p_seeds = over_seeds.welch(of_a, of_b)
    p = np.fmax(p_images, p_seeds)
    adjusted, is_pooled = statistics.holm(p), not math.isnan(variance)
    return Pairs(a, b, means[b] - means[a], p_images, p_seeds, p, adjusted, is_pooled)


def _over_images(
    rights: Sequence[Right], seeds: Places, hits: Places, a: Places, b: Places
) -> Float[np.ndarray, " pairs"]:
    """Return the p-values over images: `mcnemar` for one seed each, else `paired_images`.

    Differences of shares are multiplied by the seeds of both methods: integers keep tests exact.
    """
    if not rights:
        return np.empty(0)
    images = rights[0].shape[1]
    # Whole numbers that the type of the products holds exactly: below 2^24 or 2^53.
    exact = np.float32 if images * int(seeds.max()) ** 2 < 2**24 else np.float64
    shares = np.stack([right.sum(0, dtype=exact) for right in rights])
    products = (shares @ shares.T).astype(np.int64)
    both, squares = products[a, b], np.diag(products)
    single = (seeds[a] == 1) & (seeds[b] == 1)
    p = np.empty(len(a))
    p[single] = statistics.mcnemar((hits[a] - both)[single], (hits[b] - both)[single])
    if single.all():
        return p
    sums = seeds[a] * hits[b] - seeds[b] * hits[a]
    spread = (
        seeds[a] ** 2 * squares[b] + seeds[b] ** 2 * squares[a] - 2 * seeds[a] * seeds[b] * both
    )
    # No difference is above seeds[a] * seeds[b]: a lower bound on the number of differing images.
    many = spread > statistics.FEW * (seeds[a] * seeds[b]) ** 2
    normal = many & ~single
    p[normal] = statistics.paired_t(sums[normal], spread[normal], images)
    rest = np.flatnonzero(~many & ~single)
    if len(rest):
        # The exact count of differing images, from a few matrix products.
        differing = images - _equal_shares(shares, seeds)[a[rest], b[rest]]
        normal = rest[differing > statistics.FEW]
        p[normal] = statistics.paired_t(sums[normal], spread[normal], images)
        rest = rest[differing <= statistics.FEW]
    for start in range(0, len(rest), _BLOCK):
        block = rest[start : start + _BLOCK]
        of_a, of_b = (shares[i[block]].astype(np.int64) for i in (a, b))
        differences = seeds[a[block], None] * of_b - seeds[b[block], None] * of_a
        p[block] = statistics.paired_images(differences)
    return p


def _equal_shares(
    shares: Float[np.ndarray, "methods images"], seeds: Places
) -> Int[np.ndarray, "methods methods"]:
    """Return the number of images that two methods have right with equally many of their seeds."""
    fractions = shares / seeds[:, None].astype(shares.dtype)
    levels = {k / number for number in np.unique(seeds).tolist() for k in range(number + 1)}
    equal = np.zeros((len(seeds), len(seeds)), np.int64)
    for level in levels:
        at_level = (fractions == fractions.dtype.type(level)).astype(np.float32)
        equal += (at_level @ at_level.T).astype(np.int64)
    return equal
