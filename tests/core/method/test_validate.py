"""Values that a method returns are checked, and a breach is reported in one line."""

import numpy as np
import pytest
import torch

from hsal_bench.method.contract import Prediction
from hsal_bench.method.gradient import GradientMethod
from hsal_bench.method.validate import (
    Breach,
    check_confidence,
    check_counts,
    check_prediction,
    check_scalars,
)

COUNTS = torch.zeros(2, 3, dtype=torch.int64)


def _prediction(**values):
    """Return a prediction that holds what its constructor might refuse."""
    prediction = Prediction(COUNTS)
    for name, value in values.items():
        object.__setattr__(prediction, name, value)
    return prediction


@pytest.mark.parametrize("confidence", [None, torch.ones(2)])
def test_what_keeps_the_contract_comes_back(confidence):
    prediction = Prediction(COUNTS, confidence)
    assert check_prediction("m", prediction, 2, 3) is prediction
    scalars = {"loss": torch.tensor(1.0), "norm": torch.ones(1)}
    assert check_scalars("m", "update", scalars) is scalars


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (None, "returned None, expected Prediction"),
        (
            _prediction(counts=COUNTS.float()),
            r"a tensor float32 \[2, 3\] as counts, expected integers",
        ),
        (_prediction(counts=COUNTS[:, 0]), r"a tensor int64 \[2\] as counts"),
        (_prediction(counts=[0, 1]), "list as counts"),
        (_prediction(counts=COUNTS > 0), r"a tensor bool \[2, 3\] as counts"),
        (_prediction(confidence=torch.ones(3)), r"float32 \[3\] as confidence, .* \[2\]"),
    ],
)
def test_a_prediction_of_another_shape_or_type_is_reported(prediction, message):
    with pytest.raises(Breach, match=message):
        check_prediction("m", prediction, 2, 3)


@pytest.mark.parametrize(
    ("scalars", "message"),
    [
        (None, "returned None, expected a dict of scalars"),
        (torch.tensor(1.0), r"returned a tensor float32 \[\], expected a dict"),
        ({}, 'returned nothing: it lacks "loss"'),
        ({"loss": 1.0}, "returned float as 'loss', expected a tensor of one number"),
        ({"loss": torch.ones(2)}, r"float32 \[2\] as 'loss'"),
    ],
)
def test_scalars_that_are_none_are_reported(scalars, message):
    with pytest.raises(Breach, match=message):
        check_scalars("m", "loss", scalars)


def test_a_negative_count_is_reported_with_its_place():
    with pytest.raises(Breach, match="count -2 for class 1 of image 3: counts must be at least 0"):
        check_counts("m", np.array([[0, 1], [0, 0], [1, 1], [0, -2]]))


def test_a_confidence_that_is_not_finite_is_reported_with_its_place():
    sure = np.array([0.5, -3.0])
    assert check_confidence("m", sure) is sure
    with pytest.raises(
        Breach, match=r"str\.predict returned confidence nan for image 1: it must be fi"
    ):
        check_confidence("m", np.array([0.5, np.nan, np.inf]))


def test_a_gradient_method_without_its_parts_cannot_be_made():
    class Half(GradientMethod):
        def loss(self, batch):
            return {}

    with pytest.raises(TypeError, match=r"build_network.*predict"):
        Half(None, None, None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("update", "returned 'update', a reserved name: rename it"),
        ("valid_macro_f1", "returned 'valid_macro_f1', a reserved name"),
        ("a\tb", r"a scalar under 'a\\tb': names must be printable strings"),
        (1, "a scalar under 1: names must be printable strings"),
    ],
)
def test_names_that_the_curve_or_a_record_cannot_take_are_refused(name, message):
    with pytest.raises(Breach, match=message):
        check_scalars("m", "update", {"loss": torch.tensor(1.0), name: torch.tensor(1.0)})
