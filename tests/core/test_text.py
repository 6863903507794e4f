"""What may be shown of texts that nobody vouches for: it prints, and stands in a line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsal_bench.text import file_name, file_size, named, one_line, shown, wrapped


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("as it is: é 李", "as it is: é 李"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\x9bb\u202ec\u200bd\n", "a\\x9bb\\u202ec\\u200bd\\n"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_does_not_print_is_escaped(text, expected):
    assert shown(text) == expected


def test_a_small_file_is_not_zero_megabytes():
    sizes = [0, 940, 999_949, 1_000_000, 2_345_600_000]
    assert list(map(file_size, sizes)) == ["0.0 kB", "0.9 kB", "999.9 kB", "1.0 MB", "2,345.6 MB"]


def test_what_is_long_is_cut():
    assert shown("x" * 80, 80) == "x" * 80
    assert shown("x" * 81, 80) == "x" * 80 + "..."


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=())))
def test_whatever_is_shown_prints_and_can_be_written(text):
    for line in (shown(text), one_line(text), file_name(text)):
        assert line.isprintable()
        line.encode("utf-8")


def test_the_name_of_a_file_has_no_backslash_and_all_its_characters():
    assert file_name("é 1.h5") == "é 1.h5"
    assert file_name("a\u00a0b\\c\x1b.h5") == "a_b_c_.h5"


def test_lines_are_folded_before_anything_is_escaped():
    assert one_line("  no\n  memory:\t\x1b[2J ") == "no memory: \\x1b[2J"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("hsal-rl", ["hsal-rl"]),
        ("hsal-rl+class_loss=x+carry=no", ["hsal-rl", "+class_loss=x", "+carry=no"]),
        ("a+b=1+c=2+class_loss=x", ["a+b=1+c=2", "+class_loss=x"]),
        ("m [preset=quick, rate=1]", ["m ", "[preset=quick, ", "rate=1]"]),
        ("count-classifier-of-all", ["count-", "classifier-of-", "all"]),
        ("a [learning_rate=0.001, b]", ["a ", "[learning_rate=", "0.001, b]"]),
        ("iiii" * 8, ["i" * 15, "i" * 15, "ii"]),
        ("", [""]),
    ],
)
def test_a_name_is_wrapped_where_it_has_a_joint(name, lines):
    assert wrapped(name, 15) == lines


@given(st.text(), st.integers(1, 20))
def test_a_wrapped_text_has_all_its_letters_in_lines_that_fit(text, width):
    lines = wrapped(text, width)
    assert "".join(lines) == text
    assert all(len(line) <= width for line in lines)


def test_a_letter_wider_than_the_line_stands_alone():
    assert wrapped("abc", 1.5, lambda text: 2.0 * len(text)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("a", "a"),
        ("ab", "a and b"),
        ("abc", "a, b and c"),
        ("abcd", "a, b, c and 1 more"),
        ("abcdefg", "a, b, c and 4 more"),
    ],
)
def test_of_many_names_three_are_reported(names, expected):
    assert named(names) == expected
