"""Comparison of two predictions of the same images, image by image.

Intervals are bootstrapped over images with the same resamples for both; the p-value is that of
McNemar's exact test of exact match. Both are about these two predictions alone, not about further
seeds of the methods (`ranking` is).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from hsal_bench.comparison import statistics
from hsal_bench.metrics.scores import Counts

Right = Bool[np.ndarray, " images"]


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % bootstrap interval over images."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedScore:
    """A metric of A, of B, and the difference B - A."""

    a: Estimate
    b: Estimate
    difference: Estimate


@dataclass(frozen=True)
class Kind:
    """The exact match on images of one kind ("3 objects", "a repeat")."""

    name: str
    images: int
    exact_match: PairedScore


@dataclass(frozen=True)
class PairedResult:
    """The result of comparing A with B.

    both, only_a, only_b, neither: numbers of images that are right. p: of McNemar's test.
    smallest_difference: approximate detectable difference in exact match on these images
    (`statistics.smallest_difference`); NaN if none is detectable. Without the truth there are no
    kinds, without counts no macro F1.
    """

    images: int
    exact_match: PairedScore
    macro_f1: PairedScore | None
    both: int
    only_a: int
    only_b: int
    neither: int
    p: float
    smallest_difference: float
    kinds: tuple[Kind, ...]

    @property
    def significant(self) -> bool:
        """Whether A and B differ significantly, at the level of the test."""
        return self.p < statistics.LEVEL


def compare(
    a: Right,
    b: Right,
    truth: Counts | None = None,
    counts: tuple[Counts, Counts] | None = None,
) -> PairedResult:
    """Compare A and B by the images they have right, and by their predicted counts if given.

    a, b: bool [images]. truth: [images, classes]; counts: the same of A and of B.

    Raises:
        ValueError: counts without the truth, or different numbers of images.
    """
    if counts is not None and truth is None:
        raise ValueError("counts are given without the truth: pass both")
    sizes = {len(array) for array in (a, b, truth, *(counts or ())) if array is not None}
    if len(sizes) > 1:
        raise ValueError(f"the arrays have {sorted(sizes)} images: pass the same images everywhere")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return PairedResult(
        images=len(a),
        exact_match=_exact_match(a, b),
        macro_f1=None if truth is None or counts is None else _macro_f1(truth, *counts),
        both=int((a & b).sum()),
        only_a=only_a,
        only_b=only_b,
        neither=int((~a & ~b).sum()),
        p=float(statistics.mcnemar(only_a, only_b)),
        smallest_difference=statistics.smallest_difference(len(a), only_a + only_b),
        kinds=() if truth is None else tuple(_kinds(a, b, truth)),
    )


def verdict(result: PairedResult, a: str, b: str) -> str:
    """Return in plain words whether A or B is better, and the detectable difference.

    a, b: their names.
    """
    difference, p = result.exact_match.difference, p_value(result.p)
    winner, sign = (b, 1) if difference.value > 0 else (a, -1)
    points = _rounded(100 * abs(difference.value))
    low, high = sorted((100 * sign * difference.low, 100 * sign * difference.high))
    evidence = f"(95 % CI {_rounded(low)} to {_rounded(high)}), McNemar {p}"
    text = f"{winner} is {points} points better {evidence}"
    if not result.significant:
        by = (
            f"{winner} leads by {points} points"
            if points != "0.0"
            else "the difference is 0.0 points"
        )
        text = f"{a} and {b} are not significantly different: {by} {evidence}"
    return "; ".join(filter(None, [text, detectable(result)]))


def detectable(result: PairedResult) -> str:
    """Return in words the smallest difference that these images could show.

    The number is an approximation. "" if there is none although A and B differ significantly,
    which happens if very few images differ.
    """
    smallest = result.smallest_difference
    if math.isnan(smallest):
        return "" if result.significant else "too few images differ to detect any difference"
    return (
        f"a difference of about {100 * smallest:.1f} points would be detected with "
        f"{100 * statistics.POWER:.0f} % power"
    )


def p_value(p: float) -> str:
    """Return "p < 0.0001", or "p = 0.012"."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def _exact_match(a: Right, b: Right) -> PairedScore:
    pair = np.column_stack([a, b])
    return _scores(pair.mean(0), statistics.resampled_sums(pair) / len(pair))


def _macro_f1(truth: Counts, a: Counts, b: Counts) -> PairedScore:
    # Signed: the counts of a dataset are uint8, and their sums would wrap around.
    c = truth.astype(np.int64)
    arrays = [array for p in (a, b) for array in (np.minimum(c, p), c + p)]
    columns = np.concatenate(arrays, axis=1)
    return _scores(
        _f1(columns.sum(0)[None], len(arrays))[0],
        _f1(statistics.resampled_sums(columns), len(arrays)),
    )


def _f1(
    sums: Float[np.ndarray, "resamples columns"] | Int[np.ndarray, "resamples columns"], number: int
) -> Float[np.ndarray, "resamples two"]:
    hits_a, objects_a, hits_b, objects_b = np.split(sums, number, axis=1)
    return np.column_stack(
        [statistics.macro_f1(hits_a, objects_a), statistics.macro_f1(hits_b, objects_b)]
    )


def _kinds(a: Right, b: Right, truth: Counts) -> Iterator[Kind]:
    objects, repeat = truth.sum(1, dtype=np.int64), (truth > 1).any(1)
    kinds = {f"{m} object{'' if m == 1 else 's'}": objects == m for m in np.unique(objects)}
    for name, images in (kinds | {"a repeat": repeat, "no repeat": ~repeat}).items():
        if images.any():
            yield Kind(name, int(images.sum()), _exact_match(a[images], b[images]))


def _scores(
    values: Float[np.ndarray, " two"], replicates: Float[np.ndarray, "resamples two"]
) -> PairedScore:
    """Return the scores from the values of A and B and their bootstrap replicates."""

    def estimate(value: float, over: Float[np.ndarray, " resamples"]) -> Estimate:
        return Estimate(float(value), *statistics.percentile_interval(over))

    return PairedScore(
        estimate(values[0], replicates[:, 0]),
        estimate(values[1], replicates[:, 1]),
        estimate(values[1] - values[0], replicates[:, 1] - replicates[:, 0]),
    )


def _rounded(points: float) -> str:
    return f"{round(points, 1) + 0.0:.1f}"  # + 0.0: -0.04 becomes 0.0, not -0.0
