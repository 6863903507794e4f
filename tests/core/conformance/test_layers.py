"""Layers that do something else in training mode are noted where they run in it, and no others."""

import re
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hsal_bench.conformance.layers import advice, held, run_in_training
from hsal_bench.method.contract import Prediction

RATES = torch.ones(2, 3, 4)


def told(method, layer):
    with run_in_training() as ran:
        layer(*[RATES] * (3 if isinstance(layer, nn.MultiheadAttention) else 1))
    return advice(method, ran)


@pytest.mark.parametrize(
    "layer",
    [
        nn.BatchNorm1d(3),
        nn.InstanceNorm1d(3, track_running_stats=True),
        nn.Dropout(0.1),
        nn.AlphaDropout(0.1),
        nn.RReLU(),
        nn.GRU(4, 4, num_layers=2, dropout=0.1),
        nn.MultiheadAttention(4, 2, dropout=0.1),
    ],
)
def test_a_layer_in_training_mode_is_told_with_the_attribute_that_holds_it(layer):
    method = SimpleNamespace(width=3, encoder=nn.ModuleList([layer]))
    assert told(method, layer.train()) == (
        f"{type(layer).__name__} of self.encoder ran in training mode: call self.encoder.eval() in "
        "predict, and self.encoder.train() in update"
    )
    assert told(method, layer.eval()) == ""


@pytest.mark.parametrize(
    "layer",
    [
        nn.BatchNorm1d(3, track_running_stats=False),
        nn.InstanceNorm1d(3),
        nn.Dropout(0.0),
        nn.GRU(4, 4),
        nn.MultiheadAttention(4, 2),
        nn.LayerNorm(4),
    ],
)
def test_a_layer_that_does_the_same_in_both_modes_is_not_told(layer):
    assert told(SimpleNamespace(encoder=layer), layer.train()) == ""


def test_a_layer_that_is_not_run_or_not_held_is_not_told():
    held, other = nn.Dropout(0.1), nn.Dropout(0.1)
    assert told(SimpleNamespace(encoder=held), other) == ""


def test_a_method_that_is_a_module_is_put_into_eval_mode_itself():
    method = nn.Sequential(nn.Dropout(0.1), nn.BatchNorm1d(3))
    assert told(method, method).startswith(
        "BatchNorm1d and Dropout of self ran in training mode: call self.eval() in predict"
    )


def test_nothing_is_noted_once_it_is_over():
    layer = nn.Dropout(0.1)
    with run_in_training() as ran:
        pass
    layer(RATES)
    assert ran == []


class BatchNormInTraining:
    """A map is normalised, so that one image has more than one value per channel."""

    def build_network(self):
        channels, _, _ = self.task.input_shape
        return nn.Sequential(nn.BatchNorm2d(channels), super().build_network())

    def predict(self, batch, *, trace=False):
        with torch.no_grad():
            return Prediction(self.scores(batch).argmax(-1))


class PooledInTraining(BatchNormInTraining):
    def build_network(self):
        channels, _, _ = self.task.input_shape
        return nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(channels), nn.Linear(channels, 16)
        )


class DropoutInTraining(BatchNormInTraining):
    """The network predicts in eval mode, and what it is given comes of a part that does not."""

    def build_network(self):
        self.noise = nn.Dropout(0.5)
        return super(BatchNormInTraining, self).build_network()

    def scores(self, batch):
        return self.network.eval()(self.noise(batch.inputs)).view(-1, 4, 4)


def mended(layer, part):
    call = rf"call self\.{part}\.eval\(\) in predict, and self\.{part}\.train\(\) in update"
    return rf"{layer} of self\.{part} ran in training mode: {call}"


@pytest.mark.parametrize(
    ("fault", "mended", "said"),
    [
        (
            BatchNormInTraining,
            mended("BatchNorm2d", "network"),
            {
                "one image = a batch": "in a batch of 24 and alone: counts .*; expected the same: ",
                "predicting changes nothing": r"predict changed self\.network\.0\.running_mean; "
                "expected that it stays: ",
            },
        ),
        (
            PooledInTraining,
            mended("BatchNorm1d", "network"),
            {
                "one image = a batch": r"conftest\.py line \d+: ValueError: Expected more than 1 v",
                "predicting changes nothing": r"predict changed self\.network\.2\.running_mean; ",
                "empty and full images": "where no image .* and there is one image: .* ValueError",
            },
        ),
        (
            DropoutInTraining,
            mended("Dropout", "noise"),
            {
                "predicts the same twice": "the same images predicted once more: counts .*; expect",
                "random numbers of its own": "with another state of torch's global generator, the ",
            },
        ),
    ],
)
def test_what_comes_of_a_layer_in_training_mode_is_told_with_its_remedy(
    failed, fault, mended, said
):
    found = failed(fault)
    assert list(found) == list(said)
    for name, told in said.items():
        assert re.match(f"{told}.*{mended}", found[name]), found[name]


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"nets": [nn.Linear(4, 4), nn.Dropout(0.1)]}, "self.nets[1]"),
        ({"nets": {"a": nn.Dropout(0.1)}}, "self.nets['a']"),
    ],
)
def test_layers_in_lists_and_dicts_are_found(attributes, name):
    method = SimpleNamespace(**attributes)
    layer = held(method)[name]
    assert told(method, layer).startswith(f"Dropout of {name} ran in training mode: call {name}.e")
