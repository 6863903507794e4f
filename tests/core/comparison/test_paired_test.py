"""Two predictions compared: worked examples, what is left out, and the words."""

import dataclasses
import math

import numpy as np
import pytest

from hsal_bench.comparison import paired_test
from hsal_bench.comparison.paired_test import (
    Estimate,
    PairedScore,
    compare,
    detectable,
    p_value,
    verdict,
)
from hsal_bench.metrics import scores as metrics


@pytest.fixture(scope="module")
def predicted():
    """Truth and two predictions, the second with fewer mistakes."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, (300, 4)).astype(np.uint8)
    truth[truth.sum(1) == 0, 0] = 1

    def mistaken(share):
        more = (rng.random(truth.shape) < share).astype(np.int64)
        return truth + more

    return truth, mistaken(0.15), mistaken(0.05)


def rights(truth, *counts):
    return [(truth == p).all(1) for p in counts]


def test_the_numbers_are_those_of_the_metrics(predicted):
    truth, a, b = predicted
    found = compare(*rights(truth, a, b), truth, (a, b))
    first, second = metrics.score(truth, a), metrics.score(truth, b)
    for name in ("exact_match", "macro_f1"):
        scores = getattr(found, name)
        assert scores.a.value == pytest.approx(first[name])
        assert scores.b.value == pytest.approx(second[name])
        assert scores.difference.value == pytest.approx(second[name] - first[name])
        for one in (scores.a, scores.b, scores.difference):
            assert one.low < one.value < one.high
    for kind in found.kinds:
        m = kind.name.split()[0]
        name = {"a": "exact_match_repeat", "no": "exact_match_no_repeat"}.get(
            m, f"exact_match_m{m}"
        )
        assert kind.exact_match.a.value == pytest.approx(first[name])
    assert [kind.name for kind in found.kinds][-2:] == ["a repeat", "no repeat"]
    assert sum(kind.images for kind in found.kinds[-2:]) == 300


def test_the_table_of_the_images():
    a, b = np.repeat([1, 1, 0, 0], [40, 1, 9, 50]), np.repeat([1, 0, 1, 0], [40, 1, 9, 50])
    found = compare(a.astype(bool), b.astype(bool))
    assert (found.both, found.only_a, found.only_b, found.neither) == (40, 1, 9, 50)
    assert found.p == pytest.approx(22 / 1024)
    assert found.significant
    assert (found.macro_f1, found.kinds) == (None, ())
    difference = found.exact_match.difference
    assert difference.value == pytest.approx(0.08)
    # sqrt((10 - 64 / 100) / 100^2) is its standard error.
    assert (difference.low, difference.high) == pytest.approx((0.02, 0.14), abs=0.011)


def test_turned_round_the_difference_changes_its_sign(predicted):
    truth, a, b = predicted
    one, other = (
        compare(*rights(truth, *pair), truth, pair).macro_f1.difference for pair in ((a, b), (b, a))
    )
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))


def test_uint8_counts_do_not_wrap_around():
    truth = np.full((400, 2), 2, np.uint8)
    found = compare(*[np.ones(400, bool)] * 2, truth, (truth, truth))
    assert found.macro_f1.a == Estimate(1.0, 1.0, 1.0)
    assert [kind.name for kind in found.kinds] == ["4 objects", "a repeat"]


def test_what_contradicts_itself_is_refused(predicted):
    truth, a, b = predicted
    with pytest.raises(ValueError, match="counts are given without the truth"):
        compare(*rights(truth, a, b), None, (a, b))
    with pytest.raises(ValueError, match=r"the arrays have \[299, 300\] images"):
        compare(*rights(truth, a, b), truth[1:])


@pytest.fixture
def said():
    """Return a comparison with the difference (value, low, high), p, and what would show."""
    whole = compare(np.ones(4, bool), np.ones(4, bool))

    def said(difference, p, smallest=0.012):
        scores = PairedScore(*[Estimate(0.5, 0.4, 0.6)] * 2, Estimate(*difference))
        changes = {"exact_match": scores, "p": p, "smallest_difference": smallest}
        return dataclasses.replace(whole, **changes)

    return said


@pytest.mark.parametrize(
    ("difference", "p", "expected"),
    [
        (
            (0.031, 0.024, 0.038),
            1e-9,
            "B is 3.1 points better (95 % CI 2.4 to 3.8), McNemar p < 0.0001; "
            "a difference of about 1.2 points would be detected with 80 % power",
        ),
        (
            (-0.031, -0.038, -0.024),
            0.00123,
            "A is 3.1 points better (95 % CI 2.4 to 3.8), McNemar p = 0.0012; "
            "a difference of about 1.2 points would be detected with 80 % power",
        ),
        (
            (-0.003, -0.01, 0.004),
            0.41,
            "A and B are not significantly different: A leads by 0.3 points (95 % CI -0.4 to 1.0), "
            "McNemar p = 0.41; a difference of about 1.2 points would be detected with 80 % power",
        ),
        (
            (0.0, -0.0001, 0.0001),
            1.0,
            "A and B are not significantly different: the difference is 0.0 points (95 % CI 0.0 to "
            "0.0), McNemar p = 1; a difference of about 1.2 points would be detected with 80 % "
            "power",
        ),
    ],
)
def test_the_verdict_in_plain_words(said, difference, p, expected):
    assert verdict(said(difference, p), "A", "B") == expected


def test_images_that_could_show_nothing(said):
    text = detectable(said((0.0, 0.0, 0.0), 1.0, math.nan))
    assert text == "too few images differ to detect any difference"
    # Six images for one and none for the other: significant, though no formula gives the power.
    found = compare(np.arange(1000) < 6, np.zeros(1000, bool))
    assert found.significant
    assert math.isnan(found.smallest_difference)
    assert verdict(found, "A", "B").endswith("McNemar p = 0.031")


def test_p_values_have_two_digits():
    assert [p_value(p) for p in (0.00009, 0.0001, 0.0456, 1.0)] == [
        "p < 0.0001",
        "p = 0.0001",
        "p = 0.046",
        "p = 1",
    ]


def test_the_same_resamples_every_time(predicted):
    truth, a, b = predicted
    assert paired_test.compare(*rights(truth, a, b)) == paired_test.compare(*rights(truth, a, b))
