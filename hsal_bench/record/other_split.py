"""Recognising predictions of a different split of the same dataset."""

from __future__ import annotations

from collections.abc import Mapping

from hsal_bench.errors import UsageError
from hsal_bench.record.predictions import BadPredictions


def refuse_other_split(error: BadPredictions, sizes: Mapping[str, int], split: str) -> None:
    """Refuse bad predictions for `split` in one line if they fit a different split.

    They fit by their number of lines, or by ids beyond those of `split`. sizes: number of images
    of each split.

    Raises:
        UsageError: they fit a different split; the message names the option to use.
    """
    lines, last, size = error.lines, error.last, sizes[split]
    if lines in (0, size):
        return
    if fits := _of_size(sizes, lines):
        reason = f"has {lines:,} lines: {split} has {size:,} images, {fits[0]} has {lines:,}"
    elif last >= size and (fits := _of_size(sizes, last + 1)):
        reason = f"has ids up to {last:,}: {split} ends at {size - 1:,}, {fits[0]} at {last:,}"
    else:
        return
    options = " or ".join(f"--split {name}" for name in fits)
    raise UsageError(f"{error.where} {reason}; did you mean {options}?") from error


def _of_size(sizes: Mapping[str, int], wanted: int) -> list[str]:
    return [split for split, size in sizes.items() if size == wanted]
