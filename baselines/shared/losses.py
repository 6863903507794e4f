"""Losses of sequential methods: classes, location reward, values, the stop (P§4.2, App. A).

All take logits and choices of T steps for a batch in which image n has m_n labels. Step t counts
for classes if t <= m_n; the stop loss applies to step m_n + 1 only. Losses are summed over steps
and averaged over the batch, as in the paper's estimator.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from hsal_bench.metrics.multiset import available


def class_steps(m: Int[Tensor, " batch"], T: int) -> Bool[Tensor, "batch T"]:
    """Return whether each of T steps predicts a label: t <= m."""
    return torch.arange(1, T + 1, device=m.device) <= m[:, None]


def returns_to_go(
    rewards: Float[Tensor, "batch *actions"],
) -> Float[Tensor, "batch *actions"]:
    """Return for each action the sum of its reward and all later rewards of its trajectory.

    Rewards of steps that do not count are 0. Earlier choices affect later rewards, so this sum, not
    the immediate reward, gives an unbiased gradient of J (P§4.2).
    """
    flat = rewards.flatten(1)
    return flat.flip(1).cumsum(1).flip(1).view_as(rewards)


def reinforce(
    log_p: Float[Tensor, "*steps choices"],
    chosen: Int[Tensor, "*steps"],
    advantage: Float[Tensor, "*steps"],
) -> Float[Tensor, "*steps"]:
    """Return -log p(chosen) (R - V), whose gradient estimates that of the negative expected reward.

    The paper minimises the sum of log p (V - R), which is the same.
    """
    return -log_p.gather(-1, chosen.unsqueeze(-1)).squeeze(-1) * advantage.detach()


def class_reward(
    A_t: Int[Tensor, "batch T choices"],
    y_hat: Int[Tensor, "batch T"],
    early_stop: float = -1.0,
) -> Float[Tensor, "batch T"]:
    """Return R_clf of the choices: +1 if available, else -1; `early_stop` for "stop" (P§4.2)."""
    return class_rewards(A_t, early_stop).gather(2, y_hat[:, :, None]).squeeze(2)


def sequence_reward(
    counts: Int[Tensor, "batch classes"], y_hat: Int[Tensor, "batch T"]
) -> Float[Tensor, "batch T"]:
    """Return R_clf of predicting y_hat_1, ..., y_hat_T of images whose truth is `counts`.

    The sum over the steps does not depend on their order. y_hat is in 0..num_classes.
    """
    return class_reward(functional.pad(available(counts, y_hat), (0, 1)), y_hat)


def class_rewards(
    A_t: Int[Tensor, "batch T choices"], early_stop: float = -1.0
) -> Float[Tensor, "batch T choices"]:
    """Return R_clf of every choice; the last is "stop"."""
    rewards = torch.where(A_t > 0, 1.0, -1.0)
    rewards[..., -1] = early_stop
    return rewards


def expected_reward(
    log_p: Float[Tensor, "batch T choices"],
    A_t: Int[Tensor, "batch T choices"],
    early_stop: float = -1.0,
) -> Float[Tensor, "batch T"]:
    """Return -sum_c p(c) r(c): all rewards are known, so only the trajectory is sampled."""
    reward = class_rewards(A_t, early_stop)
    return -(log_p.exp() * reward).sum(-1)


def log_marginal(
    log_p: Float[Tensor, "batch T choices"], A_t: Int[Tensor, "batch T choices"]
) -> Float[Tensor, "batch T"]:
    """Return -log sum over available c of p(c)."""
    blocked = A_t == 0
    # A step after the last label has no class available: its finite loss is masked later.
    blocked &= ~blocked.all(-1, keepdim=True)
    return -log_p.masked_fill(blocked, -torch.inf).logsumexp(-1)


def multiset_loss(
    log_p: Float[Tensor, "batch T choices"], A_t: Int[Tensor, "batch T choices"]
) -> Float[Tensor, "batch T"]:
    """Return -sum_c pi*(c) log p(c), pi* proportional to the labels left (arXiv 1711.05246)."""
    target = A_t / A_t.sum(-1, keepdim=True).clamp_min(1)
    return -(log_p * target).sum(-1)


# The class losses that only need A_t: how often each choice is available ("stop" never is).
BY_AVAILABLE = {"log-marginal": log_marginal, "multiset": multiset_loss}


def cross_entropy(
    log_p: Float[Tensor, "batch T choices"], labels: Int[Tensor, "batch T"]
) -> Float[Tensor, "batch T"]:
    """Return -log p(label of step t); num_classes means "stop"."""
    return -log_p.gather(2, labels[:, :, None]).squeeze(2)


def bernoulli_stop(
    stop: Float[Tensor, "batch T"], m: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """Return -log p of continuing at steps 1..m and stopping at m + 1, from the logits of stopping.

    For decoders with a separate decision to stop before each label (arXiv 1711.05246).
    """
    T = stop.shape[1]
    over = (~class_steps(m, T)).to(stop.dtype)
    per_step = functional.binary_cross_entropy_with_logits(stop, over, reduction="none")
    return (per_step * class_steps(m + 1, T)).sum(1)


def stop_loss(
    log_p: Float[Tensor, "batch T choices"], m: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """Return -log p(stop) at step m + 1 only (App. A)."""
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
    """Return a policy's entropy and its value baseline's squared error, prefixed with `name`."""
    return {
        f"{name}_entropy": masked_sum(entropy(log_p), counted),
        f"{name}_value_loss": masked_sum((value - target) ** 2, counted),
    }


def masked_sum(
    per_step: Float[Tensor, "batch *steps"], mask: Bool[Tensor, "batch *steps"]
) -> Float[Tensor, ""]:
    """Return the mean over the batch of the sum over the steps that count."""
    return per_step.masked_fill(~mask, 0.0).sum() / len(per_step)
