"""A contact sheet of images that only one of two predictions has right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from hsal_bench.comparison.two_sources import Comparison, SourceOutcome
from hsal_bench.data.file import open_data
from hsal_bench.errors import HsalBenchError
from hsal_bench.report.figures import style
from hsal_bench.report.figures.contact_sheet import Line, contact_sheet


def comparison_picture(comparison: Comparison, count: int) -> Image.Image:
    """Return at most `count` images as an RGB grid, each with its truth and the two predictions.

    Raises:
        HsalBenchError: A and B are right on the same images, or the dataset file is missing.
    """
    if comparison.file is None:
        raise HsalBenchError(
            f"drawing needs the dataset with content {comparison.content[:8]}: name it with "
            "--dataset"
        )
    rows = differing(comparison, count)
    if not len(rows):
        raise HsalBenchError("A and B are right on the same images: there is nothing to draw")
    a, b = (source.name for source in comparison.sources)
    with open_data(comparison.file) as data:
        names = data.header.class_names
        lines = [
            [
                _line(letter, outcome, row, names)
                for letter, outcome in zip("AB", comparison.outcomes, strict=True)
            ]
            for row in rows
        ]
        title = f"A: {a}   B: {b}   on {comparison.data_set}: {describe_picture(comparison, count)}"
        return contact_sheet(data, comparison.split, rows.tolist(), title=title, lines=lines)


def differing(comparison: Comparison, count: int) -> np.ndarray:
    """Return at most `count` ascending rows of images that only A or only B has right.

    The first rows of each, as many of A as of B if there are enough.
    """
    a, b = (outcome.right for outcome in comparison.outcomes)
    only_a, only_b = np.flatnonzero(a & ~b), np.flatnonzero(b & ~a)
    of_b = min(len(only_b), max(count // 2, count - len(only_a)))
    return np.sort(np.concatenate([only_a[: count - of_b], only_b[:of_b]]))


def describe_picture(comparison: Comparison, count: int) -> str:
    """Return in words which images `comparison_picture` draws, and out of how many."""
    rows, result = differing(comparison, count), comparison.result
    of_a = int(comparison.outcomes[0].right[rows].sum())
    of_b, every = len(rows) - of_a, result.only_a + result.only_b
    which = "the first of each" if len(rows) < every else "all of them"
    return (
        f"images that only A has right, {of_a:,} of {result.only_a:,}, and only B, {of_b:,} of "
        f"{result.only_b:,}: {which}"
    )


def _line(letter: str, outcome: SourceOutcome, row: int, names: Sequence[str]) -> Line:
    """Return "A ✓ {3, 7}"; without the multiset if the prediction is unknown."""
    right = bool(outcome.right[row])
    text = f"{letter} {style.MARKS[right]}"
    if outcome.counts is not None:
        labels = np.repeat(np.arange(len(names)), outcome.counts[row])
        text += f" {style.multiset(labels.tolist(), names)}"
    return text, style.RIGHT if right else style.WRONG
