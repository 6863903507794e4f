"""The board's charts: training curves, and exact match against what it took.

Each is a group of links in an SVG: a method's marks lead to its records, and hovering or focusing
them shows its name. A chart is as wide as a phone, and its numbers are in the tables too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from hsal_bench.columns import cell, cell_with_unit
from hsal_bench.curves import Curve, curves

from .page_rows import SORT_BY, Row, Section
from .page_svg import Axis, around, colour, dash, line, mark, number, tag, text

WIDTH, HEIGHT = 380, 262
LEFT, RIGHT, TOP, BOTTOM = 42, 12, 14, 40
_UPWARDS = (HEIGHT - BOTTOM, TOP)
_LONGEST = 24
_LETTER = 6.1  # pixels, of a label's letters on average
_COSTS = {"wall_s": "training time (s), log scale", "parameters": "parameters, log scale"}

Point = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Chart:
    """A picture with the line above it."""

    title: str
    svg: Markup


def charts(section: Section) -> list[Chart]:
    """Return the charts of a section that its records have numbers for."""
    drawn = [_training(section), *(_cost(section, name) for name in _COSTS)]
    return [chart for chart in drawn if chart is not None]


def swatch(ink: int) -> Markup:
    """Return a method's line and mark, for the legend."""
    through = tag("line", x1=1, x2=35, y1=7, y2=7, stroke_dasharray=dash(ink))
    parts = (through, mark(ink, 18, 7, r=4))
    return tag(
        "svg", *parts, class_=f"swatch {colour(ink)}", viewBox="0 0 36 14", aria_hidden="true"
    )


def _training(section: Section) -> Chart | None:
    found = [(row, curve) for row in section.rows for curve in curves(row.good, SORT_BY)]
    if not found or max(curve.updates[-1] for _, curve in found) == 0:
        return None
    xs = [0.0, *(float(curve.updates[-1]) for _, curve in found)]
    highest = max(float(np.nanmax(curve.values)) for _, curve in found)
    x, y = around(xs, LEFT, WIDTH - RIGHT), around([0.0, max(highest, 0.05)], *_UPWARDS)
    lines = [_series(row, _curve(row, curve, x, y)) for row, curve in found]
    several = any(len(curve.values) > 1 for _, curve in found)
    told = "Validation exact match" + (", and its range over seeds" if several else "")
    described = "; ".join(
        f"{row.name} ends at {cell(SORT_BY, float(np.nanmean(curve.values[:, -1])))}"
        for row, curve in found
    )
    return _chart(section, "training", told, described, x, y, "updates", lines)


def _curve(row: Row, curve: Curve, x: Axis, y: Axis) -> Iterator[Markup]:
    mean, low, high = (f(curve.values, axis=0) for f in (np.nanmean, np.nanmin, np.nanmax))

    def points(values: np.ndarray) -> list[Point]:
        pairs = zip(curve.updates.tolist(), values.tolist(), strict=True)
        return [(x.at(update), y.at(value)) for update, value in pairs]

    if len(curve.values) > 1:
        yield tag("path", d=line(points(low) + points(high)[::-1]) + "Z", class_="band")
    path = line(points(mean))
    yield tag("path", d=path, class_="reach")
    yield tag("path", d=path, class_="line", stroke_dasharray=dash(row.ink))
    last = points(mean)[-1]
    yield mark(row.ink, *last, r=3.5)
    yield _name(row, last, class_="shown")


def _cost(section: Section, name: str) -> Chart | None:
    """Return exact match against what it took."""
    found = [
        (row, row.mean(name)[0], *row.mean(SORT_BY))
        for row in section.rows
        if row.mean(name)[0] > 0
    ]
    if not found:
        return None
    x = around([cost for _, cost, _, _ in found], LEFT, WIDTH - RIGHT, log=True)
    reached = [
        mean + side * (0 if math.isnan(std) else std)
        for _, _, mean, std in found
        for side in (-1, 1)
    ]
    y = around(reached, *_UPWARDS)
    places = {row.anchor: (x.at(cost), y.at(mean)) for row, cost, mean, _ in found}
    labels = _labels([(row, places[row.anchor]) for row, *_ in found])
    points = [
        _series(row, _point(row, places[row.anchor], std, y, labels)) for row, _, _, std in found
    ]
    described = "; ".join(
        f"{row.name}: {cell(SORT_BY, mean, std)} at {cell_with_unit(name, cost)}"
        for row, cost, mean, std in found
    )
    title = f"Exact match against {name.replace('wall_s', 'training time')}"
    return _chart(section, name, title, described, x, y, _COSTS[name], points)


