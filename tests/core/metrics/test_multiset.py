"""Invariants of labels and counts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsal_bench.metrics.multiset import (
    available,
    counts_from_labels,
    label_order,
    labels_from_counts,
)

NUM_CLASSES, STOP = 4, 4
quick = settings(deadline=None, max_examples=60)


@st.composite
def batches(draw, low=-1, high=STOP):
    batch, width = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    row = st.lists(st.integers(low, high), min_size=width, max_size=width)
    return torch.tensor(draw(st.lists(row, min_size=batch, max_size=batch)))


@quick
@given(batches())
def test_counts_are_what_python_counts(labels):
    expected = [[row.count(k) for k in range(NUM_CLASSES)] for row in labels.tolist()]
    assert counts_from_labels(labels, NUM_CLASSES).tolist() == expected


@quick
@given(batches(low=0, high=3))
def test_counts_to_labels_and_back(counts):
    labels = labels_from_counts(counts, max_objects=18)
    assert torch.equal(counts_from_labels(labels, counts.shape[1]), counts)
    for row in labels.tolist():
        real = [label for label in row if label >= 0]
        assert row == sorted(real) + [-1] * (18 - len(real))


@quick
@given(batches(high=NUM_CLASSES - 1), st.integers(0, 2**31))
def test_shuffling_keeps_the_multiset_and_pads_at_the_end(labels, seed):
    keys = torch.rand(labels.shape, generator=torch.Generator().manual_seed(seed))
    shuffled = labels.gather(1, label_order(labels, keys))
    for before, after in zip(labels.tolist(), shuffled.tolist(), strict=True):
        real = [label for label in before if label >= 0]
        assert sorted(after[: len(real)]) == sorted(real)
        assert after[len(real) :] == [-1] * (len(after) - len(real))


def test_shuffling_follows_the_keys():
    labels = torch.tensor([[5, 6, 7, -1]])
    order = label_order(labels, torch.tensor([[0.3, 0.2, 0.1, 0.0]]))
    assert labels.gather(1, order).tolist() == [[7, 6, 5, -1]]


def test_every_order_is_equally_likely():
    labels = torch.tensor([0, 1, 2]).expand(60_000, 3)
    keys = torch.rand(60_000, 3, generator=torch.manual_seed(0))
    shuffled = labels.gather(1, label_order(labels, keys))
    orders = (shuffled * torch.tensor([9, 3, 1])).sum(1).bincount()
    assert (orders[orders > 0] / 60_000).tolist() == pytest.approx([1 / 6] * 6, abs=0.01)


def test_available_labels_by_hand():
    y_hat = torch.tensor([[1, 1, 1, 0, 3, 2]])
    left = available(torch.tensor([[0, 2, 1]]), y_hat)[0].tolist()
    assert left == [[0, 2, 1], [0, 1, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1]]


def test_too_large_a_label_is_an_error():
    with pytest.raises(RuntimeError):
        counts_from_labels(torch.tensor([[5]]), num_classes=4)


def test_of_too_many_labels_the_first_are_kept():
    assert labels_from_counts(torch.tensor([[1, 2]]), max_objects=2).tolist() == [[0, 1]]
