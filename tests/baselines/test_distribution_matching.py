"""Distances between distributions of labels, shares made whole, and the one-step form."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hsal_bench.baselines.distribution_matching import OneStepMatching, apportioned, distance
from hsal_bench.method import Batch, Setup, Task

TASK = Task(num_classes=3, max_objects=4, input_shape=(3, 2, 2))


def test_distances_by_hand():
    counts, p = torch.tensor([[2, 1, 1], [0, 0, 0]]), torch.tensor([[0.25, 0.25, 0.5]] * 2)
    assert distance(counts, p, "l1").tolist() == pytest.approx([0.5, 0.0])
    kl = 0.5 * torch.tensor(2.0).log() + 0.25 * torch.tensor(0.5).log()
    assert distance(counts, p, "kl").tolist() == pytest.approx([kl.item(), 0.0])


@pytest.mark.parametrize("kind", ["kl", "l1"])
def test_a_distribution_is_at_no_distance_of_itself(kind):
    counts = torch.tensor([[2, 1, 0], [0, 0, 4]])
    Q = counts / counts.sum(1, keepdim=True)
    assert distance(counts, Q, kind).tolist() == pytest.approx([0.0, 0.0], abs=1e-6)


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=6), st.integers(0, 12))
def test_shares_made_whole_add_up_and_stay_within_one(weights, m):
    p = torch.tensor([weights]) / sum(weights)
    counts = apportioned(p, torch.tensor([m]))
    assert counts.sum().item() == m
    assert ((counts - p * m).abs() < 1 + 1e-4).all()


def test_shares_that_are_whole_are_kept():
    p, m = torch.tensor([[0.5, 0.25, 0.25]]), torch.tensor([4])
    assert apportioned(p, m).tolist() == [[2, 1, 1]]


def test_the_one_step_form_learns_counts_that_can_be_read_off_the_volume():
    config = dataclasses.replace(OneStepMatching.Config(), hidden=64, learning_rate=0.03)
    method = OneStepMatching(TASK, config, Setup(torch.device("cpu"), 0, 200))
    generator = torch.Generator().manual_seed(0)

    def batch(size=64):
        labels = torch.randint(-1, 3, (size, 4), generator=generator)
        counts = torch.nn.functional.one_hot(labels + 1, 4).sum(1)[:, 1:]
        return Batch(counts[:, :, None, None].float().expand(-1, -1, 2, 2), counts, labels)

    for _ in range(200):
        method.update(batch())
    tested = batch(300)
    right = (method.predict(Batch(tested.inputs)).counts == tested.counts).all(1)
    assert right.float().mean() > 0.9
