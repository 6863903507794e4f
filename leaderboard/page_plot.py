"""What the board's charts share: a frame with two axes, a method's marks, and where names go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from .page_rows import SORT_BY, Row
from .page_svg import Axis, around, colour, number, tag, text

WIDTH, HEIGHT = 380, 262
LEFT, RIGHT, TOP, BOTTOM = 42, 12, 14, 40
LETTER = 6.1
"""Pixels, of a label's letters on average."""
_LONGEST = 24

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


def names(places: Sequence[tuple[Row, Point]]) -> dict[str, Markup]:
    """Return, by the rows' anchors, those names that cover no mark and no other name."""
    taken = [(x - 6, y - 6, x + 6, y + 6) for _, (x, y) in places]
    found = {}
    for row, place in places:
        for box, label in _beside(row, place):
            if _inside(box) and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                found[row.anchor] = label
                break
    return found


def _beside(row: Row, place: Point) -> Iterator[tuple[Box, Markup]]:
    """Yield a method's name to the right of its mark, to the left, above, below, and aslant."""
    x, y = place
    name = _short(row.name)
    wide = LETTER * len(name)
    right, left = (8, 0, "start", 0.0), (-8, 0, "end", 1.0)
    above, below = (0, -13, "middle", 0.5), (0, 13, "middle", 0.5)
    aslant = [(dx, dy, *side[2:]) for dy in (-10, 10) for dx, side in ((7, right), (-7, left))]
    for dx, dy, anchor, before in (right, left, above, below, *aslant):
        start, middle = x + dx - before * wide, y + dy
        label = text(name, round(x + dx, 1), round(middle + 4, 1), anchor, class_="name")
        yield (start, middle - 6, start + wide, middle + 6), label


def _inside(box: Box) -> bool:
    left, top, right, bottom = box
    return left >= LEFT and right <= WIDTH and top >= 0 and bottom <= HEIGHT - BOTTOM


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
