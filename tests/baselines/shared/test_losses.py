"""The losses of HSAL: rewards, REINFORCE against the exact gradient, what counts at which step."""

from itertools import product

import pytest
import torch

from hsal_bench.baselines.distribution_matching import kl, l1, log_mean
from hsal_bench.baselines.shared import losses
from hsal_bench.metrics.multiset import available, counts_from_labels


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


class Published:
    """Three images, and what the published code of arXiv 1711.05246 gives for them.

    It unrolls T = K steps, averages over steps, classes or both, and computes in float32.
    """

    labels = torch.tensor([[0, 0, 1], [2, -1, -1], [1, 2, -1]])
    counts = counts_from_labels(labels, 3)
    m = counts.sum(1)
    counted = losses.class_steps(m, 3)
    scores = torch.tensor(
        [
            [[2.0, 0, -1], [0, 1, 0], [1, 1, 0]],
            [[0, 0, 1], [1, 0, 0], [0, 0, 0]],
            [[0, 3, 0], [0, 2, 1], [0, 0, 1]],
        ]
    )
    log_p = scores.log_softmax(-1)
    y_hat = torch.tensor([[0, 1, 0], [2, 0, 0], [1, 1, 2]])
    stop = torch.tensor([[-1, 0, 0.5], [-2, 1, 0], [-1, -1, 2]])
    values = torch.tensor([[0.1, 0.2, 0.3], [0, 0, 0], [0.5, -0.5, 0]])


def test_the_multiset_loss_is_that_of_the_published_code_times_m():
    A_t = available(Published.counts, Published.y_hat)
    per_step = losses.multiset_loss(Published.log_p, A_t) * Published.counted
    mean = (per_step.sum(1) / Published.m).mean()
    assert Published.scores.argmax(-1).tolist() == Published.y_hat.tolist()
    assert mean.item() == pytest.approx(0.9897866391374933, rel=1e-6)


def test_distances_are_those_of_the_published_code_times_the_classes():
    counts, counted = Published.counts, Published.counted
    of_kl = kl(counts, log_mean(Published.log_p, counted))
    p = (Published.log_p.exp() * counted[:, :, None]).sum(1) / Published.m[:, None]
    assert of_kl.mean().item() / 3 == pytest.approx(0.123264468, rel=1e-6)
    assert l1(counts, p).mean().item() / 3 == pytest.approx(0.211746949, rel=1e-6)


def test_cross_entropy_is_that_of_the_published_code():
    """There the images that have a label at a step are averaged, then the steps."""
    per_step = losses.cross_entropy(Published.log_p, Published.labels.clamp_min(0))
    of_steps = (per_step * Published.counted).sum(0) / Published.counted.sum(0)
    assert of_steps.mean().item() == pytest.approx(0.871197124, rel=1e-6)


def test_rewards_are_those_of_the_published_code():
    rewards = losses.sequence_reward(Published.counts, Published.y_hat)
    assert rewards.tolist() == [[1, 1, 1], [1, -1, -1], [1, -1, 1]]


def test_the_stop_loss_is_that_of_the_published_code_times_its_steps():
    steps = (Published.m + 1).clamp_max(3)
    mean = (losses.bernoulli_stop(Published.stop, Published.m) / steps).mean()
    assert mean.item() == pytest.approx(0.377135754, rel=1e-6)


def test_reinforce_with_its_entropy_and_values_is_that_of_the_published_code():
    counted, log_p = Published.counted, Published.log_p
    reward = losses.sequence_reward(Published.counts, Published.y_hat)
    surrogate = losses.reinforce(log_p, Published.y_hat, reward - Published.values)
    terms = losses.policy_terms("class", log_p, Published.values, reward, counted)
    # The values' error is a mean over the steps there.
    values = terms["class_value_loss"] * len(counted) / counted.sum()
    found = losses.masked_sum(surrogate, counted) - 0.01 * terms["class_entropy"] + values
    assert found.item() == pytest.approx(1.088534682, rel=1e-6)
