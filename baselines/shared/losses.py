"""What sequential methods are trained on: class losses, the location reward, values, the stop.

P§4.2 and App. A. All take logits and choices of T steps for a batch in which image n has m_n
labels; step t counts for classes where t <= m_n, and the stop loss sits on step m_n + 1 alone.
Sums run over steps, means over the batch, as in the paper's estimator.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional


def class_steps(m: Int[Tensor, " batch"], T: int) -> Bool[Tensor, "batch T"]:
    """Return which of T steps predict a label: t <= m."""
    return torch.arange(1, T + 1, device=m.device) <= m[:, None]


def returns_to_go(
    rewards: Float[Tensor, "batch *actions"],
) -> Float[Tensor, "batch *actions"]:
    """Return for every action the sum of its reward and of all later ones of its trajectory.

    Rewards of steps that do not count are 0. Earlier choices change what later ones can earn, so
    this, and not the immediate reward, gives the gradient of P§4.2's J without bias.
    """
    flat = rewards.flatten(1)
    return flat.flip(1).cumsum(1).flip(1).view_as(rewards)


def reinforce(
    log_p: Float[Tensor, "*steps choices"],
    chosen: Int[Tensor, "*steps"],
    advantage: Float[Tensor, "*steps"],
) -> Float[Tensor, "*steps"]:
    """Return -log p(chosen) (R - V), whose gradient estimates that of the expected reward's loss.

    The paper prints the sum of log p (V - R), to be minimised: the same.
    """
    return -log_p.gather(-1, chosen.unsqueeze(-1)).squeeze(-1) * advantage.detach()


def class_reward(
    A_t: Int[Tensor, "batch T choices"],
    y_hat: Int[Tensor, "batch T"],
    early_stop: float = -1.0,
) -> Float[Tensor, "batch T"]:
    """Return R_clf of the choices: +1 if available, else -1, `early_stop` for "stop" (P§4.2)."""
    return class_rewards(A_t, early_stop).gather(2, y_hat[:, :, None]).squeeze(2)


def class_rewards(
    A_t: Int[Tensor, "batch T choices"], early_stop: float = -1.0
) -> Float[Tensor, "batch T choices"]:
    """Return R_clf of every choice; the last one is "stop"."""
    rewards = torch.where(A_t > 0, 1.0, -1.0)
    rewards[..., -1] = early_stop
    return rewards


def expected_reward(
    log_p: Float[Tensor, "batch T choices"],
    A_t: Int[Tensor, "batch T choices"],
    early_stop: float = -1.0,
) -> Float[Tensor, "batch T"]:
    """Return -sum_c p(c) r(c): every class's reward is known, so only the trajectory is sampled."""
    reward = class_rewards(A_t, early_stop)
    return -(log_p.exp() * reward).sum(-1)


def log_marginal(
    log_p: Float[Tensor, "batch T choices"], A_t: Int[Tensor, "batch T choices"]
) -> Float[Tensor, "batch T"]:
    """Return -log sum over available c of p(c)."""
    blocked = A_t == 0
    # A step after the last label has no class left; its loss is finite here and masked later.
    blocked &= ~blocked.all(-1, keepdim=True)
    return -log_p.masked_fill(blocked, -torch.inf).logsumexp(-1)


def multiset_loss(
    log_p: Float[Tensor, "batch T choices"], A_t: Int[Tensor, "batch T choices"]
) -> Float[Tensor, "batch T"]:
    """Return -sum_c pi*(c) log p(c), pi* proportional to the labels left (arXiv 1711.05246)."""
    target = A_t / A_t.sum(-1, keepdim=True).clamp_min(1)
    return -(log_p * target).sum(-1)


# The class losses that need A_t alone: how many of each choice are available, never a "stop".
BY_AVAILABLE = {"log-marginal": log_marginal, "multiset": multiset_loss}


def cross_entropy(
    log_p: Float[Tensor, "batch T choices"], labels: Int[Tensor, "batch T"]
) -> Float[Tensor, "batch T"]:
    """Return -log p(label of step t); the number num_classes stands for "stop"."""
    return -log_p.gather(2, labels[:, :, None]).squeeze(2)


def bernoulli_stop(
    stop: Float[Tensor, "batch T"], m: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """Return -log p of going on at steps 1..m and stopping at m + 1, from the logits of stopping.

    For decoders that decide on stopping by itself, before each label (arXiv 1711.05246).
    """
    T = stop.shape[1]
    over = (~class_steps(m, T)).to(stop.dtype)
    per_step = functional.binary_cross_entropy_with_logits(stop, over, reduction="none")
    return (per_step * class_steps(m + 1, T)).sum(1)


def stop_loss(
    log_p: Float[Tensor, "batch T choices"], m: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """Return -log p(stop) at step m + 1 alone (App. A)."""
    return -log_p[..., -1].gather(1, m[:, None]).squeeze(1)


def entropy(log_p: Float[Tensor, "*steps choices"]) -> Float[Tensor, "*steps"]:
    """Return the entropy of each step's distribution in nats."""
    return -(log_p.exp() * log_p).sum(-1)


def policy_terms(
    name: str,
    log_p: Float[Tensor, "batch *steps choices"],
    value: Float[Tensor, "batch *steps"],
    target: Float[Tensor, "batch *steps"],
    counted: Bool[Tensor, "batch *steps"],
) -> dict[str, Tensor]:
    """Return a policy's entropy and the squared error of its value baseline, `name` before each."""
    return {
        f"{name}_entropy": masked_sum(entropy(log_p), counted),
        f"{name}_value_loss": masked_sum((value - target) ** 2, counted),
    }


def masked_sum(
    per_step: Float[Tensor, "batch *steps"], mask: Bool[Tensor, "batch *steps"]
) -> Float[Tensor, ""]:
    """Return the mean over the batch of the sum over the steps that count."""
    return per_step.masked_fill(~mask, 0.0).sum() / len(per_step)
