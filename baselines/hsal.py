"""HSAL-RL, the paper's model (arXiv 1711.05165), and its cross-entropy baseline (P§5).

One network; `class_loss` says what its classes are trained on. Where the paper leaves something
open, the reading taken is a field of `HsalConfig` and the alternative is one flag away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import torch
from jaxtyping import Int
from torch import Tensor, nn

from hsal_bench.errors import UsageError
from hsal_bench.gradient import GradientConfig, GradientMethod
from hsal_bench.method import Batch, Prediction, Presets, Trace
from hsal_bench.multiset import available, counts_from_labels, sequence_reward
from hsal_bench.options import option

from . import sequence_losses as losses
from .gaussian import GaussianAttention
from .hsal_network import HsalNetwork, Rollout, Shape
from .policy import greedy, sample

ClassLossName = Literal["reinforce", "expected-reward", "log-marginal", "multiset", "cross-entropy"]
Feedback = Literal["one-hot", "coordinates"]


@dataclass(frozen=True)
class HsalConfig(GradientConfig):
    """The network's sizes (App. A), the readings, and what the paper does not state."""

    class_loss: ClassLossName = option("reinforce", "what the class scores are trained on")
    teacher_forcing: bool = option(False, "feed back true labels (class_loss cross-entropy only)")
    location_reward: bool = option(True, "train the glimpses on the priority map (P§4.2)")
    return_to_go: bool = option(False, "learn from all later rewards, not the immediate one")
    glimpses: int = option(2, "glimpses k per meta-step", at_least=1)
    components: int = option(5, "Gaussians of the mask", at_least=1)
    meta_hidden: int = option(128, "encoding and GRU size of the meta-controller", at_least=1)
    hidden: int = option(512, "encoding and GRU size of the controller", at_least=1)
    location_hidden: int = option(64, "hidden size of the location MLP", at_least=1)
    glimpse_feedback: Feedback = option("one-hot", "how a glimpse's place a_i is fed back")
    reset_controller: bool = option(False, "start the controller anew at each meta-step")
    renormalise_each_step: bool = option(False, "show S_t stretched to [0, 1] at every step")
    faithful_centres: bool = option(False, "Gaussian centres as printed, half a cell off")
    beta_before_exp: bool = option(False, "read App. A's range of beta as before the exponential")
    entropy_class: float = option(
        0.01, "entropy bonus of the class policy (not from the paper)", at_least=0.0
    )
    entropy_location: float = option(
        0.1, "the same for locations, decaying to 0 (not from the paper)", at_least=0.0
    )
    value_weight: float = option(
        0.5, "weight of the value baseline's squared error (not from the paper)", at_least=0.0
    )
    scale_advantages: bool = option(
        True, "divide advantages by their running scale (not from the paper)"
    )
    trajectories: int = option(
        4, "sampled rollouts per image and update (not from the paper)", at_least=1
    )

    def __post_init__(self) -> None:
        if self.teacher_forcing and self.class_loss != "cross-entropy":
            raise UsageError(
                f"teacher_forcing=true needs class_loss=cross-entropy, not {self.class_loss}: "
                "the other losses define no order of labels to feed back"
            )


@dataclass(frozen=True)
class CrossEntropyConfig(HsalConfig):
    """The baseline: cross-entropy on labels in random order, own samples fed back, no reward."""

    class_loss: ClassLossName = option("cross-entropy", "what the class scores are trained on")
    location_reward: bool = option(False, "train the glimpses on the priority map (P§4.2)")


@dataclass(frozen=True)
class HsalMultisetConfig(HsalConfig):
    """HSAL-RL with its classes on the multiset loss; the glimpses keep their reward."""

    class_loss: ClassLossName = option("multiset", "what the class scores are trained on")


SMALL = {"hidden": 256, "learning_rate": 3e-3}
"""The network's size with the preset quick, and the step size that suits so short a training."""


