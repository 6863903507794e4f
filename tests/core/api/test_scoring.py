"""`hsal_bench.score` and `Evaluator`: every form of predictions gives the same numbers."""

import numpy as np
import pytest
import torch

import hsal_bench as hb
from hsal_bench.errors import UsageError
from hsal_bench.metrics import scores
from hsal_bench.record.predictions import write_predictions

COUNTS = np.array([[1, 0, 2], [0, 0, 0], [0, 3, 0]])
TRUE = np.array([[1, 0, 2], [0, 1, 0], [0, 2, 1]])
LISTS = [[2, 0, 2], [], [1, 1, 1]]
TRUE_LISTS = [[0, 2, 2], [1], [1, 2, 1]]


@pytest.mark.parametrize(
    "form",
    [np.ndarray.tolist, np.float32, np.uint8, torch.from_numpy, lambda a: torch.tensor(a / 1)],
)
def test_counts_in_any_form_score_alike(form):
    expected = scores.score(TRUE, COUNTS)
    assert hb.score(form(COUNTS), form(TRUE)) == pytest.approx(expected, nan_ok=True)


def test_label_lists_score_as_their_counts():
    expected = pytest.approx(scores.score(TRUE, COUNTS), nan_ok=True)
    assert hb.score(LISTS, TRUE_LISTS, form="labels") == expected
    padded = torch.tensor([[2, 0, 2], [-1, -1, -1], [1, 1, 1]])
    assert hb.score(padded, TRUE_LISTS, form="labels") == expected


def test_the_evaluator_scores_counts_lists_and_files(toy_file, tmp_path):
    truth = hb.load(toy_file, split="test")
    evaluator = hb.Evaluator(toy_file)
    rolled = truth.counts.roll(1, 0)
    lists = truth.labels.roll(1, 0)
    write_predictions(rolled.numpy(), None, tmp_path / "p.jsonl")
    expected = evaluator.eval(rolled)
    assert 0 < expected["macro_f1"] < 1
    assert evaluator.eval(lists, form="labels") == pytest.approx(expected, nan_ok=True)
    assert evaluator.eval(tmp_path / "p.jsonl") == pytest.approx(expected, nan_ok=True)
    assert evaluator.eval(truth.counts)["exact_match"] == 1.0


@pytest.mark.parametrize(
    ("predicted", "form", "message"),
    [
        (COUNTS + 0.5, "counts", r"predicted\[0, 0\] is 1.5: counts are whole numbers"),
        (COUNTS - 1, "counts", "negative"),
        (LISTS, "counts", "give counts, or label lists with form='labels'"),
        (COUNTS[0], "counts", r"predicted has the shape \(3,\), not \[images, classes\]"),
        (COUNTS[:2], "counts", "shape"),
        (np.full((3, 3), np.nan), "counts", "is nan"),
        (COUNTS.astype(str), "counts", "not whole numbers"),
        ([[0.5], [], []], "labels", r"predicted\[0\] is \[0.5\]: labels are whole numbers"),
        ([[-2], [], []], "labels", "labels are whole numbers"),
        ([3, [], []], "labels", r"predicted\[0\] is 3: give a list of labels"),
        (COUNTS, "count", "no form 'count': did you mean 'counts'"),
    ],
)
def test_wrong_predictions_are_refused(predicted, form, message):
    with pytest.raises(UsageError, match=message):
        hb.score(predicted, TRUE_LISTS if form == "labels" else TRUE, form=form)


def test_the_evaluator_says_what_it_expects(toy_file):
    evaluator = hb.Evaluator(toy_file)
    with pytest.raises(
        UsageError, match=r"expected 60 rows, one per test image of toy.* 3 classes"
    ):
        evaluator.eval(COUNTS)
    with pytest.raises(UsageError, match="image 0 has the label 3; labels are 0 to 2"):
        evaluator.eval([[3]] * 60, form="labels")
