"""Distances between distributions of labels, shares made whole, and both forms' losses."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hsal_bench.baselines.distribution_matching import (
    DistributionMatching,
    OneStepMatching,
    apportioned,
    kl,
    l1,
    log_mean,
)
from hsal_bench.baselines.shared.decoder import Decoded
from hsal_bench.method.contract import Batch, Setup, Task

TASK = Task(num_classes=3, max_objects=4, input_shape=(3, 2, 2))
UNDERFLOW = torch.tensor([0.0, 200.0, 0.0])


def test_distances_by_hand():
    counts, p = torch.tensor([[2, 1, 1], [0, 0, 0]]), torch.tensor([[0.25, 0.25, 0.5]] * 2)
    assert l1(counts, p).tolist() == pytest.approx([0.5, 0.0])
    expected = 0.5 * math.log(2.0) + 0.25 * math.log(0.5)
    assert kl(counts, p.log()).tolist() == pytest.approx([expected, 0.0])


def test_a_distribution_is_at_no_distance_of_itself():
    counts = torch.tensor([[2, 1, 1], [1, 1, 2]])
    Q = counts / 4
    assert l1(counts, Q).tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    assert kl(counts, Q.log()).tolist() == pytest.approx([0.0, 0.0], abs=1e-6)


def test_the_mean_of_the_counted_steps_by_hand():
    p = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]).expand(2, 3, 3)
    counted = torch.tensor([[True, True, False], [True, False, False]])
    mean = log_mean(p.log(), counted).exp()
    assert torch.allclose(mean, torch.tensor([[0.3, 0.525, 0.175], [0.5, 0.25, 0.25]]))


def test_a_class_whose_probability_underflows_still_learns_in_the_sequential_form(sequential):
    """The gradient of KL(Q, p) in the logits is p - Q, however small p is."""
    method, scores = sequential(DistributionMatching), UNDERFLOW.repeat(1, 3, 1).requires_grad_()
    nothing = torch.zeros(1, 3)
    decoded = Decoded(scores, nothing, nothing[..., None], nothing.long())
    method.unroll = lambda *_: decoded
    batch = Batch(torch.zeros(1, 3, 2, 3), torch.tensor([[2, 0, 0]]), torch.tensor([[0, 0]]))
    method.loss(batch)["class_loss"].backward()
    assert scores.grad.sum(1).tolist() == [pytest.approx([-1.0, 1.0, 0.0], abs=1e-4)]


def test_a_class_whose_probability_underflows_still_learns_in_the_one_step_form():
    method = OneStepMatching(TASK, OneStepMatching.Config(), Setup(torch.device("cpu"), 0, 10))
    scores = torch.cat([UNDERFLOW, torch.zeros(5)])[None].requires_grad_()
    method.network = lambda V: scores
    labels = torch.tensor([[0, 0, -1, -1]])
    batch = Batch(torch.zeros(1, 3, 2, 2), torch.tensor([[2, 0, 0]]), labels)
    method.loss(batch)["matching"].backward()
    assert scores.grad[0, :3].tolist() == pytest.approx([-1.0, 1.0, 0.0], abs=1e-4)


def test_images_without_objects_cost_nothing_and_give_no_gradient():
    scores = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    per_image = kl(torch.zeros(2, 3, dtype=int), log_mean(scores.log_softmax(2), nothing))
    per_image.sum().backward()
    assert per_image.tolist() == [0.0, 0.0]
    assert torch.equal(scores.grad, torch.zeros_like(scores))


@pytest.mark.parametrize(
    ("distance", "expected"),
    [("kl", (-math.log(0.7), 0.5 * math.log(0.5 / 0.4))), ("l1", (0.6, 0.2))],
)
def test_the_sequential_form_s_loss_by_hand(distance, expected, sequential, decoding):
    """The mean of the first m distributions: (0.7, 0.2, 0.1) of one, (0.4, 0.5, 0.1) of two."""
    method = sequential(DistributionMatching, distance=distance)
    p = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]
    method.unroll = decoding(p, [0.1, 0.4, 0.9], [[0, 1, 2]] * 2)
    counts, labels = torch.tensor([[1, 0, 0], [1, 1, 0]]), torch.tensor([[0, -1], [1, 0]])
    scalars = method.loss(Batch(torch.zeros(2, 3, 2, 3), counts, labels))
    assert scalars["class_loss"].item() == pytest.approx(sum(expected) / 2)
    stop = -(math.log(0.9 * 0.4) + math.log(0.9 * 0.6 * 0.9)) / 2
    assert scalars["loss"].item() == pytest.approx(sum(expected) / 2 + stop)


def test_the_sequential_form_executes_the_best_label(sequential, toy_batch):
    choose = sequential(DistributionMatching).execution(toy_batch(2))
    assert (choose(0, torch.tensor([0.2, 0.5, 0.3]).log().expand(1_000, 3)) == 1).all()


@pytest.mark.parametrize(
    ("distance", "expected"),
    [("kl", 0.5 * math.log(0.5 / 0.7) + 0.5 * math.log(0.5 / 0.2)), ("l1", 0.6)],
)
def test_the_one_step_form_s_loss_by_hand(distance, expected):
    config = OneStepMatching.Config(distance=distance)
    method = OneStepMatching(TASK, config, Setup(torch.device("cpu"), 0, 10))
    p, sizes = torch.tensor([[0.7, 0.2, 0.1]]), torch.tensor([[0.1, 0.1, 0.4, 0.2, 0.2]])
    method.network = lambda V: torch.cat([p.log() + 1.0, sizes.log() - 1.0], 1)
    labels = torch.tensor([[1, 0, -1, -1]])
    batch = Batch(torch.zeros(1, 3, 2, 2), torch.tensor([[1, 1, 0]]), labels)
    scalars = {name: scalar.item() for name, scalar in method.loss(batch).items()}
    assert scalars == pytest.approx(
        {"matching": expected, "size_loss": -math.log(0.4), "loss": expected - math.log(0.4)}
    )


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
