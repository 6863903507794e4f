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
from itertools import combinations

import numpy as np
from jaxtyping import Bool

from hsal_bench import statistics
from hsal_bench.errors import UsageError
from hsal_bench.record import Record, unpack_correct

Right = Bool[np.ndarray, "seeds images"]


@dataclass(frozen=True)
class Pair:
    """Two methods: `difference` is the exact match of `b` minus that of `a`.

    p_seeds is NaN where one of them has one seed; `p` is the larger of the two, `adjusted` the
    same after Holm's correction.
    """

    a: str
    b: str
    difference: float
    p_images: float
    p_seeds: float
    p: float
    adjusted: float

    @property
    def told_apart(self) -> bool:
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
        """The ranks it can have, as "2" or "1-3"."""
        return span(self.best, self.worst)


@dataclass(frozen=True)
class Ranking:
    """The methods, the highest exact match first, and the tests of all their pairs.

    Of equal exact matches macro F1 decides which stands first; their ranks are the same all the
    same. few_seeds: what `few_seeds` says of them.
    """

    ranks: tuple[Rank, ...]
    pairs: tuple[Pair, ...]
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
        if any(not math.isnan(pair.p_seeds) for pair in self.pairs):
            over.append("Welch's over seeds")
        number = len(self.pairs)
        holm = f", Holm over {number} pairs" if number > 1 else ""
        told = f"{' and '.join(over)}{holm}, level {100 * statistics.LEVEL:g} %"
        if max(seeds) == 1:
            return f"{told}; one seed: these trained models, not the methods"
        single = [rank.name for rank in self.ranks if rank.seeds == 1]
        return f"{told}; one seed, so that model alone: {', '.join(single)}" if single else told


def span(best: int, worst: int) -> str:
    """Return the ranks from one to another as "2" or "1-3"."""
    return str(best) if best == worst else f"{best}-{worst}"


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
    pairs = _pairs({name: rights[name] for name in order})
    better = dict.fromkeys(order, 0)
    worse = dict(better)
    for pair in filter(lambda pair: pair.told_apart, pairs):
        winner, loser = (pair.b, pair.a) if pair.difference > 0 else (pair.a, pair.b)
        better[loser] += 1
        worse[winner] += 1
    below = {pair.b for pair in pairs if pair.a == order[0] and pair.told_apart}
    ranks = (
        Rank(
            name,
            float(rights[name].mean()),
            len(rights[name]),
            1 + better[name],
            len(order) - worse[name],
            name not in below,
        )
        for name in order
    )
    # Of entries made elsewhere nobody here can train more seeds.
    seeds = {name: len(runs) for name, runs in methods.items() if runs[0].stated is None}
    return Ranking(tuple(ranks), pairs, few_seeds(seeds, len(pairs)))


def _order(name: str, right: Right, runs: Sequence[Record]) -> tuple[float, float, str]:
    """Return what methods are sorted by: exact match, where it is equal macro F1, then the name."""
    macro_f1, _ = statistics.mean_std([run.metrics.get("macro_f1", math.nan) for run in runs])
    return -right.mean(), math.inf if math.isnan(macro_f1) else -macro_f1, name


def _pairs(rights: Mapping[str, Right]) -> tuple[Pair, ...]:
    names = list(combinations(rights, 2))
    tests = [_tests(rights[a], rights[b]) for a, b in names]
    p = [max(images, -math.inf if math.isnan(seeds) else seeds) for images, seeds in tests]
    return tuple(
        Pair(a, b, float(rights[b].mean() - rights[a].mean()), *test, larger, adjusted)
        for (a, b), test, larger, adjusted in zip(names, tests, p, statistics.holm(p), strict=True)
    )


def _tests(a: Right, b: Right) -> tuple[float, float]:
    """Return the p-values over images and over seeds."""
    if len(a) == len(b) == 1:
        images = statistics.mcnemar(int((a & ~b).sum()), int((b & ~a).sum()))
    else:
        # The differences of the shares, times the seeds of both: whole, so the test is exact.
        images = statistics.paired_images(len(a) * b.sum(0) - len(b) * a.sum(0))
    several = min(len(a), len(b)) > 1
    return images, statistics.welch(a.mean(1), b.mean(1)) if several else math.nan


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
