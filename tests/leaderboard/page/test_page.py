"""The page as a whole: whatever records say, it is well formed, loads nothing and runs nothing."""

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from hsal_bench.leaderboard.page.page import page
from hsal_bench.leaderboard.page.sections import Entry
from hsal_bench.record.external_entry import Statement
from hsal_bench.record.record import DataSet

FILE = Path("board.html")
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</svg><iframe src=//evil.example>",
    "{{ 7 * 7 }}{% raw %}",
    "</title></style><!--",
    "a&amp;b",
)


@pytest.fixture(scope="module")
def hostile(run, bad, elsewhere, parsed):
    """The page of records that hold what would do harm in every place a text can be in."""
    entries = []
    for k, text in enumerate(HOSTILE):
        values = {"config": {text: text}, "settings": {text: text}, "command": text, "device": text}
        entry = run(text, k, right=10 * k, **values, metrics={"exact_match": 0.5, text: 0.25})
        entries += [Entry(Path(f"{text}.json"), entry.record), bad(reason=text, method=f"b{text}")]
    stated = Statement(
        entry="official",
        authors=("</p><script>alert(1)</script>",),
        link="https://example.org/?a=1&lt=2;onclick=alert(1)",
        extra_data=("<b>",),
        training_compute="<i>",
    )
    return parsed([*entries, elsewhere(stated=stated)])


def test_a_record_cannot_add_an_element_or_a_handler(hostile):
    tags = [tag for tag, _ in hostile.elements]
    # The page's own script, and its one word in bold.
    assert [tags.count(tag) for tag in ("script", "b", "i", "img", "iframe")] == [1, 1, 0, 0, 0]
    names = {name for _, attributes in hostile.elements for name in attributes}
    assert [name for name in names if name.startswith("on") or name == "style"] == []
    shown = "".join(text for tag, text in hostile.texts if tag not in ("script", "style"))
    for text in HOSTILE:
        assert text in shown


def test_links_lead_into_the_page_to_a_file_or_to_a_stated_address(hostile):
    starts = re.compile(
        r"#[A-Za-z0-9._-]+$|\./[^:]*$|data:,$|https://example\.org/\?a=1&lt=2;onclick=alert\(1\)$"
    )
    for href in hostile.values("href"):
        assert starts.match(href), href


def test_places_are_named_once_and_every_link_has_one(hostile):
    places = hostile.values("id")
    assert len(places) == len(set(places))
    inside = {href[1:] for href in hostile.values("href") if href.startswith("#")}
    referred = {
        name
        for key in ("aria-labelledby", "aria-describedby")
        for names in hostile.values(key)
        for name in names.split()
    }
    assert inside | referred <= set(places)


def test_no_name_takes_a_place_of_the_page_itself(run, parsed):
    names = ("title", "training", "training-title", "training_desc", "wall_s", "results", "")
    entries = [run(f"{name} ", right=10 * k + 5) for k, name in enumerate(names)]
    entries += [
        run(data_set=DataSet(name or "x", "ee" * 32, {"test": 400}, "x.h5")) for name in names
    ]
    places = parsed(entries).values("id")
    assert len(places) == len(set(places))
    assert sum(place.endswith("_title") for place in places) == 4 + 2 * len(names)


