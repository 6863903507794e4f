"""HSAL-RL, the paper's model (arXiv 1711.05165), and its cross-entropy baseline (P§5).

There is one network; `class_loss` selects the loss of its classes. Each point that the paper leaves
open is a field of `HsalConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor, nn

from hsal_bench.baselines.shared import losses
from hsal_bench.baselines.shared.orders import class_ranks, ordered_labels
from hsal_bench.baselines.shared.policy import greedy, sample
from hsal_bench.method.contract import Batch, Prediction, Presets, Setup, Task, Trace
from hsal_bench.method.gradient import GradientMethod
from hsal_bench.metrics.multiset import available, counts_from_labels, label_order

from .config import CrossEntropyConfig, HsalConfig, HsalMultisetConfig
from .gaussian import GaussianAttention
from .network import Choose, HsalNetwork, Rollout, Shape

SMALL = {"hidden": 256, "learning_rate": 3e-3}
"""Network size with the preset quick, and a learning rate for such a short training."""


class HsalRL(GradientMethod):
    """The hierarchical saliency-based model, trained by REINFORCE."""

    Config: ClassVar[type] = HsalConfig
    presets: ClassVar[Presets] = {"quick": SMALL}
    capturable: ClassVar[bool] = True
    any_cardinality: ClassVar[bool] = True
    network: HsalNetwork

    def __init__(self, task: Task, config: HsalConfig, setup: Setup) -> None:
        self.ranks = class_ranks(config.label_order, task, setup.device)
        super().__init__(task, config, setup)

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
            label_feedback=config.label_feedback != "none",
        )

    def loss(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return the surrogate loss of sampled rollouts and its terms."""
        config, n = self.config, self.config.trajectories
        counts, labels = batch.truth()[0].repeat_interleave(n, 0), self._labels(batch)
        T = self.task.max_objects + 1
        feed = self._forced(labels) if config.teacher_forcing else None
        draw = partial(sample, generator=self.generator)
        choose_class = greedy if config.label_feedback == "greedy" else None
        # The host must read how many rows a step needs, which a captured update cannot do.
        m = None if self.captured else batch.truth()[0].sum(1)
        rollout = self.network(batch.inputs, T, draw, feed, n, m, choose_class)
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
        # By default also at the step of the stop, where the model looks at test time too.
        glimpsed = losses.class_steps(m + 1, T) if config.stop_step_glimpse_reward else counted
        A_t = self._available(rollout.y_hat, counts, labels)
        rewards, targets = self._rewards(rollout, A_t, counted, glimpsed)
        parts = {
            "class_loss": self._class_loss(rollout, log_p, targets[..., -1], A_t, labels, counted),
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
        return self.decode(batch, greedy, trace=trace)

    def decode(self, batch: Batch, choose_class: Choose, *, trace: bool = False) -> Prediction:
        """Decode until "stop" with greedy glimpses. choose_class: turns scores into classes."""
        self.network.eval()
        stop, T = self.task.num_classes, self.task.max_objects + 1
        with torch.no_grad():
            rollout = self.network(batch.inputs, T, greedy, choose_class=choose_class)
            log_p = rollout.class_scores.log_softmax(-1)
            log_p = log_p.gather(2, rollout.y_hat[:, :, None]).squeeze(2)
        stopped = (rollout.y_hat == stop).int().cumsum(1)
        after = (stopped - (rollout.y_hat == stop).int()) > 0
        labels = rollout.y_hat.masked_fill(after, -1)
        return Prediction(
            counts=counts_from_labels(labels, stop),
            confidence=log_p.masked_fill(after, 0.0).sum(1).exp(),
            trace=self._trace(rollout, labels) if trace else None,
        )

    def _rewards(
        self, rollout: Rollout, A_t: Tensor, counted: Tensor, glimpsed: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return (rewards, policy targets), [batch, T, k + 1], 0 at steps that do not count.

        The reward of the k glimpses is P_t (detached) at their cells; the class comes last (P§4.2).
        """
        at_cells = rollout.P_t.detach().gather(2, rollout.locations)
        weight = glimpsed if self.config.location_reward else torch.zeros_like(glimpsed)
        early_stop = self.config.early_stop_reward
        of_class = losses.class_reward(A_t, rollout.y_hat, early_stop) * counted
        rewards = torch.cat([at_cells * weight[:, :, None], of_class[:, :, None]], 2)
        return rewards, losses.returns_to_go(rewards) if self.config.return_to_go else rewards

    def _class_loss(
        self,
        rollout: Rollout,
        log_p: Tensor,
        target: Tensor,
        A_t: Tensor,
        labels: Tensor,
        counted: Tensor,
    ) -> Tensor:
        name = self.config.class_loss
        if name == "reinforce":
            advantage = self._scaled("class", target - rollout.values[..., -1], counted)
            per_step = losses.reinforce(log_p, rollout.y_hat, advantage)
        elif name == "cross-entropy":
            per_step = losses.cross_entropy(log_p, self._padded(labels))
        elif name == "expected-reward":
            per_step = losses.expected_reward(log_p, A_t, self.config.early_stop_reward)
        else:
            per_step = losses.BY_AVAILABLE[name](log_p, A_t)
        return losses.masked_sum(per_step, counted)

    def _scaled(self, kind: str, advantage: Tensor, counted: Tensor) -> Tensor:
        if not self.config.scale_advantages:
            return advantage
        return self.network.scales[kind](advantage, counted)

    def _available(self, y_hat: Tensor, counts: Tensor, labels: Tensor) -> Tensor:
        """Return A_t [rows, T, choices] (P§4.2): how often each is available; "stop": never."""
        classes = self.task.num_classes
        if self.config.label_structure == "list":
            listed = nn.functional.one_hot(self._padded(labels), classes + 1)[..., :classes]
            return nn.functional.pad(listed, (0, 1))
        return nn.functional.pad(available(counts, y_hat), (0, 1))

    def _labels(self, batch: Batch) -> Int[Tensor, "rows objects"]:
        """Return the labels of each rollout, in the order of its training."""
        labels = ordered_labels(batch, self.config.label_order, self.ranks)
        labels = labels.repeat_interleave(self.config.trajectories, 0)
        if self.config.shared_label_order:
            return labels
        keys = torch.rand(labels.shape, generator=self.generator, device=labels.device)
        return labels.gather(1, label_order(labels, keys))

    def _forced(self, labels: Tensor) -> Int[Tensor, "rows T"]:
        """Return the true labels to feed back; -1 where the model feeds back its own choice."""
        feed, most = self._padded(labels), self.config.teacher_forced_updates
        if most is None:
            return feed
        # A tensor: a captured update cannot branch on the host.
        over = self.training_share * self.setup.updates > most - 0.5
        return feed.masked_fill(over, -1)

    def _padded(self, labels: Tensor) -> Tensor:
        """Return the labels of T = K_max + 1 steps; after the last label comes "stop"."""
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
    presets: ClassVar[Presets] = {"quick": {**SMALL, "learning_rate": 1e-2}}


class HsalMultiset(HsalRL):
    """HSAL with the multiset loss (arXiv 1711.05246) in place of the class reward."""

    Config: ClassVar[type] = HsalMultisetConfig
