"""A sound method passes every check; a check whose needs fail is skipped."""

import re

import pytest
import torch
from torch import nn

from hsal_bench import registry
from hsal_bench.conformance import check as conformance
from hsal_bench.errors import UsageError
from hsal_bench.method.gradient import GradientMethod
from hsal_bench.method.load import load_method


class Looks:
    """The trace as it is."""


class NoTrace:
    def trace(self, batch, counts):
        return None


class Images(NoTrace):
    inputs = "images"

    def build_network(self):
        first, second = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, 2, padding=1)
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 16))
        return nn.Sequential(first, nn.ReLU(), nn.MaxPool2d(2), second, nn.ReLU(), head)


class BatchNorm(NoTrace):
    def build_network(self):
        pool, flat, linear = super().build_network()
        return nn.Sequential(pool, flat, nn.BatchNorm1d(32), linear)


class Dropout(NoTrace):
    def build_network(self):
        return nn.Sequential(super().build_network(), nn.Dropout(0.1))


class NoLoss:
    def _follow(self, batch):
        return {"error": torch.zeros(())}


class Open(GradientMethod):
    def loss(self, batch): ...


@pytest.mark.parametrize("changes", [NoTrace, Looks, Images, Dropout, BatchNorm])
def test_a_sound_method_passes_every_check(outcomes, changes):
    checks = outcomes(changes)
    assert conformance.failures(checks.values()) == []
    skipped = {name: check.detail for name, check in checks.items() if check.outcome == "skipped"}
    fixed = {"more objects": "only for up to 3 objects (any_cardinality is not True)"}
    assert skipped == (fixed if changes is Looks else {"trace": "the method has no trace"} | fixed)
    if changes is Looks:
        assert checks["trace"].detail == "9 steps of 2 glimpses on 4 x 4 cells"
    detail = r"multiset IoU 0\.\d+ after [1-3]?\d\d updates, best constant multiset 0\.\d+"
    assert re.fullmatch(detail, checks["learning"].detail)


def test_a_check_that_needs_a_failed_one_is_skipped(outcomes):
    checks = outcomes(NoLoss)
    assert checks["training"].detail == "'update' must pass first"
    assert checks["learning"].detail == checks["training"].detail
    assert checks["prediction"].outcome == "passed"
    assert [check.outcome for check in conformance.check_method(Open)] == [
        "failed",
        *["skipped"] * (len(checks) - 1),
    ]


def test_settings_can_be_given(sound):
    checks = conformance.check_method(sound, {"learning_rate": "0"})
    (failed,) = conformance.failures(checks)
    assert failed.startswith("learning: multiset IoU 0.")
    with pytest.raises(UsageError, match="Sound has no option 'rate'"):
        conformance.check_method(sound, {"rate": "0"})


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.names(registry.METHODS))
def test_every_method_of_this_project_keeps_the_contract(name):
    assert conformance.failures(conformance.check_method(load_method(name))) == []
