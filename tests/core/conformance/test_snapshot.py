"""What a method holds is copied, and the first part that changed is named."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hsal_bench.conformance.snapshot import changed, snapshot


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
        (lambda _, state: state["rates"].__setitem__(0, 1), "state_dict()['rates'][0]"),
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
