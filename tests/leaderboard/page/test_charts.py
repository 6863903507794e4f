"""The board's charts: what is drawn, where, and what is said of it."""

import math
import re
from xml.etree import ElementTree

import pytest

from hsal_bench.leaderboard.page.charts import charts, swatch
from hsal_bench.leaderboard.page.sections import sections


def only(entries):
    (section,) = sections(entries)
    return section


def svg_of(entries, title):
    (chart,) = (one for one in charts(only(entries)) if title in one.title)
    return ElementTree.fromstring(chart.svg)


def series(svg):
    return {link.get("data-name"): link for link in svg.iter("a")}


def texts(node):
    return ["".join(text.itertext()) for text in node.iter("text")]


def test_a_curve_goes_through_its_means_with_a_band_of_its_seeds(run):
    svg = svg_of([run(seed=0, right=100), run(seed=1, right=300)], "Validation")
    paths = {path.get("class"): path.get("d") for path in series(svg)["hsal-rl"].iter("path")}
    # x: 0 to 100 updates over 42 to 368; y: 0 to 0.8 over 222 to 14, the mean 0.5 and 0.25, 0.75.
    assert paths["line"] == paths["reach"] == "M42 222L368 92"
    assert paths["band"] == "M42 222L368 157L368 27L42 222Z"


def test_one_seed_has_no_band(run):
    svg = svg_of([run()], "Validation")
    assert not [path for path in svg.iter("path") if path.get("class") == "band"]


def test_without_curves_times_or_sizes_there_are_no_such_charts(run, bad):
    untimed = [run(name, curve=(), wall_s=0.0) for name in "ab"]
    assert [chart.title for chart in charts(only(untimed))] == ["Exact match against parameters"]
    unsized = [run(name, curve=(), wall_s=0.0, parameters=None) for name in "ab"]
    assert charts(only(unsized)) == charts(only([bad()])) == []


def test_one_method_is_compared_with_none(run):
    assert [chart.title for chart in charts(only([run()]))] == ["Validation exact match"]


def test_numbers_that_a_record_lacks_are_not_drawn(run):
    nan = float("nan")
    lacking = run("a", parameters=None, curve=({"update": 5, "valid_exact_match": nan},))
    timeless = run("b", wall_s=0.0)
    found = charts(only([lacking, timeless, run("c"), run("d")]))
    drawn = [set(series(ElementTree.fromstring(chart.svg))) for chart in found]
    assert drawn == [{"b", "c", "d"}, {"a", "c", "d"}, {"b", "c", "d"}]


def test_a_point_lies_at_its_cost_and_its_exact_match(run):
    entries = [run("a", right=80, wall_s=10.0), run("b", right=320, wall_s=1000.0)]
    marks = {
        name: link.find(".//circle[@class='reach']")
        for name, link in series(svg_of(entries, "training time")).items()
    }
    (a, b) = ([float(marks[name].get(c)) for c in ("cx", "cy")] for name in "ab")
    assert b[0] - a[0] == pytest.approx((368 - 42) * 2 / math.log10(2000 / 5), abs=0.2)
    assert (a[1], b[1]) == (222.0, 14.0)


def test_charts_say_in_words_what_they_show(run):
    svg = svg_of([run("a", right=80), run("b", right=320)], "parameters")
    assert svg.find("title").text.startswith("Exact match against parameters: mnist-multiset (")
    assert svg.find("desc").text == "b: 0.800 at 1,000; a: 0.200 at 1,000"
    assert svg.get("aria-describedby") == svg.find("desc").get("id")


def test_every_mark_leads_to_its_records_and_names_itself(run):
    section = only([run("a"), run("b", right=10)])
    for chart in charts(section):
        links = series(ElementTree.fromstring(chart.svg))
        assert {name: link.get("href") for name, link in links.items()} == {
            row.name: f"#{row.anchor}" for row in section.rows
        }
        assert links["b"].find("g/title").text == "b: 0.025"


@pytest.mark.parametrize(("right", "low", "high"), [(0, "0", "0.06"), (400, "0.94", "1")])
def test_no_axis_of_shares_goes_beyond_what_they_can_be(run, right, low, high):
    svg = svg_of([run("a", right=right), run("b", right=right)], "training time")
    ends = (text for text in svg.iter("text") if text.get("text-anchor") == "end")
    ticks = [text.text for text in ends if text.get("class") is None]
    assert (ticks[0], ticks[-1]) == (low, high)


def test_a_deviation_ends_where_shares_do(run):
    entries = [run("a", seed=seed, right=right) for seed, right in enumerate((0, 4))]
    svg = svg_of([*entries, run("b", right=200)], "training time")
    (whisker,) = series(svg)["a"].iter("line")
    assert whisker.get("y1") == "222.0"  # 0.005 - 0.007 is none


def test_a_name_is_shown_while_its_mark_is_pointed_at(run):
    entries = [run(f"method-{k}", right=100 + 3 * k, wall_s=10.0 + 99 * k) for k in range(9)]
    for name, link in series(svg_of(entries, "training time")).items():
        (label,) = link.iter("text")
        mark = link.find("g/circle[@class='reach']")
        assert (label.text, label.get("class")) == (name, "name shown")
        assert abs(float(label.get("x")) - float(mark.get("cx"))) == pytest.approx(6)


def test_a_long_name_is_cut_beside_its_point_but_whole_in_its_title(run):
    name = "count-classifier+hidden=512+learning_rate=0.003"
    svg = svg_of([run(name, parameters=10), run("b")], "parameters")
    assert "count-classifier+hidden…" in texts(svg)
    assert series(svg)[name].find("g/title").text == f"{name}: 0.500"


def test_a_name_stays_a_text(run):
    hostile = "</title><script>alert(1)</script>"
    for chart in charts(only([run(hostile), run("b", right=0)])):
        svg = ElementTree.fromstring(chart.svg)
        assert {node.tag for node in svg.iter()} & {"script"} == set()
        assert hostile in series(svg)


def test_the_legend_shows_line_and_mark():
    svg = ElementTree.fromstring(swatch(8))
    assert svg.get("class") == "swatch k8"
    assert re.fullmatch(r"[\d. ]+", svg.find("line").get("stroke-dasharray"))
