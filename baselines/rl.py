"""The paper's class reward without HSAL: REINFORCE on the plain decoder (arXiv 1711.05246 §4).

The reward is +1 for a label that is still available, else -1. A value baseline and an entropy bonus
are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from torch import Tensor, nn

from hsal_bench.baselines.shared.decoder import Decoded
from hsal_bench.baselines.shared.policy import RunningScale, sample
from hsal_bench.baselines.shared.sequence import SMALL, SequenceConfig, SequenceMethod
from hsal_bench.method.contract import Batch, Presets
from hsal_bench.options import option

from .shared import losses


@dataclass(frozen=True)
class RlConfig(SequenceConfig):
    """The settings of REINFORCE; the same fields as in HSAL-RL."""

    return_to_go: bool = option(False, "learn from all later rewards, not the immediate one")
    entropy: float = option(0.01, "weight of the entropy bonus", at_least=0.0)
    value_weight: float = option(0.5, "weight of the value baseline's squared error", at_least=0.0)
    scale_advantages: bool = option(True, "divide advantages by their running scale")
    trajectories: int = option(4, "sampled rollouts per image and update", at_least=1)


class Rl(SequenceMethod):
    """REINFORCE on the paper's class reward (P§4.2), on the plain decoder."""

    Config: ClassVar[type] = RlConfig
    presets: ClassVar[Presets] = {"quick": {**SMALL, "entropy": 0.05}}

    def build_network(self) -> nn.ModuleDict:
        """Return the decoder, the value baseline, and the scale of the advantages."""
        network = super().build_network()
        network["value"] = nn.Linear(self.config.hidden, 1)
        network["scale"] = RunningScale()
        return network

    def loss(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return the surrogate loss of sampled rollouts and its terms."""
        config, n = self.config, self.config.trajectories
        draw = partial(sample, generator=self.generator)
        decoded = self.unroll_to_stop(batch, lambda t, scores: draw(scores), n)
        counts = batch.truth()[0].repeat_interleave(n, 0)
        parts = self._policy_losses(decoded, counts)
        parts["stop_loss"] = losses.bernoulli_stop(decoded.stop, counts.sum(1)).mean()
        total = parts["class_loss"] + parts["stop_loss"]
        total = total - config.entropy * parts["class_entropy"]
        return {"loss": total + config.value_weight * parts["class_value_loss"], **parts}

    def _policy_losses(self, decoded: Decoded, counts: Tensor) -> dict[str, Tensor]:
        counted = losses.class_steps(counts.sum(1), self.T)
        log_p = decoded.scores.log_softmax(-1)
        # Detached, as HSAL's value head (P, App. A): the policy alone shapes the decoder.
        value = self.network["value"](decoded.h.detach()).squeeze(2)
        reward = losses.sequence_reward(counts, decoded.y_hat) * counted
        target = losses.returns_to_go(reward) if self.config.return_to_go else reward
        advantage = target - value
        if self.config.scale_advantages:
            advantage = self.network["scale"](advantage, counted)
        per_step = losses.reinforce(log_p, decoded.y_hat, advantage)
        return {
            "class_loss": losses.masked_sum(per_step, counted),
            "class_reward": reward.sum() / counted.sum().clamp_min(1),
            **losses.policy_terms("class", log_p, value, target, counted),
        }
