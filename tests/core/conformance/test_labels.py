"""How the order of labels affects an update, and the table of it in docs/methods.md."""

import dataclasses
import re
from pathlib import Path

import pytest
import torch

from hsal_bench import registry
from hsal_bench.conformance import check as conformance
from hsal_bench.conformance.tiny_task import tiny_task
from hsal_bench.conformance.training import label_order_effect, reversed_labels
from hsal_bench.conformance.trial import Trial
from hsal_bench.method.contract import Batch
from hsal_bench.runs import methods

PAGE = Path(__file__).parents[3] / "docs/methods.md"
CPU = torch.device("cpu")


class FirstLabel:
    """Of all labels it learns the first."""

    def loss(self, batch):
        _, labels = batch.truth()
        first = (labels[:, :1] == torch.arange(4)).long()
        return super().loss(dataclasses.replace(batch, counts=first))


class NoTensors:
    """It has a loss and no module: only the loss can differ."""

    def __init__(self, task, config, setup):
        pass

    def update(self, batch):
        return {"loss": batch.labels[:, 0].float().mean()}


def _effect(cls, config):
    return label_order_effect(Trial(cls, config, CPU, tiny_task("activations", CPU)))


@pytest.fixture(scope="module")
def table():
    """Return (loss, gradient) by the method's name, as the table of the page has them."""
    rows = re.findall(r"^\| `([\w-]+)` \| ([\d.e-]+) \| ([\d.e-]+) \|$", PAGE.read_text(), re.M)
    return {name: (float(loss), float(gradient)) for name, loss, gradient in rows}


def test_labels_are_reversed_with_their_boxes_and_padding_stays_behind():
    labels = torch.tensor([[2, 0, -1], [1, 1, 3], [-1, -1, -1]])
    boxes = torch.arange(9).view(3, 3, 1).expand(3, 3, 4)
    batch = reversed_labels(Batch(torch.zeros(3, 1, 1, 1), labels, labels, boxes))
    assert batch.labels.tolist() == [[0, 2, -1], [3, 1, 1], [-1, -1, -1]]
    assert batch.boxes[:2, :, 0].tolist() == [[1, 0, 2], [5, 4, 3]]


def test_the_check_tells_both_differences_and_never_fails(outcomes):
    same, other = outcomes(type("Same", (), {})), outcomes(FirstLabel)
    name = "order of labels"
    assert same[name].detail == "labels reversed within each image: same loss and gradient"
    assert other[name].outcome == "passed"
    detail = r".*: the loss differs by 0\.\d+, the gradient by 0\.\d+ \(relative; allowed.*"
    assert re.fullmatch(detail, other[name].detail)


def test_a_method_without_parameters_is_judged_by_its_loss():
    loss, gradient = _effect(NoTensors, None)
    assert loss > 0.01
    assert gradient == 0.0


@pytest.mark.parametrize(("size", "counts"), [(1e-8, False), (1e-4, True)])
def test_rounding_is_no_difference(size, counts):
    class Almost(NoTensors):
        def update(self, batch):
            return {"loss": 1 + size * batch.labels[:, 0].double().mean()}

    loss, _ = _effect(Almost, None)
    assert (loss > 0) == counts


def test_the_page_tells_of_every_method(table):
    assert sorted(table) == sorted(registry.names(registry.METHODS))


@pytest.mark.parametrize("name", registry.names(registry.METHODS))
def test_the_page_has_the_differences_of_the_code(table, name):
    entry = methods.method_run(name, conformance.PRESET, {})
    found = _effect(entry.cls, entry.config)
    assert found == pytest.approx(table[name], rel=0.1, abs=0.0)


def test_labels_in_random_order_matter_to_cross_entropy_and_to_no_other(table):
    assert {name for name, effect in table.items() if effect != (0.0, 0.0)} == {"cross-entropy"}
    assert table["cross-entropy"][1] > 0.11
