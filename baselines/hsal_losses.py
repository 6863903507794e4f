"""What HSAL is trained on: class losses, the location reward, the value baseline, the stop loss.

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


def available(
    counts: Int[Tensor, "batch classes"], y_hat: Int[Tensor, "batch T"]
) -> Int[Tensor, "batch T classes"]:
    """Return the labels still available before each step, A_t (P§4.2).

    A prediction removes one copy of its label if there is one, so what is left of a class is its
    count less the times it was predicted, and never below zero. "Stop" removes nothing.
    """
    classes = counts.shape[1]
    predicted = functional.one_hot(y_hat, classes + 1)[:, :, :classes]
    before = predicted.cumsum(1) - predicted
    return (counts[:, None, :] - before).clamp_min(0)


def class_reward(
    counts: Int[Tensor, "batch classes"], y_hat: Int[Tensor, "batch T"]
) -> Float[Tensor, "batch T"]:
    """Return R_clf: +1 where the predicted label is available, else -1, also for "stop"."""
    A_t = functional.pad(available(counts, y_hat), (0, 1))
    hit = A_t.gather(2, y_hat[:, :, None]).squeeze(2) > 0
    return torch.where(hit, 1.0, -1.0)


def reinforce(
    log_p: Float[Tensor, "*steps choices"],
    chosen: Int[Tensor, "*steps"],
    advantage: Float[Tensor, "*steps"],
) -> Float[Tensor, "*steps"]:
    """Return -log p(chosen) (R - V), whose gradient estimates that of the expected reward's loss.

    The paper prints the sum of log p (V - R), to be minimised: the same.
    """
    return -log_p.gather(-1, chosen.unsqueeze(-1)).squeeze(-1) * advantage.detach()


def expected_reward(
    log_p: Float[Tensor, "batch T choices"], A_t: Int[Tensor, "batch T classes"]
) -> Float[Tensor, "batch T"]:
    """Return -sum_c p(c) r(c): every class's reward is known, so only the trajectory is sampled."""
    reward = torch.where(functional.pad(A_t, (0, 1)) > 0, 1.0, -1.0)
    return -(log_p.exp() * reward).sum(-1)


def log_marginal(
    log_p: Float[Tensor, "batch T choices"], A_t: Int[Tensor, "batch T classes"]
) -> Float[Tensor, "batch T"]:
    """Return -log sum over available c of p(c)."""
    blocked = functional.pad(A_t, (0, 1)) == 0
    # A step after the last label has no class left; its loss is finite here and masked later.
    blocked &= ~blocked.all(-1, keepdim=True)
    return -log_p.masked_fill(blocked, -torch.inf).logsumexp(-1)


def multiset_loss(
    log_p: Float[Tensor, "batch T choices"], A_t: Int[Tensor, "batch T classes"]
) -> Float[Tensor, "batch T"]:
    """Return -sum_c pi*(c) log p(c), pi* proportional to the labels left (arXiv 1711.05246)."""
    target = A_t / A_t.sum(-1, keepdim=True).clamp_min(1)
    return -(log_p[..., :-1] * target).sum(-1)


def cross_entropy(
    log_p: Float[Tensor, "batch T choices"], labels: Int[Tensor, "batch T"]
) -> Float[Tensor, "batch T"]:
    """Return -log p(label of step t); the number num_classes stands for "stop"."""
    return -log_p.gather(2, labels[:, :, None]).squeeze(2)


def stop_loss(
    log_p: Float[Tensor, "batch T choices"], m: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """Return -log p(stop) at step m + 1 alone (App. A)."""
    return -log_p[..., -1].gather(1, m[:, None]).squeeze(1)


def entropy(log_p: Float[Tensor, "*steps choices"]) -> Float[Tensor, "*steps"]:
    """Return the entropy of each step's distribution in nats."""
    return -(log_p.exp() * log_p).sum(-1)


def masked_sum(
    per_step: Float[Tensor, "batch *steps"], mask: Bool[Tensor, "batch *steps"]
) -> Float[Tensor, ""]:
    """Return the mean over the batch of the sum over the steps that count."""
    return per_step.masked_fill(~mask, 0.0).sum() / len(per_step)
