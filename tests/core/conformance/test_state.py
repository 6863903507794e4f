"""The modules of a method, layers in training mode, and the first part of a state that changed."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hsal_bench.conformance.state import changed, eval_hint, modules, snapshot


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
def test_a_layer_in_training_mode_is_named_with_its_attribute(layer):
    method = SimpleNamespace(width=3, encoder=nn.ModuleList([layer]))
    assert eval_hint(method) == (
        f"{type(layer).__name__} of self.encoder in training mode, call self.encoder.eval()"
    )
    layer.eval()
    assert eval_hint(method) == ""


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
def test_a_layer_that_works_the_same_in_both_modes_is_not_named(layer):
    assert eval_hint(SimpleNamespace(encoder=layer)) == ""


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (SimpleNamespace(nets=[nn.Linear(4, 4), nn.Dropout(0.1)]), "self.nets[1]"),
        (SimpleNamespace(nets={"a": nn.Dropout(0.1)}), "self.nets['a']"),
        (nn.Sequential(nn.Dropout(0.1)), "self"),
    ],
)
def test_modules_in_lists_and_dicts_and_a_method_that_is_a_module_are_found(method, name):
    assert name in modules(method)
    assert eval_hint(method) == f"Dropout of {name} in training mode, call {name}.eval()"


@pytest.fixture
def method():
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    network.register_buffer("unsaved", torch.full((2,), torch.nan), persistent=False)
    return SimpleNamespace(network=network, width=3)


@pytest.fixture
def state():
    return {"rates": [0.1, float("nan")], "optimizer": {"state": {0: torch.ones(2)}}, "name": "a"}


def test_what_is_not_touched_is_not_changed(method, state):
    assert changed(snapshot(method, state), snapshot(method, state)) == ""


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda network, _: network[0].weight.data.add_(1), "self.network.0.weight"),
        (lambda network, _: network[1].running_var.add_(1), "self.network.1.running_var"),
        (lambda network, _: network.unsaved.zero_(), "self.network.unsaved"),
        (lambda network, _: network.append(nn.Linear(1, 1)), "self.network.2.weight"),
        (lambda _, state: state["rates"].pop(), "state_dict()['rates'][1]"),
        (lambda _, state: state["rates"].__setitem__(0, 0.2), "state_dict()['rates'][0]"),
        (lambda _, state: state["rates"].__setitem__(1, 1), "state_dict()['rates'][1]"),
        (
            lambda _, state: state["optimizer"]["state"][0].zero_(),
            "state_dict()['optimizer']['state'][0]",
        ),
        (lambda _, state: state.update(more=1), "state_dict()['more']"),
        (lambda _, state: state.update(name=torch.ones(1)), "state_dict()['name']"),
    ],
)
def test_a_change_in_place_is_named(method, state, change, name):
    before = snapshot(method, state)
    change(method.network, state)
    assert changed(before, snapshot(method, state)) == name


def test_a_method_that_is_a_module_is_held_itself(state):
    module = nn.Linear(2, 1)
    before = snapshot(module, state)
    module.bias.data.add_(1)
    assert changed(before, snapshot(module, state)) == "self.bias"


def test_what_is_not_there_yet_is_no_part_until_it_is(method, state):
    method.later = nn.LazyLinear(3)
    before = snapshot(method, state)
    assert changed(before, snapshot(method, state)) == ""
    method.later(torch.ones(1, 2))
    assert changed(before, snapshot(method, state)) == "self.later.weight"
