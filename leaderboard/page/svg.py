"""SVG building blocks of the page's charts: elements, axes, marks.

All text is escaped, so that names can hold any character. Colours are classes (`k0`, `k1`, ...),
which the style sheet defines for light and dark mode.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

COLOURS = 12
DASHES = (None, "7 2.5", "1.5 2.5", "7 2.5 1.5 2.5", "11 3 3 3")
_SHAPES = ("circle", "square", "up", "diamond", "down")
_STEPS = (1, 2, 5)


def tag(element: str, *parts: str, **attributes: object) -> Markup:
    """Return an element with the children `parts`; texts are escaped, Markup is not.

    `class_` is the attribute `class`, `stroke_width` is `stroke-width`; None leaves it out.
    """
    pairs = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{element}{pairs}>{''.join(map(escape, parts))}</{element}>")


def text(content: str, x: float, y: float, anchor: str, class_: str | None = None) -> Markup:
    """Return a text at a place; `anchor`: the place is its start, middle or end."""
    return tag("text", content, x=x, y=y, text_anchor=anchor, class_=class_)


@dataclass(frozen=True)
class Axis:
    """An axis: values from `low` to `high` on pixels from `start` to `end`; linear or log."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the position of a value in pixels, rounded to a tenth."""
        low, high, value = (math.log10(x) if self.log else x for x in (self.low, self.high, value))
        return round(self.start + (self.end - self.start) * (value - low) / (high - low), 1)

    def ticks(self) -> list[float]:
        """Return about five round values on the axis."""
        return _decades(self.low, self.high) if self.log else _even(self.low, self.high)


def around(values: Sequence[float], start: float, end: float, *, log: bool = False) -> Axis:
    """Return an axis between round values that covers all `values`.

    Equal values get a margin on both sides. With `log`, values must be positive.
    """
    low, high = min(values), max(values)
    if log:
        return Axis(_below(low / 1.15), _above(high * 1.15), start, end, log=True)
    if low == high:
        room = max(0.05, abs(low) / 20)
        low, high = low - room, high + room
    step = _step(high - low, 6)
    return Axis(
        math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, start, end
    )


def number(value: float) -> str:
    """Return a tick's label: 0.2, 50, 2k, 3M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:.6g}"


def colour(ink: int) -> str:
    """Return the CSS class for the colour of a method's marks."""
    return f"k{ink % COLOURS}"


def dash(ink: int) -> str | None:
    """Return the dash pattern of a method's line; 12 colours x 5 patterns give 60 lines."""
    return DASHES[ink % len(DASHES)]


def mark(ink: int, x: float, y: float, r: float = 4.5) -> Markup:
    """Return a method's mark at a place: shapes differ as well as colours."""
    shape = _SHAPES[ink % len(_SHAPES)]
    if shape == "circle":
        return tag("circle", cx=x, cy=y, r=r, class_="mark")
    corners = {
        "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
        "diamond": ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
        "up": ((0, -1.2), (1.15, 0.85), (-1.15, 0.85)),
        "down": ((0, 1.2), (1.15, -0.85), (-1.15, -0.85)),
    }[shape]
    points = " ".join(f"{round(x + r * dx, 1)},{round(y + r * dy, 1)}" for dx, dy in corners)
    return tag("polygon", points=points, class_="mark")


def line(points: Sequence[tuple[float, float]]) -> str:
    """Return the path through points."""
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def _step(span: float, most: int) -> float:
    """Return the smallest round step that divides `span` into at most `most` steps."""
    size = 10.0 ** math.floor(math.log10(span))
    return next(size * k for k in (0.2, 0.5, 1, 2) if span / (size * k) <= most + 1e-9)


def _even(low: float, high: float) -> list[float]:
    step = _step(high - low, 7)
    count = math.floor((high - low) / step + 1e-9)
    first = math.ceil(low / step - 1e-9)
    return [(first + k) * step for k in range(count + 1)]


def _decades(low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = _STEPS if high / low < 200 else (1,)
    ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]


def _below(value: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten that is at most `value`."""
    size = 10.0 ** math.floor(math.log10(value))
    return max(step * size for step in _STEPS if step * size <= value * (1 + 1e-9))


def _above(value: float) -> float:
    """Return the smallest 1, 2 or 5 times a power of ten that is at least `value`."""
    size = 10.0 ** math.floor(math.log10(value))
    return min(step * size for step in (*_STEPS, 10) if step * size >= value * (1 - 1e-9))
