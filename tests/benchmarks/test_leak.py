"""Images with glyphs that the training split does not have (benchmarks/leak.py)."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from hsal_bench.data.schema import PAD
from hsal_bench.record.correct import pack_correct
from hsal_bench.record.record import DataSet


@pytest.fixture
def run(scripts, record):
    """Return a function that makes a run with the given images right."""
    (item,) = scripts.reproduction.plan("S", methods=["idspn"], parts=["4"], seeds=[0])

    def run(*right):
        data_set = DataSet(item.dataset, "ab" * 32, {"test": len(right)}, "x.h5")
        right = np.array(right, dtype=bool)
        metrics = {"exact_match": right.mean()}
        return record(item, data_set=data_set, metrics=metrics, correct=pack_correct(right))

    return run


def test_glyphs_of_test_images_that_training_has_not_are_counted(scripts):
    index = {
        "train": np.array([[3, 7, PAD], [5, PAD, PAD]]),
        "test": np.array([[7, 7, 5], [4, PAD, PAD], [3, 6, 6]]),
    }
    data = SimpleNamespace(
        read=lambda split, name: index[split], runs=lambda split, name, rows: [((), index[split])]
    )
    images = scripts.leak.glyphs(data)
    assert images.to_dict("list") == {"objects": [3, 1, 3], "unknown": [0, 1, 2]}


def test_each_number_of_objects_counts_as_often_as_in_the_split(scripts, run):
    unknown = [0] * 4 + [1] * 2 + [0] * 2 + [1] * 4
    images = pd.DataFrame({"objects": [1] * 6 + [2] * 6, "unknown": unknown})
    result = scripts.leak.compared([run(1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0)], images)
    # Known: 4/4 of one object and 1/2 of two; unknown: 1/2 and 1/4.
    assert result[:2] == pytest.approx((0.75, 0.375))


def test_with_one_object_the_effect_is_the_difference_of_two_means(scripts, run):
    images = pd.DataFrame({"objects": 1, "unknown": [0] * 4 + [1] * 4})
    # The variance of both means is 3/16 / 4.
    expected = (0.75, 0.25, 0.5, 1.96 * (2 * 3 / 16 / 4) ** 0.5)
    result = scripts.leak.compared([run(1, 1, 1, 0, 1, 0, 0, 0)], images)
    assert result == pytest.approx(expected)


def test_the_effect_is_of_all_glyphs_and_not_of_more_objects(scripts, run):
    # One of two glyphs is unknown: 1 and 3/4 right, so all glyphs have twice the effect. Images
    # of one object, all wrong, say 0: their slope counts 1/3, by the spread of their shares.
    images = pd.DataFrame({"objects": [2] * 8 + [1] * 2, "unknown": [0] * 4 + [1] * 4 + [0, 1]})
    result = scripts.leak.compared([run(*[1] * 4, *[1, 1, 1, 0], 0, 0)], images)
    assert result.effect == pytest.approx(0.5 * (8 / 16) / (8 / 16 + 1 / 2))


def test_an_image_counts_with_its_mean_over_the_runs(scripts, run):
    images = pd.DataFrame({"objects": 1, "unknown": [0, 0, 1, 1]})
    result = scripts.leak.compared([run(1, 0, 0, 1), run(0, 1, 1, 0)], images)
    assert result == pytest.approx((0.5, 0.5, 0, 0))  # each image right in one of the two
