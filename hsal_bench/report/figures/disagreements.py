"""A contact sheet of images that one of two predictions alone has right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from hsal_bench.compare.pairwise import Contest, Outcome
from hsal_bench.data.file import open_data
from hsal_bench.errors import HsalBenchError
from hsal_bench.report.figures import style
from hsal_bench.report.figures.contact_sheet import Line, contact_sheet


def contest_picture(contest: Contest, count: int) -> Image.Image:
    """Return at most `count` images as an RGB grid; below each its truth, and A's and B's answers.

    Raises:
        HsalBenchError: one alone is right on no image, or the data set's file is not there.
    """
    if contest.file is None:
        raise HsalBenchError(
            f"no data set file with the content {contest.content[:8]}, whose images would be "
            "drawn: name it with --dataset"
        )
    rows = differing(contest, count)
    if not len(rows):
        raise HsalBenchError("there is no image that one alone has right: nothing is drawn")
    a, b = (source.name for source in contest.sources)
    with open_data(contest.file) as data:
        names = data.header.class_names
        lines = [
            [
                _line(letter, outcome, row, names)
                for letter, outcome in zip("AB", contest.outcomes, strict=True)
            ]
            for row in rows
        ]
        title = f"A: {a}   B: {b}   on {contest.data_set}: {drawn(contest, count)}"
        return contact_sheet(data, contest.split, rows.tolist(), title=title, lines=lines)


def differing(contest: Contest, count: int) -> np.ndarray:
    """Return at most `count` rows of images that one alone has right, in their order.

    As many that A has right as B, as far as there are; the first of each.
    """
    a, b = (outcome.right for outcome in contest.outcomes)
    only_a, only_b = np.flatnonzero(a & ~b), np.flatnonzero(b & ~a)
    of_b = min(len(only_b), max(count // 2, count - len(only_a)))
    return np.sort(np.concatenate([only_a[: count - of_b], only_b[:of_b]]))


def drawn(contest: Contest, count: int) -> str:
    """Return in words which images `contest_picture` draws, and of how many."""
    rows, found = differing(contest, count), contest.comparison
    of_a = int(contest.outcomes[0].right[rows].sum())
    of_b, every = len(rows) - of_a, found.only_a + found.only_b
    which = "the first of each" if len(rows) < every else "all of them"
    return (
        f"images that A alone has right, {of_a:,} of {found.only_a:,}, and B alone, {of_b:,} of "
        f"{found.only_b:,}: {which}"
    )


def _line(letter: str, outcome: Outcome, row: int, names: Sequence[str]) -> Line:
    """Return "A ✓ {3, 7}"; without the set where what was predicted is not known."""
    right = bool(outcome.right[row])
    told = f"{letter} {style.MARKS[right]}"
    if outcome.counts is not None:
        labels = np.repeat(np.arange(len(names)), outcome.counts[row])
        told += f" {style.multiset(labels.tolist(), names)}"
    return told, style.RIGHT if right else style.WRONG
