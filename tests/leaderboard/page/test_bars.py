"""Bars of exact match by the number of objects: as high as they should be, in order, in words."""

from xml.etree import ElementTree

from hsal_bench.leaderboard.page.bars import bars
from hsal_bench.leaderboard.page.sections import sections


def only(entries):
    (section,) = sections(entries)
    return section


def texts(node):
    return ["".join(text.itertext()) for text in node.iter("text")]


def test_bars_are_as_high_as_the_exact_match(run):
    (one,) = bars(only([run(right=200)]))
    svg = ElementTree.fromstring(one.svg)
    assert [float(bar.get("height")) for bar in svg.iter("rect")] == [29.0, 14.5]
    assert texts(svg) == ["1", ".50", "2", ".25"]
    assert svg.find("title").text == (
        "Exact match of hsal-rl by number of objects: 1 object: 0.500, 2 objects: 0.250"
    )


def test_numbers_of_objects_are_in_order_and_a_missing_one_is_a_dash(run):
    metrics = {"exact_match": 0.5, "exact_match_m10": 1.0, "exact_match_m9": 0.0}
    found = bars(only([run("a", metrics=metrics), run("b")]))
    texts_of = {one.row.name: texts(ElementTree.fromstring(one.svg)) for one in found}
    assert texts_of["a"] == ["1", "—", "2", "—", "9", ".00", "10", "1.00"]
    assert texts_of["b"] == ["1", ".50", "2", ".25", "9", "—", "10", "—"]


def test_a_whisker_is_the_deviation_over_seeds_and_stays_on_the_axis(run):
    (one,) = bars(only([run(seed=0, right=400), run(seed=1, right=0)]))
    whisker = ElementTree.fromstring(one.svg).find("line[@class='whisker']")
    assert (whisker.get("y1"), whisker.get("y2")) == ("4.0", "74")


def test_without_numbers_there_are_no_bars(run, bad):
    assert bars(only([bad()])) == []
    assert bars(only([run(metrics={"exact_match": 0.5})])) == []
