"""The metrics against slow definitions in plain Python, their laws, and examples by hand."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from hsal_bench.metrics import scores as metrics

quick = settings(deadline=None, max_examples=80)
APPROX = {"abs": 1e-12, "nan_ok": True}


@st.composite
def pairs(draw, max_images=6):
    images, classes = draw(st.integers(1, max_images)), draw(st.integers(1, 4))
    cells = st.lists(st.integers(0, 3), min_size=images * classes, max_size=images * classes)
    return tuple(np.array(draw(cells)).reshape(images, classes) for _ in range(2))


def mean(values, otherwise=math.nan):
    values = list(values)
    return sum(values) / len(values) if values else otherwise


def slow_scores(c, p):
    """The formulas, one image, one class and one number at a time."""
    images, classes = range(len(c)), range(len(c[0]))
    tp = [sum(min(c[n][k], p[n][k]) for n in images) for k in classes]
    true = [sum(c[n][k] for n in images) for k in classes]
    guessed = [sum(p[n][k] for n in images) for k in classes]
    occurring = [k for k in classes if true[k] + guessed[k]]
    precision = mean((tp[k] / guessed[k] if guessed[k] else 0 for k in occurring), 1)
    recall = mean((tp[k] / true[k] if true[k] else 0 for k in occurring), 1)
    either = [sum(max(a, b) for a, b in zip(c[n], p[n], strict=True)) for n in images]
    shared = [sum(min(a, b) for a, b in zip(c[n], p[n], strict=True)) for n in images]
    error = [sum(p[n]) - sum(c[n]) for n in images]
    empty = float(not occurring)
    scores = {
        "exact_match": mean(c[n] == p[n] for n in images),
        "macro_f1": mean((2 * tp[k] / (true[k] + guessed[k]) for k in occurring), 1),
        "overall_precision": sum(tp) / sum(guessed) if sum(guessed) else empty,
        "overall_recall": sum(tp) / sum(true) if sum(true) else empty,
        "overall_f1": 2 * sum(tp) / (sum(true) + sum(guessed)) if occurring else 1,
        "class_precision": precision,
        "class_recall": recall,
        "class_f1": 2 * precision * recall / (precision + recall) if precision + recall else 0,
        "multiset_iou": mean(shared[n] / either[n] if either[n] else 1 for n in images),
        "cardinality_accuracy": mean(e == 0 for e in error),
        "cardinality_mae": mean(abs(e) for e in error),
        "cardinality_bias": mean(error),
        "exact_match_repeat": mean(c[n] == p[n] for n in images if max(c[n]) > 1),
        "exact_match_no_repeat": mean(c[n] == p[n] for n in images if max(c[n]) < 2),
        "f1_welleck2018": slow_welleck(c, p, max(map(sum, c)), 64),
    }
    for m in {sum(row) for row in c}:
        scores[f"exact_match_m{m}"] = mean(c[n] == p[n] for n in images if sum(c[n]) == m)
    return scores


def slow_welleck(c, p, K, batch_size):
    def f1_of_batch(rows):
        f1 = []
        for k in range(len(rows[0][0])):
            here = [(a[k], b[k]) for a, b in rows if a[k]]
            if here:
                precision = mean(min(a, b) / max(b, 1) for a, b in here)
                recall = mean(min(a, b) / a for a, b in here)
                both = precision + recall
                f1.append(2 * precision * recall / both if both else 0)
        return mean(f1)

    padded = [[[*row, max(K - sum(row), 0)] for row in counts] for counts in (c, p)]
    rows = list(zip(*padded, strict=True))
    return mean(f1_of_batch(rows[i : i + batch_size]) for i in range(0, len(rows), batch_size))


@quick
@given(pairs())
def test_scores_are_the_definitions(pair):
    assert metrics.score(*pair) == pytest.approx(slow_scores(*(x.tolist() for x in pair)), **APPROX)


def as_set(row):
    """A multiset as a set: of its copies of each class, numbered."""
    return {(k, copy) for k, count in enumerate(row) for copy in range(count)}


@quick
@given(pairs())
def test_scores_are_those_of_sets_of_numbered_copies(pair):
    rows = [(as_set(c), as_set(p)) for c, p in zip(*pair, strict=True)]
    true, guessed, hit, either = (
        sum(len(part) for part in parts)
        for parts in zip(*((c, p, c & p, c | p) for c, p in rows), strict=True)
    )
    s = metrics.score(*pair)
    assert s["exact_match"] == mean(c == p for c, p in rows)
    assert s["multiset_iou"] == pytest.approx(
        mean(len(c & p) / len(c | p) if c | p else 1.0 for c, p in rows)
    )
    nothing = float(either == 0)
    assert s["overall_precision"] == pytest.approx(hit / guessed if guessed else nothing)
    assert s["overall_recall"] == pytest.approx(hit / true if true else nothing)


@quick
@given(pairs(max_images=9), st.integers(1, 4), st.integers(0, 2))
def test_welleck_in_batches_is_the_definition(pair, batch_size, extra):
    K = int(pair[0].sum(1).max()) + extra
    assume(K > 0)
    value = metrics.f1_welleck2018(*pair, max_objects=K, batch_size=batch_size)
    assert value == pytest.approx(slow_welleck(*(x.tolist() for x in pair), K, batch_size))


@quick
@given(pairs(), st.randoms(use_true_random=False))
def test_order_of_images_and_names_of_classes_do_not_matter(pair, random):
    images, classes = (random.sample(range(n), n) for n in pair[0].shape)
    other = (x[images][:, classes] for x in pair)
    assert metrics.score(*other) == pytest.approx(metrics.score(*pair), **APPROX)


@quick
@given(pairs())
def test_a_perfect_prediction_has_no_error(pair):
    truth = pair[0]
    for name, value in metrics.score(truth, truth).items():
        error = name in ("cardinality_mae", "cardinality_bias")
        assert value == (0 if error else 1) or math.isnan(value)
    assert metrics.correct(truth, truth).all()


@quick
@given(pairs())
def test_truth_and_prediction_exchanged(pair):
    one, other = metrics.score(*pair), metrics.score(*pair[::-1])
    for name in ("exact_match", "macro_f1", "overall_f1", "class_f1", "multiset_iou"):
        assert one[name] == pytest.approx(other[name])
    assert one["overall_precision"] == other["overall_recall"]
    assert one["class_precision"] == other["class_recall"]
    assert one["cardinality_bias"] == -other["cardinality_bias"]


@quick
@given(pairs())
def test_bounds(pair):
    s = metrics.score(*pair)
    assert s["exact_match"] <= s["multiset_iou"] <= 1
    assert s["exact_match"] <= s["cardinality_accuracy"]
    assert abs(s["cardinality_bias"]) <= s["cardinality_mae"]
    assert s["exact_match"] == metrics.correct(*pair).mean()


def test_worked_example():
    """Truth {0,0} and {1}; predicted {0,0} and {1,0}."""
    truth, predicted = np.array([[2, 0], [0, 1]]), np.array([[2, 0], [1, 1]])
    s = metrics.score(truth, predicted)
    assert s["macro_f1"] == pytest.approx((4 / 5 + 1) / 2)
    assert s["f1_welleck2018"] == pytest.approx(2 / 3)  # 1 and 1, but stop is missed: 0
    assert s["exact_match"] == 0.5
    assert s["overall_precision"] == 0.75
    assert s["overall_recall"] == 1
    assert s["class_precision"] == pytest.approx((2 / 3 + 1) / 2)
    assert s["multiset_iou"] == (1 + 1 / 2) / 2
    assert s["cardinality_bias"] == 0.5
    assert (s["exact_match_m2"], s["exact_match_m1"]) == (1, 0)
    assert (s["exact_match_repeat"], s["exact_match_no_repeat"]) == (1, 0)


def test_of_an_absent_class_the_averages_of_sklearn_take_nothing():
    """scikit-learn on numbered copies: micro, macro over the classes that occur, Jaccard.

    The last class is neither there nor predicted: counted as 0, macro F1 would be 0.506.
    """
    truth = np.array([[2, 0, 1, 0], [0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 3, 0]])
    predicted = np.array([[1, 0, 1, 0], [0, 1, 0, 0], [2, 0, 0, 0], [0, 1, 2, 0]])
    expected = {
        "exact_match": 0.25,
        "macro_f1": 0.6746031746,
        "overall_precision": 0.75,
        "overall_recall": 0.6666666667,
        "overall_f1": 0.7058823529,
        "class_precision": 0.7222222222,
        "class_recall": 0.6388888889,
        "multiset_iou": 0.625,
    }
    s = metrics.score(truth, predicted)
    assert {name: s[name] for name in expected} == pytest.approx(expected)


def test_unsigned_counts_do_not_wrap_around():
    truth, predicted = np.array([[200, 2]], "u1"), np.array([[199, 100]], "u1")
    assert metrics.score(truth, predicted)["cardinality_bias"] == 97


def test_nothing_to_find():
    empty = np.zeros((2, 3), int)
    s = metrics.score(empty, empty)
    assert s["macro_f1"] == s["overall_precision"] == s["class_f1"] == s["exact_match"] == 1
    assert metrics.score(empty, np.eye(3, dtype=int)[:2])["overall_precision"] == 0


def test_more_predicted_than_there_can_be_leaves_no_stop():
    truth = np.array([[2, 0], [1, 0]])
    value = metrics.f1_welleck2018(truth, np.array([[3, 1], [1, 0]]), max_objects=2)
    assert value == pytest.approx((2 * (5 / 6) / (5 / 6 + 1) + 1) / 2)


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        (np.array([[1]]), np.array([[-1]]), "predicted counts contain -1"),
        (np.zeros((0, 3), int), np.zeros((0, 3), int), r"shape \(0, 3\)"),
    ],
)
def test_wrong_counts_are_refused(truth, predicted, message):
    with pytest.raises(ValueError, match=message):
        metrics.score(truth, predicted)


def test_different_shapes_are_refused():
    # While the annotations are checked, as in these tests, they are the first to object.
    with pytest.raises((ValueError, TypeCheckError), match="predicted"):
        metrics.score(np.zeros((2, 3), int), np.zeros((3, 3), int))


def test_too_small_max_objects_is_refused():
    with pytest.raises(ValueError, match="an image has 2 objects, more than max_objects=1"):
        metrics.f1_welleck2018(np.array([[2]]), np.array([[2]]), max_objects=1)


def test_per_class():
    table = metrics.per_class(np.array([[2, 0, 0]]), np.array([[1, 1, 0]]), ["a", "b", "c"])
    assert table["class"].tolist() == ["a", "b", "c"]
    assert table["support"].tolist() == [2, 0, 0]
    assert table["predicted"].tolist() == [1, 1, 0]
    assert table["precision"].tolist() == pytest.approx([1, 0, math.nan], nan_ok=True)
    assert table["recall"].tolist() == pytest.approx([0.5, 0, math.nan], nan_ok=True)
    assert table["f1"].tolist() == pytest.approx([2 / 3, 0, math.nan], nan_ok=True)
    with pytest.raises(ValueError, match="1 class names for 3 classes"):
        metrics.per_class(np.array([[2, 0, 0]]), np.array([[1, 1, 0]]), ["a"])


def test_every_metric_has_a_meaning():
    scores = metrics.score(np.array([[2, 1]]), np.array([[1, 1]]))
    assert [name for name in scores if not metrics.meaning(name)] == []
    assert metrics.meaning("exact_match_m1") == "exact match on images with 1 object"
