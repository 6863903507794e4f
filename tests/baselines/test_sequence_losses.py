"""The losses of HSAL: rewards, REINFORCE against the exact gradient, what counts at which step."""

from itertools import product

import pytest
import torch

from hsal_bench.baselines import sequence_losses as losses


def test_steps_that_predict_a_label_are_the_first_m():
    steps = losses.class_steps(torch.tensor([0, 2, 4]), 5)
    assert steps.sum(1).tolist() == [0, 2, 4]
    assert steps[1].tolist() == [True, True, False, False, False]


def _reward(labels, y_hat):
    """P§4.2 as it is written there."""
    left, rewards = list(labels), []
    for y in y_hat:
        rewards.append(1.0 if y in left else -1.0)
        if y in left:
            left.remove(y)
    return rewards


def _toy_policy():
    """Two steps of three choices on {0, 0, 1}; the second's scores depend on the first's choice."""
    theta = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return theta.requires_grad_(), [0, 0, 1]


def _trajectories(theta):
    """Yield every trajectory: its choices and its steps' log-probabilities."""
    for first, second in product(range(3), range(3)):
        log_p = torch.stack([theta[0], theta[1 + first]]).log_softmax(-1)
        yield torch.tensor([[first, second]]), log_p[None]


def _expected_surrogate_gradient(theta, labels, to_go):
    """Return E over trajectories of the surrogate's gradient, by enumeration."""
    baseline = torch.tensor([0.3, -0.2], dtype=torch.float64)
    total = torch.zeros_like(theta)
    for y_hat, log_p in _trajectories(theta):
        rewards = torch.tensor([_reward(labels, y_hat[0].tolist())], dtype=torch.float64)
        target = losses.returns_to_go(rewards[:, :, None])[..., 0] if to_go else rewards
        surrogate = losses.reinforce(log_p, y_hat, target - baseline).sum()
        probability = log_p.detach().gather(2, y_hat[:, :, None]).sum().exp()
        total += probability * torch.autograd.grad(surrogate, theta)[0]
    return total


def test_reinforce_with_returns_to_go_has_the_gradient_of_the_whole_objective():
    theta, labels = _toy_policy()
    J = sum(
        log_p.gather(2, y_hat[:, :, None]).sum().exp() * sum(_reward(labels, y_hat[0].tolist()))
        for y_hat, log_p in _trajectories(theta)
    )
    exact = -torch.autograd.grad(J, theta)[0]
    assert torch.allclose(_expected_surrogate_gradient(theta, labels, True), exact, atol=1e-12)
    assert exact.abs().sum() > 0.1


def test_reinforce_with_immediate_rewards_leaves_out_what_choices_do_to_later_ones():
    theta, labels = _toy_policy()
    p = theta.softmax(-1)
    first = torch.tensor([_reward(labels, [y])[0] for y in range(3)], dtype=torch.float64)
    # Each step's own expected reward, the choice before it held fixed.
    own = (p[0] * first).sum()
    for before in range(3):
        second = [_reward(labels, [before, y])[1] for y in range(3)]
        own = own + p[0, before].detach() * (p[1 + before] * torch.tensor(second)).sum()
    immediate = -torch.autograd.grad(own, theta)[0]
    got = _expected_surrogate_gradient(theta, labels, False)
    assert torch.allclose(got, immediate, atol=1e-12)
    assert not torch.allclose(got, _expected_surrogate_gradient(theta, labels, True), atol=1e-3)


def test_returns_to_go_by_hand():
    rewards = torch.tensor([[[0.5, 1.0], [0.25, -1.0]]])
    assert losses.returns_to_go(rewards).tolist() == [[[0.75, 0.25], [-0.75, -1.0]]]


def test_the_value_baseline_gets_no_gradient_through_the_advantage():
    log_p = torch.zeros(1, 1, 3, requires_grad=True)
    value = torch.zeros(1, 1, requires_grad=True)
    loss = losses.reinforce(log_p.log_softmax(-1), torch.tensor([[1]]), 1.0 - value).sum()
    loss.backward()
    assert value.grad is None


def test_class_losses_by_hand():
    log_p = torch.tensor([[[0.5, 0.2, 0.2, 0.1]]]).log()  # 3 classes and stop
    A_t = torch.tensor([[[2, 1, 0, 0]]])
    assert losses.expected_reward(log_p, A_t).item() == pytest.approx(-(0.7 - 0.3))
    assert losses.log_marginal(log_p, A_t).item() == pytest.approx(-torch.tensor(0.7).log().item())
    expected = -(2 / 3 * log_p[0, 0, 0] + 1 / 3 * log_p[0, 0, 1]).item()
    assert losses.multiset_loss(log_p, A_t).item() == pytest.approx(expected)
    assert losses.cross_entropy(log_p, torch.tensor([[3]])).item() == pytest.approx(2.302585)


def test_log_marginal_is_finite_where_nothing_is_left():
    log_p = torch.randn(1, 1, 4, requires_grad=True)
    loss = losses.log_marginal(log_p.log_softmax(-1), torch.zeros(1, 1, 4, dtype=int))
    losses.masked_sum(loss, torch.tensor([[False]])).backward()
    assert torch.equal(log_p.grad, torch.zeros_like(log_p))


def test_the_stop_loss_sits_on_step_m_plus_one_alone():
    scores = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    m = torch.tensor([0, 2, 4])
    losses.stop_loss(scores.log_softmax(-1), m).sum().backward()
    touched = scores.grad.abs().sum(-1) > 0
    assert touched.nonzero().tolist() == [[0, 0], [1, 2], [2, 4]]


def test_the_bernoulli_stop_is_paid_for_up_to_the_step_after_the_last_label():
    stop = torch.tensor([[0.2, 0.7, 0.4], [0.3, 0.9, 0.9]])
    found = losses.bernoulli_stop(stop.logit(), torch.tensor([1, 0]))
    expected = [-torch.tensor(0.8 * 0.7).log().item(), -torch.tensor(0.3).log().item()]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_entropy_of_a_uniform_choice():
    log_p = torch.zeros(2, 8).log_softmax(-1)
    assert torch.allclose(losses.entropy(log_p), torch.full((2,), 8.0).log())
