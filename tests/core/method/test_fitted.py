"""`Fitted`: its attributes are its state, and survive being saved and loaded."""

import io

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from torch import nn

from hsal_bench.method.class_check import check_class, is_fitted
from hsal_bench.method.contract import Prediction, Setup, Task
from hsal_bench.method.fitted import Fitted
from hsal_bench.method.gradient import GradientMethod
from hsal_bench.method.validate import Breach

TASK = Task(num_classes=3, max_objects=2, input_shape=(1, 4, 4))
SETUP = Setup(torch.device("cpu"), 0, 0)


class Empty(Fitted):
    def fit(self, train, valid):
        pass

    def predict(self, batch, *, trace=False):
        return Prediction(torch.zeros(len(batch.inputs), 3, dtype=torch.int64))


class WithNetwork(Empty):
    def __init__(self, task, config, setup):
        super().__init__(task, config, setup)
        self.network = nn.Linear(2, 2)


class Pickled(Empty):
    pickled = True


def _new(cls=Empty, **attributes):
    method = cls(TASK, cls.Config(), SETUP)
    vars(method).update(attributes)
    return method


def _reloaded(method):
    """Return a new instance with the state that a file gives back."""
    buffer = io.BytesIO()
    torch.save(method.state_dict(), buffer)
    buffer.seek(0)
    new = _new(type(method))
    new.load_state_dict(torch.load(buffer, weights_only=True))
    return new


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6, dtype=np.uint8).reshape(2, 3)[::-1],
        np.array([True, False]),
        np.float32(0.1),
        torch.tensor([0.25], dtype=torch.float16),
        [1, 2.5, "a", None, True],
        {"k": (np.ones(2), [torch.zeros(1)]), 3: {}},
        (),
    ],
    ids=repr,
)
def test_values_come_back_equal_and_of_the_same_type(value):
    restored = _reloaded(_new(value=value)).value
    assert type(restored) is type(value)
    assert repr(restored) == repr(value)
    assert getattr(restored, "dtype", None) == getattr(value, "dtype", None)


def test_a_network_of_init_gets_its_weights_back():
    method = _new(WithNetwork)
    new = _reloaded(method)
    assert new.network is not method.network
    assert torch.equal(new.network.weight, method.network.weight)


def test_a_network_that_fit_creates_cannot_be_restored():
    with pytest.raises(ValueError, match=r"^create self\.head in __init__"):
        _reloaded(_new(head=nn.Linear(1, 1)))


@pytest.mark.parametrize("value", [cKDTree([[0.0], [1.0]]), {"a": [object()]}, np.array(["a"])])
def test_other_objects_are_refused_by_name(value):
    with pytest.raises(Breach, match=r"^Empty: self\.tree.* not saved: .*`pickled = True`"):
        _new(tree=value).state_dict()


def test_pickled_saves_any_object():
    tree = _reloaded(_new(Pickled, tree=cKDTree([[0.0], [1.0]]))).tree
    assert tree.query([0.9])[1] == 1


def test_the_task_the_config_and_the_setup_are_not_part_of_the_state():
    assert _new().state_dict() == {}


def test_the_kind_of_a_method_follows_from_its_calls():
    assert is_fitted(Fitted)
    assert not is_fitted(GradientMethod)
    assert check_class(Empty) == "inputs activations, 0 settings, presets none"
