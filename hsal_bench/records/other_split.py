"""Predictions that are not whole: are they those of another split of the same data set file?"""

from __future__ import annotations

from collections.abc import Mapping

from hsal_bench.errors import UsageError
from hsal_bench.records.predictions import BadPredictions


def refuse_other_split(error: BadPredictions, sizes: Mapping[str, int], split: str) -> None:
    """Refuse in one line what fits another split than `split`, where one is fitted.

    By the number of lines, or by ids that `split` does not have. sizes: images of each split.

    Raises:
        UsageError: it fits another; the remedy is named.
    """
    lines, last, size = error.lines, error.last, sizes[split]
    if lines in (0, size):
        return
    if fits := _of_size(sizes, lines):
        told = f"{lines:,} lines, as many as {fits[0]} has images, and {split} has {size:,}"
    elif last >= size and (fits := _of_size(sizes, last + 1)):
        told = f"ids up to {last:,}, as {fits[0]} has, and {split} has them up to {size - 1:,}"
    else:
        return
    options = " or ".join(f"--split {other}" for other in fits)
    raise UsageError(f"{error.where} has {told}: if it is of that split, say {options}") from error


def _of_size(sizes: Mapping[str, int], wanted: int) -> list[str]:
    return [split for split, size in sizes.items() if size == wanted]
