"""The board's charts: training curves, and exact match against what it took.

Each is a group of links in an SVG: a method's marks lead to its records, and hovering or focusing
them shows its name. A chart is as wide as a phone, and its numbers are in the tables too.
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
from .sections import SORT_BY, Row, Section
from .svg import colour, dash, line, mark, tag

_COSTS = {"wall_s": ("training time", "training time (s)"), "parameters": ("parameters",) * 2}


@dataclass(frozen=True)
class Chart:
    """A picture with the line above it."""

    title: str
    svg: Markup


@dataclass(frozen=True)
class Reached:
    """A method's exact match with its deviation over seeds (NaN of one seed), and what it took."""

    row: Row
    cost: float
    mean: float
    std: float

    @property
    def reach(self) -> float:
        """How far the deviation goes to either side."""
        return 0.0 if math.isnan(self.std) else self.std


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
    found = [(row, _known(curve)) for row in section.rows for curve in curves(row.good, SORT_BY)]
    found = [(row, curve) for row, curve in found if len(curve.updates) > 1]
    if not found:
        return None
    highest = max(float(np.nanmax(curve.values)) for _, curve in found)
    several = any(len(curve.values) > 1 for _, curve in found)
    plot = Plot(
        f"{section.anchor}_training",
        "Validation exact match" + (", and its range over seeds" if several else ""),
        across([0.0, *(float(curve.updates[-1]) for _, curve in found)]),
        upwards([0.0, max(highest, 0.05)]),
        "updates",
    )
    described = "; ".join(
        f"{row.name} ends at {cell(SORT_BY, float(np.nanmean(curve.values[:, -1])))}"
        for row, curve in found
    )
    lines = [series(row, _curve(row, curve, plot)) for row, curve in found]
    return Chart(plot.title, plot.drawn(section.title, described, lines))


def _known(curve: Curve) -> Curve:
    """Return a curve without the updates at which no seed has a number."""
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
    """Return exact match against what it took, of two methods or more."""
    found = [Reached(row, row.mean(name)[0], *row.mean(SORT_BY)) for row in section.rows]
    found = [one for one in found if one.cost > 0 and not math.isnan(one.mean)]
    if len(found) < 2:
        return None
    told, label = _COSTS[name]
    plot = Plot(
        f"{section.anchor}_{name}",
        f"Exact match against {told}",
        across([one.cost for one in found], log=True),
        upwards([one.mean + side * one.reach for one in found for side in (-1, 1)]),
        f"{label}, log scale",
    )
    described = "; ".join(
        f"{one.row.name}: {cell(SORT_BY, one.mean, one.std)} at {cell_with_unit(name, one.cost)}"
        for one in found
    )
    points = [series(one.row, _point(one, plot)) for one in found]
    return Chart(plot.title, plot.drawn(section.title, described, points))


def _point(one: Reached, plot: Plot) -> Iterator[Markup]:
    place = x, y = plot.at(one.cost, one.mean)
    if one.reach > 0:
        low, high = (plot.y.at(min(max(one.mean + side * one.reach, 0), 1)) for side in (-1, 1))
        yield tag("line", x1=x, x2=x, y1=low, y2=high)
    yield tag("circle", cx=x, cy=y, r=11, class_="reach")
    yield mark(one.row.ink, *place)
    yield pointed_at(one.row, place)
