"""Orders of a multiset's labels, by hand and against plain Python."""

from itertools import permutations

import pytest
import torch

from hsal_bench.baselines.shared.orders import (
    ORDERS,
    distinct_orders,
    frequency_ranks,
    ordered_labels,
)
from hsal_bench.method.contract import Batch

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
        ("class", [[0, 1, 2, -1], [0, 1, 3, 3], [-1] * 4]),
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


@pytest.mark.parametrize("order", ["fixed", "class", "frequency", "spatial", "row-major", "area"])
def test_a_fixed_order_does_not_depend_on_the_order_given(order):
    batch, turn = _batch(), torch.tensor([2, 1, 0, 3])
    other = Batch(batch.inputs, batch.counts, LABELS[:, turn], BOXES[:, turn])
    first = ordered_labels(batch, order, RANKS)
    assert torch.equal(ordered_labels(other, order, RANKS)[0], first[0])


def test_every_fixed_order_is_equally_likely():
    images, generator = 6_000, torch.Generator().manual_seed(0)
    boxes = torch.randint(100, (images, 3, 4), generator=generator)
    labels = torch.arange(3).expand(images, 3)
    batch = Batch(torch.zeros(images, 1, 1, 1), torch.ones(images, 3, dtype=int), labels, boxes)
    ordered = ordered_labels(batch, "fixed", None).tolist()
    times = [ordered.count(list(order)) for order in permutations(range(3))]
    assert sum(times) == images
    # Five standard deviations of a binomial count.
    assert all(abs(n - 1_000) < 5 * (1_000 * 5 / 6) ** 0.5 for n in times)


def test_the_same_boxes_in_another_image_have_a_fixed_order_of_its_own():
    """The key of an object depends on its image, else one box would come first in all of them."""
    generator = torch.Generator().manual_seed(0)
    boxes = torch.randint(100, (2_000, 3, 4), generator=generator)
    boxes[:, :2] = torch.tensor([[0, 0, 20, 20], [40, 40, 60, 60]])
    labels = torch.arange(3).expand(2_000, 3)
    batch = Batch(torch.zeros(2_000, 1, 1, 1), torch.ones(2_000, 3, dtype=int), labels, boxes)
    ordered = ordered_labels(batch, "fixed", None)
    zero_first = (ordered == 0).int().argmax(1) < (ordered == 1).int().argmax(1)
    assert 0.4 < float(zero_first.float().mean()) < 0.6


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