def test_its_policy_allows_its_own_style_and_script_and_nothing_else(run):
    text = page([run()], FILE).text
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.split(" ", 1) for rule in policy.replace("&#39;", "'").split("; "))
    for name, element in (("style-src", "style"), ("script-src", "script")):
        (content,) = re.findall(rf"<{element}>(.*?)</{element}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules.pop(name) == f"'sha256-{digest}'"
    assert rules == {
        "default-src": "'none'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_it_refers_to_nothing_that_would_be_loaded(run):
    text = page([run()], FILE).text
    assert re.findall(r"\b(?:src|srcset|action|poster)=", text) == []
    assert re.findall(r"url\(|@import|fetch\(|XMLHttpRequest|innerHTML", text) == []
    assert re.findall(r"https?:", text) == []


def test_every_record_is_named_and_every_number_leads_to_one(run, bad, parsed):
    entries = [run("a", seed) for seed in range(3)] + [run("b", right=1), bad(method="c")]
    result = parsed(entries)
    links = [href for href in result.values("href") if href.startswith("./")]
    assert sorted(links) == sorted(f"./{entry.path}" for entry in entries)
    numbers = [link for tag, link in result.elements if tag == "a" and link.get("tabindex") == "-1"]
    assert len(numbers) == 6 * 3


def test_failures_are_shown_with_their_reason(run, bad, parsed):
    shown = parsed([run(), bad(seed=1)]).text
    assert "seed 1 failed: the loss is nan" in shown
    assert "1 of 2" in shown


def test_the_highest_is_bold_and_what_cannot_be_told_from_it_has_a_dagger(run, parsed):
    result = parsed([run("a", right=300), run("b", right=297), run("c", right=10)])
    places = [link["class"] for tag, link in result.elements if "best" in link.get("class", "")]
    assert places == ["number best"]
    daggers = [link for tag, link in result.elements if tag == "span" and "title" in link]
    assert daggers == [{"title": "not significantly different from the highest"}]
    shown = [text.strip() for tag, text in result.texts if tag in ("a", "span")]
    assert shown[shown.index("0.743") :].index("†") < shown[shown.index("0.743") :].index("0.025")


def test_those_with_the_same_highest_are_bold_alike_and_the_contents_say_how_many(run, parsed):
    low, high = ({"macro_f1": macro_f1} for macro_f1 in (0.2, 0.3))
    result = parsed([run("a", metrics=low), run("b", metrics=high), run("c", right=199)])
    assert [link["class"] for _, link in result.elements if "best" in link.get("class", "")] == [
        "number best"
    ] * 2
    assert "highest exact match 0.500, b and 1 more" in result.text
    assert result.text.count("†") == 2  # c, and what it means


def test_so_few_seeds_are_reported(run, parsed):
    entries = [run(name, seed, right=100 + seed) for name in "ab" for seed in range(2)]
    few = "with 2 per method, the difference is significant only above about 4.3 standard dev"
    assert f"Few seeds: {few}" in parsed(entries).text


def test_means_over_several_seeds_have_an_interval(run, parsed):
    several = parsed([run(seed=0, right=100), run(seed=1, right=300)]).text
    assert "95 % interval of the mean" in several
    assert "too few seeds" in several
    assert "95 % interval of the mean" not in parsed([run()]).text


def test_the_tests_behind_the_ranks_are_reported_where_there_are_any(run, bad, parsed):
    ranks = "Ranks: exact McNemar test over images, level 5 %; one seed"
    assert ranks in parsed([run("a"), run("b")]).text
    assert "Ranks: " not in parsed([run("a"), bad(method="b")]).text


def test_the_columns_can_be_sorted_by_what_stands_in_them(run, parsed):
    result = parsed([run("a", wall_s=0.0, parameters=None)])
    values = result.values("data-value")
    assert values == ["a", "2", "0.5", "0.75", "0.9", "", "2000.0", "0.0", "1", "run here"]
    sorts = result.values("aria-sort")
    assert sorts == ["none", "ascending", *["none"] * 8]


def test_the_same_records_give_the_same_page(run):
    entries = [run("a"), run("b", right=7)]
    assert page(entries, FILE) == page(entries[::-1], FILE)


def test_entries_can_be_told_apart_only_where_there_are_several_kinds(run, hostile, parsed):
    assert "select" not in {tag for tag, _ in parsed([run()]).elements}
    assert [text for tag, text in hostile.texts if tag == "option"] == [
        "any entry",
        "official submission",
        "run here",
    ]


def test_the_page_of_300_runs_stays_small(many):
    assert len(page(many, FILE).text.encode()) < 2_000_000


def test_a_row_shows_its_short_label_and_its_panel_the_full_name(run, parsed):
    result = parsed([run("a", settings={"rate": "0.1"}), run("b")])
    assert "Full name: a+rate=0.1" in result.text
    labels = [
        attributes["data-value"]
        for tag, attributes in result.elements
        if tag == "th" and "data-value" in attributes
    ]
    assert sorted(labels) == ["a", "b"]


def test_long_texts_are_cut_and_stay_unique(run, bad):
    name, long = "x" * 199, "x" * 19_000
    settings = {"settings": {"hidden": long}}
    entries = [
        run(name + "a", 0),
        run(name + "b", 0, **settings),
        run("m", 0, command=f"run {long}"),
        bad(method="n", reason=long),
    ]
    entries = [replace(entry, path=Path(f"{k}.json")) for k, entry in enumerate(entries)]
    text = page(entries, FILE).text
    assert len(text) < 150_000
    assert text.count("<tbody data-series") == len(entries)
