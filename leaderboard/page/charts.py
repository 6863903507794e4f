"""Charts of the page: training curves, and exact match against cost.

Each is a group of links in an SVG: a method's marks link to its records, and hovering or focusing
them shows its label. A chart fits a phone, and its numbers are in the tables too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from hsal_bench.report.columns import cell, cell_with_unit
from hsal_bench.report.figures.curves import Curve, curves

from .plot import Plot, Point, across, pointed_at, series, upwards
from .sections import CHARTED, Row, Section
from .svg import colour, dash, line, mark, tag

_COSTS = {"wall_s": ("training time", "training time (s)"), "parameters": ("parameters",) * 2}


@dataclass(frozen=True)
class Chart:
    """A picture and its title."""

    title: str
    svg: Markup


@dataclass(frozen=True)
class CostPoint:
    """A method's cost and exact match; std: its deviation over seeds (NaN for one seed)."""

    row: Row
    cost: float
    mean: float
    std: float

    @property
    def whisker(self) -> float:
        """The length of the whisker on either side."""
        return 0.0 if math.isnan(self.std) else self.std


def charts(section: Section) -> list[Chart]:
    """Return the charts of a section for which its records have numbers."""
    candidates = [_training(section), *(_cost(section, name) for name in _COSTS)]
    return [chart for chart in candidates if chart is not None]


def swatch(ink: int) -> Markup:
    """Return a method's line and mark, for the legend."""
    through = tag("line", x1=1, x2=35, y1=7, y2=7, stroke_dasharray=dash(ink))
    parts = (through, mark(ink, 18, 7, r=4))
    return tag(
        "svg", *parts, class_=f"swatch {colour(ink)}", viewBox="0 0 36 14", aria_hidden="true"
    )


def _training(section: Section) -> Chart | None:
    pairs = [(row, _known(curve)) for row in section.rows for curve in curves(row.good, CHARTED)]
    pairs = [(row, curve) for row, curve in pairs if len(curve.updates) > 1]
    if not pairs:
        return None
    highest = max(float(np.nanmax(curve.values)) for _, curve in pairs)
    several = any(len(curve.values) > 1 for _, curve in pairs)
    plot = Plot(
        f"{section.anchor}_training",
        "Validation exact match" + (", and its range over seeds" if several else ""),
        across([0.0, *(float(curve.updates[-1]) for _, curve in pairs)]),
        upwards([0.0, max(highest, 0.05)]),
        "updates",
    )
    described = "; ".join(
        f"{row.label} ends at {cell(CHARTED, float(np.nanmean(curve.values[:, -1])))}"
        for row, curve in pairs
    )
    lines = [series(row, _curve(row, curve, plot)) for row, curve in pairs]
    return Chart(plot.title, plot.chart(section.title, described, lines))


def _known(curve: Curve) -> Curve:
    """Return the curve without updates at which no seed has a number."""
    known = ~np.isnan(curve.values).all(axis=0)
    return Curve(curve.name, curve.updates[known], curve.values[:, known])


def _curve(row: Row, curve: Curve, plot: Plot) -> Iterator[Markup]:
    mean, low, high = (f(curve.values, axis=0) for f in (np.nanmean, np.nanmin, np.nanmax))

    def points(values: np.ndarray) -> list[Point]:
        pairs = zip(curve.updates.tolist(), values.tolist(), strict=True)
        return [plot.at(update, value) for update, value in pairs]

    if len(curve.values) > 1:
        yield tag("path", d=line(points(low) + points(high)[::-1]) + "Z", class_="band")
    path, last = line(points(mean)), points(mean)[-1]
    yield tag("path", d=path, class_="reach")
    yield tag("path", d=path, class_="line", stroke_dasharray=dash(row.ink))
    yield mark(row.ink, *last, r=3.5)
    yield pointed_at(row, last)


def _cost(section: Section, name: str) -> Chart | None:
    """Return exact match against a cost; None for fewer than two methods."""
    points = [CostPoint(row, row.mean(name)[0], *row.mean(CHARTED)) for row in section.rows]
    points = [point for point in points if point.cost > 0 and not math.isnan(point.mean)]
    if len(points) < 2:
        return None
    title, label = _COSTS[name]
    plot = Plot(
        f"{section.anchor}_{name}",
        f"Exact match against {title}",
        across([point.cost for point in points], log=True),
        upwards([point.mean + side * point.whisker for point in points for side in (-1, 1)]),
        f"{label}, log scale",
    )
    described = "; ".join(
        f"{p.row.label}: {cell(CHARTED, p.mean, p.std)} at {cell_with_unit(name, p.cost)}"
        for p in points
    )
    marks = [series(point.row, _point(point, plot)) for point in points]
    return Chart(plot.title, plot.chart(section.title, described, marks))


def _point(point: CostPoint, plot: Plot) -> Iterator[Markup]:
    place = x, y = plot.at(point.cost, point.mean)
    if point.whisker > 0:
        ends = (point.mean + side * point.whisker for side in (-1, 1))
        low, high = (plot.y.at(min(max(end, 0), 1)) for end in ends)
        yield tag("line", x1=x, x2=x, y1=low, y2=high)
    yield tag("circle", cx=x, cy=y, r=11, class_="reach")
    yield mark(point.row.ink, *place)
    yield pointed_at(point.row, place)
