"""Which of several methods are better, and which cannot be told apart, from their records.

Every pair is tested on the exact match of the same test images. Over images: McNemar's exact test
for one seed each; for more, each image's share of seeds that have it right, method against method
(`statistics.paired_images`). Over seeds, where both methods have two or more: Welch's t-test of
their exact match. The larger p-value of the two stands, so that neither the choice of images nor
that of seeds explains a difference alone, and Holm's correction is over all pairs. One seed allows
the first test alone: what it tells apart is the trained models, not the methods.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from hsal_bench.compare import statistics
from hsal_bench.errors import UsageError
from hsal_bench.records.record import Record, unpack_correct

Right = Bool[np.ndarray, "seeds images"]
Places = Int[np.ndarray, " methods"]


@dataclass(frozen=True, eq=False)
class Pairs:
    """The tests of all pairs of methods, one entry per pair in every array.

    a, b: the methods' places in the ranking, a < b. difference: the exact match of b minus that of
    a. p_seeds is NaN where one of them has one seed; `p` is the larger of the two, `adjusted` the
    same after Holm's correction.
    """

    a: Int[np.ndarray, " pairs"]
    b: Int[np.ndarray, " pairs"]
    difference: Float[np.ndarray, " pairs"]
    p_images: Float[np.ndarray, " pairs"]
    p_seeds: Float[np.ndarray, " pairs"]
    p: Float[np.ndarray, " pairs"]
    adjusted: Float[np.ndarray, " pairs"]

    def __len__(self) -> int:
        return len(self.a)

    @property
    def significant(self) -> Bool[np.ndarray, " pairs"]:
        """Whether chance is no explanation, at the level of the tests."""
        return self.adjusted < statistics.LEVEL


@dataclass(frozen=True)
class Rank:
    """A method's place: at best one after all that are better, at worst one before all worse.

    exact_match: the mean over its seeds. as_best: it cannot be told from the method whose exact
    match is the highest, or is that method.
    """

    name: str
    exact_match: float
    seeds: int
    best: int
    worst: int
    as_best: bool

    @property
    def told(self) -> str:
        """The ranks it can have, as "2" or "1–3"."""
        return span(self.best, self.worst)


@dataclass(frozen=True)
class Ranking:
    """The methods, the highest exact match first, and the tests of all their pairs.

    Of equal exact matches macro F1 decides which stands first; their ranks are the same all the
    same. few_seeds: what `few_seeds` says of them.
    """

    ranks: tuple[Rank, ...]
    pairs: Pairs
    few_seeds: str

    @property
    def highest(self) -> tuple[str, ...]:
        """The names of those with the very highest exact match; most often one."""
        first = max((rank.exact_match for rank in self.ranks), default=math.nan)
        return tuple(rank.name for rank in self.ranks if rank.exact_match == first)

    @property
    def tests(self) -> str:
        """What the pairs were tested with, in words."""
        seeds = [rank.seeds for rank in self.ranks]
        images = "exact McNemar test" if max(seeds) == 1 else "paired test"
        over = [f"{images} over images"]
        if not np.isnan(self.pairs.p_seeds).all():
            over.append("Welch's over seeds")
        number = len(self.pairs)
        holm = f", Holm over {number} pairs" if number > 1 else ""
        told = f"{' and '.join(over)}{holm}, level {100 * statistics.LEVEL:g} %"
        if max(seeds) == 1:
            return f"{told}; one seed: these trained models, not the methods"
        single = [rank.name for rank in self.ranks if rank.seeds == 1]
        return f"{told}; one seed, so that model alone: {', '.join(single)}" if single else told


def span(best: int, worst: int) -> str:
    """Return the ranks from one to another as "2" or "1–3"."""
    return str(best) if best == worst else f"{best}–{worst}"


def few_seeds(seeds: Mapping[str, int], pairs: int) -> str:
    """Return in words which methods, by name, have too few seeds to be told apart; "" if none.

    It is said of Welch's test, which takes two methods of several seeds; those of one take no part.
    pairs: that are tested.
    """
    several = {name: number for name, number in seeds.items() if number > 1}
    if len(several) < 2:
        return ""
    enough = statistics.seeds_that_show(pairs)
    few = {name: number for name, number in several.items() if number < enough}
    if not few:
        return ""
    least = min(few.values())
    gap, less = (statistics.gap_that_shows(n, pairs) for n in (least, enough))
    of = "the largest of the differences" if pairs > 1 else "the difference"
    holm = f", with Holm's correction over {pairs} pairs," if pairs > 1 else ""
    who = "" if len(few) == len(seeds) else f" ({', '.join(few)})"
    return (
        f"Few seeds{who}: of two methods with {least} each{holm} {of} must be about {gap:.1f} "
        f"standard deviations of the seeds to be told from chance, with {enough} each {less:.1f}. "
        f"Train {enough} or more: `hsal-bench run --seeds 0-{enough - 1}`"
    )


def ranking(methods: Mapping[str, Sequence[Record]]) -> Ranking:
    """Return the ranks of methods on one data set; each has its runs, one per seed.

    Raises:
        UsageError: a method without runs, a run that did not succeed, or runs on different images
            or of different versions of the metrics.
    """
    _refuse(methods)
    rights = {name: _right(runs) for name, runs in methods.items()}
    order = sorted(methods, key=lambda name: _order(name, rights[name], methods[name]))
    pairs = _pairs([rights[name] for name in order])
    apart = pairs.significant
    b_wins = pairs.difference > 0
    losers = np.where(b_wins, pairs.a, pairs.b)[apart]
    winners = np.where(b_wins, pairs.b, pairs.a)[apart]
    better = np.bincount(losers, minlength=len(order)).tolist()
    worse = np.bincount(winners, minlength=len(order)).tolist()
    below = {order[place] for place in pairs.b[apart & (pairs.a == 0)]}
    ranks = (
        Rank(
            name,
            float(rights[name].mean()),
            len(rights[name]),
            1 + better[place],
            len(order) - worse[place],
            name not in below,
        )
        for place, name in enumerate(order)
    )
    # Of entries made elsewhere nobody here can train more seeds.
    seeds = {name: len(runs) for name, runs in methods.items() if runs[0].stated is None}
    return Ranking(tuple(ranks), pairs, few_seeds(seeds, len(pairs)))


def _order(name: str, right: Right, runs: Sequence[Record]) -> tuple[float, float, str]:
    """Return what methods are sorted by: exact match, where it is equal macro F1, then the name."""
    macro_f1, _ = statistics.mean_std([run.metrics.get("macro_f1", math.nan) for run in runs])
    return -right.mean(), math.inf if math.isnan(macro_f1) else -macro_f1, name


def _pairs(rights: Sequence[Right]) -> Pairs:
    """Return the tests of all pairs, computed at once: there are millions of 2,000 methods."""
    a, b = np.triu_indices(len(rights), 1)
    seeds = np.array([len(right) for right in rights], int)
    hits = np.array([int(right.sum()) for right in rights])
    means = hits / np.array([max(1, right.size) for right in rights])
    p_images = _over_images(rights, seeds, hits, a, b)
    scores = _scores(rights)
    p_seeds = statistics.welch(*(statistics.Scores(*(x[i] for x in scores)) for i in (a, b)))
    p = np.fmax(p_images, p_seeds)
    return Pairs(a, b, means[b] - means[a], p_images, p_seeds, p, statistics.holm(p))


def _over_images(
    rights: Sequence[Right], seeds: Places, hits: Places, a: Places, b: Places
) -> Float[np.ndarray, " pairs"]:
    """Return the p-values over images: `mcnemar` of one seed each, else `paired_images`.

    The differences are those of the shares, times the seeds of both: whole, so the tests are exact.
    """
    if not rights:
        return np.empty(0)
    shares = np.stack([right.sum(0) for right in rights]).astype(np.float64)
    images = shares.shape[1]
    products = (shares @ shares.T).astype(np.int64)  # whole numbers below 2^53
    both, squares = products[a, b], np.diag(products)
    single = (seeds[a] == 1) & (seeds[b] == 1)
    p = np.asarray(statistics.mcnemar(hits[a] - both, hits[b] - both))
    sums = seeds[a] * hits[b] - seeds[b] * hits[a]
    spread = (
        seeds[a] ** 2 * squares[b] + seeds[b] ** 2 * squares[a] - 2 * seeds[a] * seeds[b] * both
    )
    # No difference is above seeds[a] * seeds[b]: so many images differ at least.
    many = spread > statistics.FEW * (seeds[a] * seeds[b]) ** 2
    normal = many & ~single
    p[normal] = statistics.paired_t(sums[normal], spread[normal], images)
    for pair in np.flatnonzero(~many & ~single):
        first, second = rights[a[pair]], rights[b[pair]]
        p[pair] = statistics.paired_images(len(first) * second.sum(0) - len(second) * first.sum(0))
    return p


def _scores(rights: Sequence[Right]) -> statistics.Scores:
    """Return each method's exact match over its seeds; seeds that agree have no deviation."""
    scores = [right.mean(1) for right in rights]
    mean, std = np.array([statistics.mean_std(x) for x in scores]).reshape(-1, 2).T
    std = np.where([np.ptp(x) == 0 and len(x) > 1 for x in scores], 0.0, std)
    return statistics.Scores(mean, std, np.array([len(x) for x in scores], int))


def _right(runs: Sequence[Record]) -> Right:
    return np.stack([unpack_correct(run.correct) for run in runs if run.correct is not None])


def _refuse(methods: Mapping[str, Sequence[Record]]) -> None:
    found: dict[tuple[str, int, int], str] = {}
    for name, runs in methods.items():
        if not runs:
            raise UsageError(f"{name} has no run to rank: leave it out")
        for run in runs:
            if run.correct is None:
                raise UsageError(f"{name}, seed {run.seed}, {run.status}: leave it out of a rank")
            content = run.data_set.content_sha256
            found.setdefault((content, run.metrics_version, run.correct.length), name)
    if len(found) > 1:
        told = (
            f"{name} on content {content[:8]}, {images:,} images, metrics {version}"
            for (content, version, images), name in found.items()
        )
        raise UsageError(f"ranks need the same images and metrics: {'; '.join(told)}")
