"""Orders of a multiset's labels, by hand and against plain Python."""

from itertools import permutations

import pytest
import torch

from hsal_bench.baselines.orders import ORDERS, distinct_orders, frequency_ranks, ordered_labels
from hsal_bench.method import Batch

LABELS = torch.tensor([[2, 0, 1, -1], [3, 3, 0, 1], [-1, -1, -1, -1]])
BOXES = torch.tensor(
    [
        [[40, 0, 60, 20], [5, 30, 35, 60], [5, 10, 15, 20], [-1, -1, -1, -1]],
        [[0, 0, 10, 10], [50, 0, 99, 40], [20, 0, 30, 30], [70, 0, 71, 90]],
        [[-1, -1, -1, -1]] * 4,
    ]
)
RANKS = frequency_ranks((5, 9, 9, 1), torch.device("cpu"))


def _batch():
    counts = torch.nn.functional.one_hot(LABELS + 1, 5).sum(1)[:, 1:]
    return Batch(torch.zeros(3, 1, 1, 1), counts, LABELS, BOXES)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("random", LABELS.tolist()),
        ("frequency", [[1, 2, 0, -1], [1, 0, 3, 3], [-1] * 4]),
        ("spatial", [[1, 0, 2, -1], [3, 0, 3, 1], [-1] * 4]),
        ("row-major", [[2, 1, 0, -1], [3, 0, 3, 1], [-1] * 4]),
        ("area", [[0, 2, 1, -1], [3, 0, 3, 1], [-1] * 4]),
    ],
)
def test_orders_by_hand(order, expected):
    assert ordered_labels(_batch(), order, RANKS).tolist() == expected


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_changes_no_multiset(order):
    ordered = ordered_labels(_batch(), order, RANKS)
    assert torch.equal(ordered.sort(1).values, LABELS.sort(1).values)


@pytest.mark.parametrize("order", ["frequency", "spatial", "row-major", "area"])
def test_a_fixed_order_does_not_depend_on_the_order_given(order):
    batch, turn = _batch(), torch.tensor([2, 1, 0, 3])
    other = Batch(batch.inputs, batch.counts, LABELS[:, turn], BOXES[:, turn])
    first = ordered_labels(batch, order, RANKS)
    assert torch.equal(ordered_labels(other, order, RANKS)[0], first[0])


def test_an_order_says_what_it_lacks():
    with pytest.raises(ValueError, match="'frequency' needs the classes' ranks"):
        ordered_labels(_batch(), "frequency", None)
    batch = Batch(torch.zeros(3, 1, 1, 1), _batch().counts, LABELS)
    with pytest.raises(ValueError, match="'area' needs the objects' boxes"):
        ordered_labels(batch, "area", RANKS)


def test_distinct_orders_are_those_of_the_multiset_each_once():
    rows = torch.tensor([[2, 0, 1, -1], [3, 3, 0, -1], [3, 3, 3, 3], [1, 2, 1, 2], [-1] * 4])
    ordered, distinct = distinct_orders(rows)
    for row, orders, kept in zip(rows.tolist(), ordered, distinct, strict=True):
        real = [label for label in row if label >= 0]
        expected = {order + (-1,) * (4 - len(real)) for order in permutations(real)}
        found = [tuple(order) for order in orders[kept].tolist()]
        assert len(found) == len(set(found))
        assert set(found) == expected
