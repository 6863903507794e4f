"""Parts of charts: a frame with two axes, and a method's marks and name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from .sections import CHARTED, Row
from .svg import Axis, around, colour, number, tag, text

WIDTH, HEIGHT = 380, 262
LEFT, RIGHT, TOP, BOTTOM = 42, 12, 14, 40
_LONGEST = 24

Point = tuple[float, float]


@dataclass(frozen=True)
class Plot:
    """Two axes with labels; `anchor` is the prefix of its element ids, `title` its heading."""

    anchor: str
    title: str
    x: Axis
    y: Axis
    x_label: str

    def at(self, x: float, y: float) -> Point:
        """Return the position of two values."""
        return self.x.at(x), self.y.at(y)

    def chart(self, where: str, described: str, series: Iterable[Markup]) -> Markup:
        """Return the chart with each method's marks; `where` and `described` are for readers."""
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
    """Return a horizontal axis that covers the values."""
    return around(values, LEFT, WIDTH - RIGHT, log=log)


def upwards(shares: Sequence[float]) -> Axis:
    """Return a vertical axis that covers the shares, limited to [0, 1]."""
    axis = around([min(max(share, 0.0), 1.0) for share in shares], HEIGHT - BOTTOM, TOP)
    return replace(axis, low=max(axis.low, 0.0), high=min(axis.high, 1.0))


def series(row: Row, parts: Iterable[Markup]) -> Markup:
    """Return a method's marks as a link to its records."""
    title = tag("title", f"{row.name}: {row.cell(CHARTED).text}")
    inside = tag("g", title, *parts, class_=colour(row.ink))
    data = {"data_series": row.anchor, "data_name": row.name}
    return tag("a", inside, href=f"#{row.anchor}", class_="series", **data)


def pointed_at(row: Row, place: Point) -> Markup:
    """Return a method's label next to a place, visible while its marks are hovered or focused."""
    x, y = place
    left = x > WIDTH / 2
    up = round(y - 9 if y > TOP + 14 else y + 17, 1)
    side = (x - 6, up, "end") if left else (x + 6, up, "start")
    return text(_short(row.label), *side, class_="name shown")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
