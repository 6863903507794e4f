"""multiset-loss: what is executed, and what each step is compared with."""

import math

import pytest
import torch

from hsal_bench.baselines.multiset_loss import MultisetLoss, Oracle
from hsal_bench.method.contract import Batch

COUNTS = torch.tensor([[1, 0, 0], [1, 1, 0]])
BATCH = Batch(torch.zeros(2, 3, 2, 3), COUNTS, torch.tensor([[0, -1], [1, 0]]))


def _shares(choose, p, size=5_000):
    """Return how often each class is chosen where p is its probability."""
    chosen = choose(0, torch.tensor(p).log().expand(size, 3))
    return torch.bincount(chosen, minlength=3) / size


def test_greedy_executes_the_best_label(sequential):
    choose = sequential(MultisetLoss).execution(BATCH)
    assert _shares(choose, [0.2, 0.5, 0.3]).tolist() == [0.0, 1.0, 0.0]


def test_stochastic_executes_samples_of_the_policy(sequential):
    choose = sequential(MultisetLoss, execution="stochastic").execution(BATCH)
    assert torch.allclose(
        _shares(choose, [0.2, 0.5, 0.3]), torch.tensor([0.2, 0.5, 0.3]), atol=0.03
    )


def test_oracle_executes_what_is_left_whatever_the_policy_says(sequential):
    choose = sequential(MultisetLoss, execution="oracle").execution(BATCH)
    scores = torch.tensor([[0.0, 0.0, 99.0]]).expand(2, 3)
    first, second = choose(0, scores), choose(1, scores)
    assert first[0] == 0
    assert sorted([first[1].item(), second[1].item()]) == [0, 1]


def test_the_oracle_names_every_label_once():
    counts = torch.tensor([[2, 0, 1], [0, 3, 0], [1, 1, 1]])
    oracle = Oracle(counts, torch.Generator().manual_seed(0))
    named = torch.stack([oracle(t, torch.zeros(3, 3)) for t in range(3)], 1)
    assert torch.equal(torch.nn.functional.one_hot(named, 3).sum(1), counts)


def test_the_loss_by_hand(sequential, decoding):
    """The first image's 0 is not named: it is still left at the steps that do not count."""
    method = sequential(MultisetLoss)
    p = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]
    method.unroll = decoding(p, [0.1, 0.4, 0.9], [[1, 2, 1], [1, 2, 2]])
    scalars = method.loss(BATCH)
    first = -math.log(0.7)
    second = -(0.5 * math.log(0.7) + 0.5 * math.log(0.2)) - math.log(0.1)
    assert scalars["class_loss"].item() == pytest.approx((first + second) / 2)
    stop = -(math.log(0.9 * 0.4) + math.log(0.9 * 0.6 * 0.9)) / 2
    assert scalars["stop_loss"].item() == pytest.approx(stop)
    assert scalars["loss"].item() == pytest.approx((first + second) / 2 + stop)
