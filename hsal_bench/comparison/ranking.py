"""Ranks of methods with significance tests, from their records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hsal_bench.comparison import seeds as over_seeds
from hsal_bench.comparison import statistics
from hsal_bench.comparison.pairs import Pairs, Right, pairs_of
from hsal_bench.errors import UsageError
from hsal_bench.record.correct import unpack_correct
from hsal_bench.record.record import Record
from hsal_bench.text import named

TOO_FEW = "too few seeds"


@dataclass(frozen=True)
class Rank:
    """A method's range of ranks: after all significantly better ones, before all worse ones.

    exact_match: the mean over its seeds. as_best: it has the highest exact match, or is not
    significantly different from the method that has it. unknown: two seeds without pooling say
    nothing: no difference from any method is significant.
    """

    name: str
    exact_match: float
    seeds: int
    best: int
    worst: int
    as_best: bool
    unknown: bool = False

    @property
    def text(self) -> str:
        """The range of ranks, as "2" or "1–3"; "too few seeds" if it is unknown."""
        return TOO_FEW if self.unknown else span(self.best, self.worst)


@dataclass(frozen=True)
class Ranking:
    """The methods, the highest exact match first, and the tests of all their pairs.

    Methods with the same exact match are sorted by macro F1, but have the same ranks. few_seeds:
    the note of `few_seeds`.
    """

    ranks: tuple[Rank, ...]
    pairs: Pairs
    few_seeds: str

    @property
    def highest(self) -> tuple[str, ...]:
        """The names of the methods with the highest exact match: usually one."""
        first = max((rank.exact_match for rank in self.ranks), default=math.nan)
        return tuple(rank.name for rank in self.ranks if rank.exact_match == first)

    @cached_property
    def tests(self) -> str:
        """The tests of the pairs, in words."""
        seeds = [rank.seeds for rank in self.ranks]
        images = "exact McNemar test" if max(seeds) == 1 else "paired test"
        over = [f"{images} over images"]
        if not np.isnan(self.pairs.p_seeds).all():
            pooled = " with pooled variance" if self.pairs.pooled else ""
            over.append(f"Welch's over seeds{pooled}")
        number = len(self.pairs)
        holm = f", Holm over {number} pairs" if number > 1 else ""
        tests = f"{' and '.join(over)}{holm}, level {100 * statistics.LEVEL:g} %"
        if max(seeds) == 1:
            return f"{tests}; one seed: compares the trained models, not the methods"
        single = [rank.name for rank in self.ranks if rank.seeds == 1]
        return f"{tests}; only one trained model of {named(single)}" if single else tests


def span(best: int, worst: int) -> str:
    """Return the ranks from one to another as "2" or "1–3"."""
    return str(best) if best == worst else f"{best}–{worst}"


def few_seeds(seeds: Mapping[str, int], pairs: int) -> str:
    """Return a note on methods with too few seeds for a significant difference; "" if none.

    It concerns Welch's test, which needs several seeds of both methods. seeds: their number by
    method. pairs: the number of tested pairs.
    """
    several = {name: number for name, number in seeds.items() if number > 1}
    if len(several) < 2:
        return ""
    is_pooled = over_seeds.justified([number - 1 for number in several.values()])
    enough = over_seeds.seeds_that_show(pairs, len(several))
    few = {name: number for name, number in several.items() if number < enough}
    if not few:
        return ""
    least = min(few.values())
    gap = over_seeds.gap_that_shows(least, pairs, is_pooled=is_pooled)
    will_be = over_seeds.justified([enough - 1] * len(several))
    less = over_seeds.gap_that_shows(enough, pairs, is_pooled=will_be)
    gap_of = "the largest difference" if pairs > 1 else "the difference"
    holm = f" and Holm's correction over {pairs} pairs" if pairs > 1 else ""
    who = "" if len(few) == len(seeds) else f" ({named([*few])})"
    return (
        f"Few seeds{who}: with {least} per method{holm}, {gap_of} is significant only above about "
        f"{gap:.1f} standard deviations over seeds; with {enough} per method above {less:.1f}. "
        f"Train {enough} seeds or more (--seeds 0-{enough - 1})"
    )


def ranking(methods: Mapping[str, Sequence[Record]]) -> Ranking:
    """Return the ranks of methods on one dataset; each has its runs, one per seed.

    Raises:
        UsageError: a method without runs, a run that did not succeed, or runs with different
            images or versions of the metrics.
    """
    _refuse(methods)
    rights = {name: _right(runs) for name, runs in methods.items()}
    order = sorted(methods, key=lambda name: _order(name, rights[name], methods[name]))
    pairs = pairs_of([rights[name] for name in order])
    significant = pairs.significant
    b_wins = pairs.difference > 0
    losers = np.where(b_wins, pairs.a, pairs.b)[significant]
    winners = np.where(b_wins, pairs.b, pairs.a)[significant]
    better = np.bincount(losers, minlength=len(order)).tolist()
    worse = np.bincount(winners, minlength=len(order)).tolist()
    below = {order[place] for place in pairs.b[significant & (pairs.a == 0)]}
    ranks = (
        Rank(
            name,
            float(rights[name].mean()),
            len(rights[name]),
            1 + better[place],
            len(order) - worse[place],
            name not in below,
            _unknown(len(rights[name]), pairs, better[place] + worse[place]),
        )
        for place, name in enumerate(order)
    )
    # Nobody here can train more seeds of predictions made elsewhere.
    seeds = {name: len(runs) for name, runs in methods.items() if runs[0].stated is None}
    return Ranking(tuple(ranks), pairs, few_seeds(seeds, len(pairs)))


def _unknown(seeds: int, pairs: Pairs, differences: int) -> bool:
    """Whether two seeds, not pooled, leave all pairs of a method open; given its differences."""
    return seeds == 2 and len(pairs) > 0 and not pairs.pooled and differences == 0


def _order(name: str, right: Right, runs: Sequence[Record]) -> tuple[float, float, str]:
    """Return the sort key: exact match, then macro F1, then the name."""
    macro_f1, _ = statistics.mean_std([run.metrics.get("macro_f1", math.nan) for run in runs])
    return -right.mean(), math.inf if math.isnan(macro_f1) else -macro_f1, name


def _right(runs: Sequence[Record]) -> Right:
    return np.stack([unpack_correct(run.correct) for run in runs if run.correct is not None])


def _refuse(methods: Mapping[str, Sequence[Record]]) -> None:
    images: dict[tuple[str, int, int], str] = {}
    for name, runs in methods.items():
        if not runs:
            raise UsageError(f"{name} has no run to rank: leave it out")
        for run in runs:
            if run.correct is None:
                raise UsageError(
                    f"{name}, seed {run.seed}, {run.status}: rank only successful runs"
                )
            content = run.data_set.content_sha256
            images.setdefault((content, run.metrics_version, run.correct.length), name)
    if len(images) > 1:
        methods_on = (
            f"{name} on content {content[:8]}, {number:,} images, metrics {version}"
            for (content, version, number), name in images.items()
        )
        raise UsageError(f"runs on different images or metrics: {'; '.join(methods_on)}")
