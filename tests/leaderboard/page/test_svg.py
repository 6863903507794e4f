"""Pieces of SVG: what is put in stays text, axes hold what they were made for."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from hsal_bench.leaderboard.page import svg
from hsal_bench.leaderboard.page.svg import around, number, tag
from hsal_bench.report.figures import style


def test_texts_and_attributes_are_escaped():
    hostile = '"><script>alert(1)</script>'
    made = tag("text", hostile, tag("b"), stroke_width=2, class_=hostile, dash=None)
    assert isinstance(made, Markup)
    safe = "&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"
    assert made == f'<text stroke-width="2" class="{safe}">{safe}<b></b></text>'


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=6), st.sampled_from([1e-4, 1, 1e3]))
def test_an_axis_holds_its_values_and_its_ticks(values, unit):
    check(around([unit * value for value in values], 10.0, 200.0), [unit * x for x in values])


@given(st.lists(st.floats(1e-2, 1e8), min_size=1, max_size=6))
def test_an_axis_by_decades_does_too(values):
    check(around(values, 10.0, 200.0, log=True), values)


def check(axis, values):
    assert all(10.0 - 0.1 <= axis.at(value) <= 200.0 + 0.1 for value in values)
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 12
    assert ticks == sorted(set(ticks))
    assert len({number(tick) for tick in ticks}) == len(ticks)
    assert all(10.0 - 0.1 <= axis.at(tick) <= 200.0 + 0.1 for tick in ticks)


def test_ticks_are_round():
    assert [number(tick) for tick in around([0.34, 0.91], 0, 1).ticks()] == [
        *("0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1")
    ]
    decades = around([3.0, 2800.0], 0, 1, log=True).ticks()
    assert [number(tick) for tick in decades] == ["10", "100", "1k"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0"), (0.005, "0.005"), (6000, "6k"), (2.5e6, "2.5M"), (1e9, "1G")],
)
def test_numbers_are_short(value, expected):
    assert number(value) == expected


def test_60_methods_differ_in_line_and_mark():
    lines = {(svg.colour(ink), svg.dash(ink)) for ink in range(60)}
    marks = {(svg.colour(ink), svg.mark(ink, 0, 0)) for ink in range(60)}
    assert len(lines) == len(marks) == 60
    assert len({svg.mark(ink, 0, 0) for ink in range(5)}) == 5


def lab(colour):
    """CIE L*a*b* of an sRGB colour, under D65."""
    rgb = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(matrix @ linear / [0.9505, 1, 1.089]).tolist()
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_colours_are_distinct_from_each_other_and_from_the_paper(dark):
    css = (Path(svg.__file__).parent / "page.css").read_text()
    scheme = css.split("@media")[dark][:2000]
    colours = re.findall(r"--(?:k\d+|paper): (#\w{6});", scheme)
    assert len(colours) == svg.COLOURS + 1
    for a, b in itertools.combinations(map(lab, colours), 2):
        assert np.linalg.norm(a - b) > 20


def test_methods_have_the_colours_of_the_figures():
    css = (Path(svg.__file__).parent / "page.css").read_text()
    light = css[: css.index("@media")]
    assert tuple(re.findall(r"--k\d+: (#\w{6});", light)) == style.LINES
    assert len(style.LINES) == svg.COLOURS
