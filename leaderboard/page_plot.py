"""What the board's charts share: a frame with two axes, a method's marks, and where names go."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from markupsafe import Markup

from .page_rows import SORT_BY, Row
from .page_svg import Axis, around, colour, number, tag, text

WIDTH, HEIGHT = 380, 262
LEFT, RIGHT, TOP, BOTTOM = 42, 12, 14, 40
LETTER = 6.1
"""Pixels, of a label's letters on average."""
_LONGEST = 24
_CLEARER = 2.0
"""Pixels by which a name is nearer to its own mark than to others."""

Point = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Plot:
    """Axes with their labels; `anchor` is a name for the places within it, `title` stands above."""

    anchor: str
    title: str
    x: Axis
    y: Axis
    x_label: str

    def at(self, x: float, y: float) -> Point:
        """Return the place of two values."""
        return self.x.at(x), self.y.at(y)

    def drawn(self, where: str, described: str, series: Iterable[Markup]) -> Markup:
        """Return the chart with each method's marks; `where` and `described` tell it in words."""
        title, description = f"{self.anchor}_title", f"{self.anchor}_desc"
        return tag(
            "svg",
            tag("title", f"{self.title}: {where}", id=title),
            tag("desc", described, id=description),
            *self._frame(),
            *series,
            viewBox=f"0 0 {WIDTH} {HEIGHT}",
            role="group",
            aria_labelledby=title,
            aria_describedby=description,
            class_="chart",
        )

    def _frame(self) -> Iterator[Markup]:
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        for tick in self.y.ticks():
            up = self.y.at(tick)
            yield tag("line", x1=LEFT, x2=right, y1=up, y2=up, class_="grid")
            yield text(number(tick), LEFT - 6, up + 4, "end")
        for tick in self.x.ticks():
            across = self.x.at(tick)
            yield tag("line", x1=across, x2=across, y1=bottom, y2=bottom + 4, class_="axis")
            yield text(number(tick), across, bottom + 17, "middle")
        yield tag("line", x1=LEFT, x2=right, y1=bottom, y2=bottom, class_="axis")
        yield text(self.x_label, (LEFT + right) / 2, HEIGHT - 6, "middle")


def across(values: Sequence[float], *, log: bool = False) -> Axis:
    """Return the horizontal axis with room for the values."""
    return around(values, LEFT, WIDTH - RIGHT, log=log)


def upwards(shares: Sequence[float]) -> Axis:
    """Return the vertical axis with room for shares, of what lies in [0, 1]."""
    axis = around([min(max(share, 0.0), 1.0) for share in shares], HEIGHT - BOTTOM, TOP)
    return replace(axis, low=max(axis.low, 0.0), high=min(axis.high, 1.0))


def series(row: Row, parts: Iterable[Markup]) -> Markup:
    """Return what is drawn of a method, as a link to its records."""
    title = tag("title", f"{row.name}: {row.cell(SORT_BY).text}")
    inside = tag("g", title, *parts, class_=colour(row.ink))
    told = {"data_series": row.anchor, "data_name": row.name}
    return tag("a", inside, href=f"#{row.anchor}", class_="series", **told)


def pointed_at(row: Row, place: Point) -> Markup:
    """Return a method's name beside a place, to be seen while its marks are pointed at."""
    x, y = place
    left = x > WIDTH / 2
    up = round(y - 9 if y > TOP + 14 else y + 17, 1)
    side = (x - 6, up, "end") if left else (x + 6, up, "start")
    return text(_short(row.name), *side, class_="name shown")


@dataclass(frozen=True)
class _Label:
    """A method's name in the place that `box` takes; `led`: with a line from its mark to it."""

    box: Box
    drawn: Markup
    led: bool = False


def names(places: Sequence[tuple[Row, Point]]) -> dict[str, Markup]:
    """Return, by the rows' anchors, those names that cover no mark and no other name.

    One stands nearer to its own mark than to any other, or a line leads to it.
    """
    marks = [place for _, place in places]
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in marks]
    found = {}
    for row, place in places:
        for label in _beside(row, place):
            free = not any(_overlap(label.box, other) for other in taken)
            if _inside(label.box) and free and (label.led or _nearest(place, label.box, marks)):
                taken.append(label.box)
                found[row.anchor] = label.drawn
                break
    return found


def _beside(row: Row, place: Point) -> Iterator[_Label]:
    """Yield a method's name right of its mark, left, above and below; then aslant, led to."""
    x, y = place
    name = _short(row.name)
    right, left = (8, 0, "start", 0.0), (-8, 0, "end", 1.0)
    above, below = (0, -13, "middle", 0.5), (0, 13, "middle", 0.5)
    for dx, dy, anchor, before in (right, left, above, below):
        yield _Label(*_written(name, x + dx, y + dy, anchor, before))
    for dx, dy in product((18, 34), (-18, 18, -32, 32)):
        for towards, anchor, before in ((1, "start", 0.0), (-1, "end", 1.0)):
            end = round(x + towards * dx, 1), round(y + dy, 1)
            box, written = _written(name, end[0] + 2 * towards, end[1], anchor, before)
            lead = tag("line", x1=x, y1=y, x2=end[0], y2=end[1], class_="lead")
            yield _Label(box, lead + written, led=True)


def _written(name: str, x: float, y: float, anchor: str, before: float) -> tuple[Box, Markup]:
    """Return the place of a name at (x, y), of which the share `before` lies to the left of it."""
    start, wide = x - before * LETTER * len(name), LETTER * len(name)
    label = text(name, round(x, 1), round(y + 4, 1), anchor, class_="name")
    return (start, y - 6, start + wide, y + 6), label


def _nearest(place: Point, box: Box, marks: Iterable[Point]) -> bool:
    """Whether no mark is as near to a name's place as its own."""
    own = _distance(place, box)
    return all(mark == place or _distance(mark, box) > own + _CLEARER for mark in marks)


def _distance(place: Point, box: Box) -> float:
    (x, y), (left, top, right, bottom) = place, box
    return math.hypot(max(left - x, 0.0, x - right), max(top - y, 0.0, y - bottom))


def _inside(box: Box) -> bool:
    left, top, right, bottom = box
    return left >= LEFT and right <= WIDTH and top >= 0 and bottom <= HEIGHT - BOTTOM


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