def _point(
    row: Row, place: Point, std: float, y: Axis, labels: dict[str, Markup]
) -> Iterator[Markup]:
    across, up = place
    if std > 0:
        reach = abs(y.at(y.low + std) - y.at(y.low))
        yield tag("line", x1=across, x2=across, y1=round(up - reach, 1), y2=round(up + reach, 1))
    yield tag("circle", cx=across, cy=up, r=11, class_="reach")
    yield mark(row.ink, across, up)
    yield labels.get(row.anchor) or _name(row, place, class_="shown")


def _labels(points: Sequence[tuple[Row, Point]]) -> dict[str, Markup]:
    """Return the names that fit beside their marks without covering another mark or name."""
    taken = [(x - 6, y - 6, x + 6, y + 6) for _, (x, y) in points]
    labels = {}
    for row, place in points:
        for box, label in _beside(row, place):
            if _inside(box) and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                labels[row.anchor] = label
                break
    return labels


def _beside(row: Row, place: Point) -> Iterator[tuple[Box, Markup]]:
    """Yield a method's name to the right of its mark, to the left, above and below."""
    x, y = place
    name = _short(row.name)
    wide = _LETTER * len(name)
    sides = (
        (8, 0, "start", 0.0),
        (-8, 0, "end", 1.0),
        (0, -13, "middle", 0.5),
        (0, 13, "middle", 0.5),
    )
    for dx, dy, anchor, before in sides:
        left, middle = x + dx - before * wide, y + dy
        label = text(name, round(x + dx, 1), round(middle + 4, 1), anchor, class_="name")
        yield (left, middle - 6, left + wide, middle + 6), label


def _inside(box: Box) -> bool:
    left, top, right, bottom = box
    return left >= LEFT and right <= WIDTH and top >= 0 and bottom <= HEIGHT - BOTTOM


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _name(row: Row, place: Point, class_: str) -> Markup:
    """Return a method's name at a point, on the side that has the room."""
    x, y = place
    end = x > WIDTH / 2
    up = y - 9 if y > TOP + 14 else y + 17
    return text(
        _short(row.name),
        x + (6 if end else -6),
        round(up, 1),
        "end" if end else "start",
        class_=f"name {class_}",
    )


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _series(row: Row, parts: Iterable[Markup]) -> Markup:
    """Return what is drawn of a method, as a link to its records."""
    title = tag("title", f"{row.name}: {row.cell(SORT_BY).text}")
    inside = tag("g", title, *parts, class_=colour(row.ink))
    return tag(
        "a",
        inside,
        href=f"#{row.anchor}",
        class_="series",
        data_series=row.anchor,
        data_name=row.name,
    )


def _chart(
    section: Section,
    kind: str,
    title: str,
    described: str,
    x: Axis,
    y: Axis,
    x_label: str,
    series: Sequence[Markup],
) -> Chart:
    about = f"{section.anchor}-{kind}"
    svg = tag(
        "svg",
        tag("title", f"{title}: {section.title}", id=f"{about}-title"),
        tag("desc", described, id=f"{about}-desc"),
        *_frame(x, y, x_label),
        *series,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="group",
        aria_labelledby=f"{about}-title",
        aria_describedby=f"{about}-desc",
        class_="chart",
    )
    return Chart(title, svg)


def _frame(x: Axis, y: Axis, x_label: str) -> Iterator[Markup]:
    bottom = HEIGHT - BOTTOM
    for tick in y.ticks():
        up = y.at(tick)
        yield tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=up, y2=up, class_="grid")
        yield text(number(tick), LEFT - 6, up + 4, "end")
    for tick in x.ticks():
        across = x.at(tick)
        yield tag("line", x1=across, x2=across, y1=bottom, y2=bottom + 4, class_="axis")
        yield text(number(tick), across, bottom + 17, "middle")
    yield tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=bottom, y2=bottom, class_="axis")
    yield text(x_label, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "middle")
