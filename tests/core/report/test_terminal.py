"""Tables on terminals: nothing is lost at any width, and nothing is broken that has room."""

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hsal_bench.report import metric_table, text_tables
from hsal_bench.report.terminal import terminal
from hsal_bench.report.text_tables import TextTable

LONG = "0.512 ± 0.010 (0.175)"


def printed(shown, width):
    """Return the lines that a terminal of so many columns gets."""
    console = Console(file=io.StringIO(), width=width)
    console.print(terminal(shown, width))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.fixture
def headline(ok):
    """The tables of two methods over three seeds, one of them with a setting."""
    metrics = dict.fromkeys(metric_table.HEADLINE[:3], 0.912)
    metrics |= {"pointing_hit": 0.5, "pointing_hit_chance": 0.175}
    records = [
        ok(name, seed, metrics=metrics | {"exact_match": seed / 2}, **changes)
        for seed in range(3)
        for name, changes in {
            "hsal-rl": {"updates": 18_750, "wall_s": 9_000.0},
            "cross-entropy+teacher_forcing=true": {},
        }.items()
    ]
    return text_tables.metric_tables(metric_table.metric_table(records))


def test_names_with_brackets_stand_as_they_are(ok):
    means = metric_table.metric_table([ok(), ok(config={"learning_rate": 0.01})], ["exact_match"])
    lines = printed(text_tables.metric_tables(means), 120)
    assert any(line.startswith("hsal-rl [learning_rate=0.01]") for line in lines)


def test_the_headline_fits_into_80_columns(headline):
    lines = printed(headline, 80)
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("method") for line in lines) == 1
    # Nothing is cut off or folded: each of these is whole in a line of its own.
    for text in ("cross-entropy", "+teacher_forcing=", "±0.500", "(0.175)", "cardinality", "2.5"):
        assert any(text in line.split() for line in lines), text


def test_what_has_room_is_not_broken(headline):
    lines = printed(headline, 140)
    assert any(
        line.startswith("cross-entropy+teacher_forcing=true ")
        and "0.500 ± 0.500" in line
        and "0.500 ± 0.000 (0.175)" in line
        for line in lines
    )


@pytest.mark.parametrize("width", [25, 40, 60])
def test_columns_without_room_follow_below_beside_the_names(headline, width):
    lines = printed([replace(table, notes=()) for table in headline], width)[1:]
    heads = [line for line in lines if line.startswith("method")]
    assert len(heads) > 1
    heading = " ".join(" ".join(heads).split())
    assert [word for word in heading.split() if word != "method"] == [
        *("rank", "seeds", "match", "F1", "accuracy", "(chance)", "updates", "time")
    ]
    assert sum(line.split()[:1] == ["hsal-rl"] for line in lines) == len(heads)


def test_short_names_leave_their_room_to_the_numbers():
    numbers = ("0.912 ± 0.010 (0.175)", "18,750")
    table = TextTable("t", ("method", "a", "b"), (("rl", *numbers),))
    # method, 6; ±0.010 and (0.175), 7; 18,750, 6; two spaces.
    assert sum(line.startswith("method") for line in printed([table], 21)) == 1
    assert sum(line.startswith("method") for line in printed([table], 20)) == 2


@given(
    names=st.lists(st.text("ab+-_=, [.漢", min_size=1, max_size=60), min_size=1, max_size=3),
    numbers=st.lists(
        st.sampled_from(["0.5", "0.512 ± 0.010 (0.175)", "—"]), min_size=1, max_size=9
    ),
    width=st.integers(30, 100),
)
def test_every_letter_is_printed_within_the_width(names, numbers, width):
    columns = ("method", *(f"metric {k}" for k in range(len(numbers))))
    table = TextTable("t", columns, tuple((name, *numbers) for name in names))
    lines = printed([table], width)
    assert all(len(line) + line.count("漢") <= width for line in lines)
    blocks = sum(line.startswith("method") for line in lines)
    shown = "".join(lines)
    for letter in "ab+-_=,[漢":
        least = sum(name.count(letter) for name in names) * blocks
        assert shown.count(letter) >= least
    assert shown.count("0.512") == len(names) * numbers.count(LONG)