class HsalRL(GradientMethod):
    """The hierarchical saliency-based model, trained by REINFORCE."""

    Config: ClassVar[type] = HsalConfig
    presets: ClassVar[Presets] = {"quick": {**SMALL, "entropy_class": 0.05}}
    capturable: ClassVar[bool] = True
    any_cardinality: ClassVar[bool] = True
    network: HsalNetwork

    def build_network(self) -> nn.Module:
        """Return the network for the task's volume C x h x w."""
        config, (C, h, w) = self.config, self.task.input_shape
        shape = Shape(
            C=C,
            h=h,
            w=w,
            num_classes=self.task.num_classes,
            glimpses=config.glimpses,
            meta_hidden=config.meta_hidden,
            hidden=config.hidden,
            location_hidden=config.location_hidden,
            coordinates=config.glimpse_feedback == "coordinates",
        )
        attention = GaussianAttention(
            config.meta_hidden,
            h,
            w,
            components=config.components,
            faithful_centres=config.faithful_centres,
            beta_before_exp=config.beta_before_exp,
        )
        return HsalNetwork(
            shape,
            attention,
            reset_controller=config.reset_controller,
            renormalise_each_step=config.renormalise_each_step,
        )

    def loss(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return the surrogate loss of one sampled rollout and what it is made of."""
        counts, labels = batch.truth()
        n = self.config.trajectories
        counts, labels = counts.repeat_interleave(n, 0), labels.repeat_interleave(n, 0)
        T = self.task.max_objects + 1
        feed = self._padded(labels) if self.config.teacher_forcing else None
        draw = partial(sample, generator=self.generator)
        # How many rows a step needs is a number that the host reads: not in a captured update.
        m = None if self.captured else batch.truth()[0].sum(1)
        rollout = self.network(batch.inputs, T, draw, feed, n, m)
        return self.rollout_loss(rollout, counts, labels)

    def rollout_loss(
        self,
        rollout: Rollout,
        counts: Int[Tensor, "batch classes"],
        labels: Int[Tensor, "batch objects"],
    ) -> Mapping[str, Tensor]:
        """Return the losses of a rollout by name, "loss" their weighted sum."""
        config, m, T = self.config, counts.sum(1), rollout.y_hat.shape[1]
        counted = losses.class_steps(m, T)
        log_p = rollout.class_scores.log_softmax(-1)
        # Glimpses are rewarded at the step of the stop too: in use the model looks there as well.
        glimpsed = losses.class_steps(m + 1, T)
        rewards, targets = self._rewards(rollout, counts, counted, glimpsed)
        parts = {
            "class_loss": self._class_loss(rollout, log_p, targets[..., -1], counts, labels),
            "stop_loss": losses.stop_loss(log_p, m).mean(),
        }
        total = parts["class_loss"] + parts["stop_loss"]
        if config.class_loss == "reinforce":
            value = rollout.values[..., -1]
            parts |= losses.policy_terms("class", log_p, value, targets[..., -1], counted)
            total = total - config.entropy_class * parts["class_entropy"]
            total = total + config.value_weight * parts["class_value_loss"]
        if config.location_reward:
            log_q, value = rollout.location_scores.log_softmax(-1), rollout.values[..., :-1]
            looked = glimpsed[:, :, None].expand_as(value)
            target = targets[..., :-1]
            advantage = self._scaled("location", target - value, looked)
            per_glimpse = losses.reinforce(log_q, rollout.locations, advantage)
            parts["location_loss"] = losses.masked_sum(per_glimpse, looked)
            parts |= losses.policy_terms("location", log_q, value, target, looked)
            parts["location_reward"] = rewards[..., :-1].sum() / looked.sum()
            decay = config.entropy_location * (1.0 - self.training_share)
            total = total + parts["location_loss"] - decay * parts["location_entropy"]
            total = total + config.value_weight * parts["location_value_loss"]
        parts["class_reward"] = rewards[..., -1].sum() / counted.sum().clamp_min(1)
        return {"loss": total, **parts}

    def predict(self, batch: Batch, *, trace: bool = False) -> Prediction:
        """Decode greedily until "stop", at most K_max + 1 steps (P§5)."""
        self.network.eval()
        stop = self.task.num_classes
        with torch.no_grad():
            rollout = self.network(batch.inputs, self.task.max_objects + 1, greedy)
            log_p = rollout.class_scores.log_softmax(-1).amax(-1)
        stopped = (rollout.y_hat == stop).int().cumsum(1)
        after = (stopped - (rollout.y_hat == stop).int()) > 0
        labels = rollout.y_hat.masked_fill(after, -1)
        return Prediction(
            counts=counts_from_labels(labels, stop),
            confidence=log_p.masked_fill(after, 0.0).sum(1).exp(),
            trace=self._trace(rollout, labels) if trace else None,
        )

    def _rewards(
        self, rollout: Rollout, counts: Tensor, counted: Tensor, glimpsed: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return (rewards, what the policies learn from), [batch, T, k + 1], 0 where none counts.

        The k glimpses' reward is P_t at the cell, P_t detached; then comes the class's (P§4.2).
        """
        at_cells = rollout.P_t.detach().gather(2, rollout.locations)
        weight = glimpsed if self.config.location_reward else torch.zeros_like(glimpsed)
        of_class = sequence_reward(counts, rollout.y_hat) * counted
        rewards = torch.cat([at_cells * weight[:, :, None], of_class[:, :, None]], 2)
        return rewards, losses.returns_to_go(rewards) if self.config.return_to_go else rewards

    def _class_loss(
        self, rollout: Rollout, log_p: Tensor, target: Tensor, counts: Tensor, labels: Tensor
    ) -> Tensor:
        name = self.config.class_loss
        counted = losses.class_steps(counts.sum(1), log_p.shape[1])
        if name == "reinforce":
            advantage = self._scaled("class", target - rollout.values[..., -1], counted)
            per_step = losses.reinforce(log_p, rollout.y_hat, advantage)
        elif name == "cross-entropy":
            per_step = losses.cross_entropy(log_p, self._padded(labels))
        else:
            A_t = nn.functional.pad(available(counts, rollout.y_hat), (0, 1))
            per_step = losses.BY_AVAILABLE[name](log_p, A_t)
        return losses.masked_sum(per_step, counted)

    def _scaled(self, kind: str, advantage: Tensor, counted: Tensor) -> Tensor:
        if not self.config.scale_advantages:
            return advantage
        return self.network.scales[kind](advantage, counted)

    def _padded(self, labels: Tensor) -> Tensor:
        """Return the labels of T = K_max + 1 steps: what is after the last label is "stop"."""
        padded = nn.functional.pad(labels, (0, 1), value=-1)
        return padded.masked_fill(padded < 0, self.task.num_classes)

    def _trace(self, rollout: Rollout, labels: Tensor) -> Trace:
        _, h, w = self.task.input_shape
        return Trace(
            saliency=rollout.S.unflatten(1, (h, w)),
            S_t=rollout.S_t.unflatten(2, (h, w)),
            masks=rollout.M_t.unflatten(2, (h, w)),
            priority=rollout.P_t.unflatten(2, (h, w)),
            glimpses=rollout.locations,
            labels=labels,
        )


class CrossEntropy(HsalRL):
    """The paper's baseline: the same network on cross-entropy with randomly ordered labels."""

    Config: ClassVar[type] = CrossEntropyConfig
    presets: ClassVar[Presets] = {"quick": {**SMALL, "weight_decay": 0.01}}


class HsalMultiset(HsalRL):
    """HSAL with the multiset loss (arXiv 1711.05246) in place of the class reward."""

    Config: ClassVar[type] = HsalMultisetConfig
    presets: ClassVar[Presets] = {"quick": SMALL}
