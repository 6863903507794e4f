"""Bar charts of exact match by number of objects, one per method."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from hsal_bench.report.columns import cell

from .sections import CHARTED, Row, Section
from .svg import Axis, tag, text

_BAR = 24
_TOP, _HEIGHT = 16, 58


@dataclass(frozen=True)
class Bars:
    """The bars of a method; sizes: the number of bars."""

    row: Row
    svg: Markup
    sizes: int


def bars(section: Section) -> list[Bars]:
    """Return the bars of each method with a successful run; none if no run has the numbers."""
    names = {name for row in section.rows for run in row.good for name in run.metrics}
    matches = (re.fullmatch(r"exact_match_m([0-9]+)", name) for name in names)
    sizes = sorted(int(match[1]) for match in matches if match)
    rows = [row for row in section.rows if row.good] if sizes else []
    return [Bars(row, _bars(row, sizes), len(sizes)) for row in rows]


def _bars(row: Row, sizes: Sequence[int]) -> Markup:
    """Return a bar per number of objects, with its mean and the deviation over seeds."""
    wide, bottom = _BAR * len(sizes) + 4, _TOP + _HEIGHT
    y = Axis(0.0, 1.0, bottom, _TOP)
    means = {m: row.mean(f"exact_match_m{m}") for m in sizes}
    described = ", ".join(
        f"{m} {'object' if m == 1 else 'objects'}: {cell(CHARTED, *means[m])}" for m in sizes
    )
    parts = [part for k, m in enumerate(sizes) for part in _bar(2 + _BAR * k, m, *means[m], y)]
    base = tag("line", x1=0, x2=wide, y1=bottom, y2=bottom, class_="axis")
    title = tag("title", f"Exact match of {row.label} by number of objects: {described}")
    return tag(
        "svg",
        title,
        *parts,
        base,
        viewBox=f"0 0 {wide} {bottom + 16}",
        width=wide,
        height=bottom + 16,
        role="img",
        class_="bars",
    )


def _bar(left: int, m: int, mean: float, std: float, y: Axis) -> Iterator[Markup]:
    middle = left + _BAR / 2
    yield text(str(m), middle, y.start + 13, "middle")
    if math.isnan(mean):
        yield text("—", middle, y.start - 4, "middle")
        return
    up = y.at(mean)
    yield tag("rect", x=left + 2, y=up, width=_BAR - 4, height=round(y.start - up, 1))
    top = up
    if std > 0:
        top = max(y.at(mean + std), 4.0)
        yield tag(
            "line",
            x1=middle,
            x2=middle,
            y1=top,
            y2=min(y.at(mean - std), y.start),
            class_="whisker",
        )
    share = f"{mean:.2f}".removeprefix("0")
    yield text(share, middle, round(min(top, up) - 3, 1), "middle", class_="value")
