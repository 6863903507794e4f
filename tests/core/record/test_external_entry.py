"""What is stated of predictions made elsewhere: short texts that print, and a web address."""

import pytest

from hsal_bench.record.external_entry import LONGEST, MOST, Statement, wrong

GOOD = {
    "entry": "official",
    "authors": ("Ada Lovelace", "Émilie du Châtelet", "李白"),
    "link": "https://example.org/a?b=c",
    "extra_data": ("weights of ImageNet",),
    "training_compute": "4 h on one GPU",
}


def test_texts_of_any_script_are_taken():
    assert Statement(**GOOD).authors == GOOD["authors"]
    assert Statement(**GOOD | {"extra_data": ()}).extra_data == ()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("authors", (), "authors is empty: name at least one"),
        ("authors", ("A", " "), "authors [1] is empty: describe it in words"),
        ("authors", ("A\x1b[31m",), "authors [0] contains unprintable characters"),
        ("authors", ("A\u202eB",), "authors [0] contains unprintable characters"),
        ("authors", ("A\x9b2J",), "authors [0] contains unprintable characters"),
        ("authors", ("A",) * (MOST + 1), f"authors lists {MOST + 1}: at most {MOST} are allowed"),
        ("extra_data", ("none\n",), "extra_data [0] contains unprintable characters"),
        ("training_compute", "", "training_compute is empty: describe it in words"),
        (
            "training_compute",
            "x" * (LONGEST + 1),
            "training_compute has 201 characters: at most 200",
        ),
        ("link", "javascript:alert(1)", "link is not a web address: it must begin with"),
        ("link", "https://", "link is not a web address"),
        ("link", "https://[", "link is not a web address"),
        ("link", "https://a b", "link is not a web address"),
        ("link", 'https://a/"onclick="b', "link is not a web address"),
        ("link", "https://a/<b>", "link is not a web address"),
        ("link", "https://a/\n", "link contains unprintable characters"),
    ],
)
def test_what_is_wrong_is_reported(name, value, said):
    assert any(problem.startswith(said) for problem in wrong(name, value))
    with pytest.raises(ValueError) as caught:
        Statement(**GOOD | {name: value})
    assert said in str(caught.value)


def test_everything_that_is_wrong_is_reported_at_once():
    with pytest.raises(ValueError, match=r"authors is empty.*; link is not a web address"):
        Statement(**GOOD | {"authors": (), "link": "example.org"})
