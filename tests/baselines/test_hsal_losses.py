"""The losses of HSAL: rewards, REINFORCE against the exact gradient, what counts at which step."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsal_bench.baselines import hsal_losses as losses
from hsal_bench.multiset import counts_from_labels, sequence_reward

CLASSES = 4


@st.composite
def scenes(draw):
    labels = draw(st.lists(st.integers(0, CLASSES - 1), min_size=1, max_size=4))
    y_hat = draw(st.lists(st.integers(0, CLASSES), min_size=len(labels), max_size=6))
    return labels, y_hat


def _counts(labels):
    return counts_from_labels(torch.tensor([labels]), CLASSES)


@settings(deadline=None)
@given(scenes(), st.randoms())
def test_the_reward_is_the_same_for_every_order_of_the_labels(scene, random):
    labels, y_hat = scene
    shuffled = random.sample(labels, len(labels))
    first = losses.class_reward(_counts(labels), torch.tensor([y_hat]))
    assert torch.equal(first, losses.class_reward(_counts(shuffled), torch.tensor([y_hat])))


@settings(deadline=None)
@given(scenes())
def test_the_reward_is_that_of_the_paper_s_bookkeeping(scene):
    labels, y_hat = scene
    left, expected = list(labels), []
    for y in y_hat:
        expected.append(1.0 if y in left else -1.0)
        if y in left:
            left.remove(y)
    counts = _counts(labels)
    assert losses.class_reward(counts, torch.tensor([y_hat])).tolist() == [expected]
    assert sequence_reward(counts, torch.tensor([y_hat])).tolist() == [expected]


def test_available_labels_by_hand():
    y_hat = torch.tensor([[3, 1, 3, CLASSES]])
    A_t = losses.available(_counts([3, 3, 1]), y_hat)
    assert A_t.tolist() == [[[0, 1, 0, 2], [0, 1, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]]]


def test_steps_that_predict_a_label_are_the_first_m():
    steps = losses.class_steps(torch.tensor([0, 2, 4]), 5)
    assert steps.sum(1).tolist() == [0, 2, 4]
    assert steps[1].tolist() == [True, True, False, False, False]


def test_reinforce_estimates_the_exact_gradient():
    """By enumeration of all choices: E[grad of the surrogate] = -grad of the expected reward.

    Two dependent steps on {0, 0, 1}: the second's reward depends on the first's choice, and
    rewards are immediate, so the law holds step by step, given the trajectory before.
    """
    theta = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    theta.requires_grad_()
    counts = torch.tensor([[2, 1]])
    baseline = torch.tensor([0.3, -0.2], dtype=torch.float64)
    estimated = torch.zeros_like(theta)
    exact = torch.zeros_like(theta)
    for first, second in product(range(3), range(3)):
        y_hat = torch.tensor([[first, second]])
        # Step 1's scores are theta[0, 0]; step 2's depend on what step 1 chose.
        log_p = torch.stack([theta[0, 0], theta[1, first]]).log_softmax(-1)
        p = log_p.detach().exp()
        probability = p[0, first] * p[1, second]
        reward = losses.class_reward(counts, y_hat).double()
        surrogate = losses.reinforce(log_p[None], y_hat, reward - baseline).sum()
        estimated += probability * torch.autograd.grad(surrogate, theta, retain_graph=True)[0]
        # The exact expected immediate rewards, the trajectory before each step held fixed.
        A_t = losses.available(counts, y_hat)
        expected = losses.expected_reward(log_p[None], A_t).sum()
        exact += probability * torch.autograd.grad(expected, theta)[0]
    assert torch.allclose(estimated, exact, atol=1e-12)
    assert exact.abs().sum() > 0.1


def test_the_value_baseline_gets_no_gradient_through_the_advantage():
    log_p = torch.zeros(1, 1, 3, requires_grad=True)
    value = torch.zeros(1, 1, requires_grad=True)
    loss = losses.reinforce(log_p.log_softmax(-1), torch.tensor([[1]]), 1.0 - value).sum()
    loss.backward()
    assert value.grad is None


def test_class_losses_by_hand():
    log_p = torch.tensor([[[0.5, 0.2, 0.2, 0.1]]]).log()  # 3 classes and stop
    A_t = torch.tensor([[[2, 1, 0]]])
    assert losses.expected_reward(log_p, A_t).item() == pytest.approx(-(0.7 - 0.3))
    assert losses.log_marginal(log_p, A_t).item() == pytest.approx(-torch.tensor(0.7).log().item())
    expected = -(2 / 3 * log_p[0, 0, 0] + 1 / 3 * log_p[0, 0, 1]).item()
    assert losses.multiset_loss(log_p, A_t).item() == pytest.approx(expected)
    assert losses.cross_entropy(log_p, torch.tensor([[3]])).item() == pytest.approx(2.302585)


def test_log_marginal_is_finite_where_nothing_is_left():
    log_p = torch.randn(1, 1, 4, requires_grad=True)
    loss = losses.log_marginal(log_p.log_softmax(-1), torch.zeros(1, 1, 3, dtype=int))
    losses.masked_sum(loss, torch.tensor([[False]])).backward()
    assert torch.equal(log_p.grad, torch.zeros_like(log_p))


def test_the_stop_loss_sits_on_step_m_plus_one_alone():
    scores = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    m = torch.tensor([0, 2, 4])
    losses.stop_loss(scores.log_softmax(-1), m).sum().backward()
    touched = scores.grad.abs().sum(-1) > 0
    assert touched.nonzero().tolist() == [[0, 0], [1, 2], [2, 4]]


def test_entropy_of_a_uniform_choice():
    log_p = torch.zeros(2, 8).log_softmax(-1)
    assert torch.allclose(losses.entropy(log_p), torch.full((2,), 8.0).log())
