"""Which images are drawn, and how a method's glimpses of them are described."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hsal_bench.data.file import open_data
from hsal_bench.method.contract import Prediction, Trace
from hsal_bench.report.figures import glimpses as module
from hsal_bench.report.figures.glimpses import choose_rows, glimpses_of, rows_to_picture, verdict
from hsal_bench.training.batches import example_set

DIGITS = tuple("0123456789")


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [
        ([], [], "right"),
        ([2, 1, 2], [2, 2, 1], "right"),
        ([1, 2, 2], [1, 2], "missing 2"),
        ([1], [1, 3, 3], "extra 3, 3"),
        ([5, 4], [], "missing 4, 5"),
        ([1], [2], "missing 1; extra 2"),
    ],
)
def test_the_verdict_is_in_words(truth, predicted, expected):
    assert verdict(truth, predicted, DIGITS) == expected


def test_pictured_images_go_from_the_fewest_to_the_most_objects():
    objects = np.array([3, 3, 1, 2, 4, 4, 1, 2, 2, 3])
    rows = rows_to_picture(objects)
    assert objects[rows].tolist() == [1, 2, 3, 2, 3, 4]
    assert rows.tolist() == [2, 7, 1, 3, 0, 4]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=30))
def test_pictured_images_are_different_and_span_the_cardinalities(numbers):
    objects = np.array(numbers)
    rows = rows_to_picture(objects)
    assert len(set(rows.tolist())) == len(rows) == min(module.PICTURED, len(objects))
    assert objects[rows].min() == objects.min()
    if len(rows) > 1:
        assert objects[rows].max() == objects.max()


def test_drawn_images_are_right_and_wrong_as_wanted_and_go_from_few_to_many():
    rng = np.random.default_rng(0)
    objects, right = rng.integers(1, 5, 500), rng.random(500) < 0.8
    wanted = np.array([[True] * 4, [True] * 4, [False] * 4])
    rows = choose_rows(objects, right, wanted, seed=3)
    assert right[rows].reshape(3, 4).tolist() == wanted.tolist()
    assert objects[rows].reshape(3, 4).tolist() == [[1, 2, 3, 4]] * 3


def test_the_seed_draws():
    objects, right = np.full(100, 2), np.ones(100, bool)
    wanted = np.array([[True, True, True]])
    one, again, other = (choose_rows(objects, right, wanted, seed).tolist() for seed in (0, 0, 1))
    assert one == again != other


@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=20),
    st.integers(0, 5),
)
def test_no_image_is_drawn_twice_and_others_stand_in_for_what_there_is_not(images, seed):
    objects, right = (np.array(column) for column in zip(*images, strict=True))
    wanted = np.array([[True, False], [False, False]])
    rows = choose_rows(objects, right, wanted, seed)
    assert len(set(rows.tolist())) == len(rows) == min(4, len(images))
    assert right[rows].sum() >= min(1, right.sum())
    assert (~right[rows]).sum() >= min(3, (~right).sum(), len(images))
    for start in (0, 2):
        assert (np.diff(objects[rows[start : start + 2]]) >= 0).all()


def test_the_order_stands_above_the_place_of_an_outcome():
    # The one mistake has the fewest objects, and its place is the last one.
    objects, right = np.array([1, 2, 4, 4]), np.array([False, True, True, True])
    rows = choose_rows(objects, right, np.array([[True, True, False]]), seed=0)
    assert objects[rows].tolist() == [1, 2, 4]
    assert right[rows].tolist() == [False, True, True]


class _Looker:
    """Sees the sum of each image's pixels as its saliency; predicts class 1, then stop."""

    def predict(self, batch, *, trace=False):
        count = len(batch.inputs)
        maps = batch.inputs.sum((1, 2, 3))[:, None, None].expand(count, 2, 2)
        steps = maps[:, None].expand(count, 2, 2, 2)
        glimpses = torch.zeros(count, 2, 1, dtype=torch.int64)
        labels = torch.tensor([1, 3]).expand(count, 2)
        counts = torch.zeros(count, 3, dtype=torch.int64)
        return Prediction(counts, None, Trace(maps, steps, steps, steps, glimpses, labels))


class _Blind:
    def predict(self, batch, *, trace=False):
        return Prediction(torch.zeros(len(batch.inputs), 3, dtype=torch.int64))


def test_looks_are_of_the_rows_asked_for(toy_file):
    rows = np.array([4, 0])
    with open_data(toy_file) as data:
        test = example_set(data, "test", torch.device("cpu"))
        found = glimpses_of(_Looker(), test, data, rows)
        assert glimpses_of(_Blind(), test, data, rows) is None
        images = data.read("test", "images")[rows]
        labels = [[y for y in row if y >= 0] for row in data.read("test", "labels")[rows].tolist()]
    assert np.array_equal(found.images, images)
    assert found.truths == labels
    assert found.trace.saliency[:, 0, 0].tolist() == pytest.approx(images.sum((1, 2, 3)) / 255)
    assert found.labels(0) == (1, 3)
    assert found.verdict(1) == verdict(labels[1], [1], "abc")
