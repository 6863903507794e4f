"""The config of HSAL (arXiv 1711.05165), with a field for each point that the paper leaves open.

The default is the chosen reading; the alternatives can be set. Fields with `omit_default` were
added later, so that older configs stay valid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hsal_bench.baselines.shared.orders import Order
from hsal_bench.errors import UsageError
from hsal_bench.method.gradient import GradientConfig
from hsal_bench.options import option

ClassLossName = Literal["reinforce", "expected-reward", "log-marginal", "multiset", "cross-entropy"]
Feedback = Literal["one-hot", "coordinates"]
LabelFeedback = Literal["sampled", "greedy", "none"]
LabelStructure = Literal["multiset", "list"]

_Contradiction = tuple[bool, str]
"""Whether fields contradict each other, and the message that says so."""


@dataclass(frozen=True)
class HsalConfig(GradientConfig):
    """Network sizes (App. A), readings of the paper, and settings that it does not state."""

    class_loss: ClassLossName = option("reinforce", "loss of the class scores")
    teacher_forcing: bool = option(False, "feed back true labels (class_loss cross-entropy only)")
    teacher_forced_updates: int | None = option(
        None,
        "number of first updates with teacher_forcing; none: all",
        at_least=1,
        omit_default=True,
    )
    label_feedback: LabelFeedback = option(
        "sampled",
        "the class y_{t-1} fed back in training; none: no class, also at test time",
        omit_default=True,
    )
    label_structure: LabelStructure = option(
        "multiset",
        "A_t is the multiset of remaining labels, or the t-th label of a list (P§4.2)",
        omit_default=True,
    )
    label_order: Order = option(
        "random", "order of the labels in a list or for cross-entropy", omit_default=True
    )
    shared_label_order: bool = option(
        True,
        "all rollouts of an image share one random order of its labels",
        omit_default=True,
    )
    early_stop_reward: float = option(
        -1.0,
        "class reward of a stop sampled at t <= m",
        at_least=-100.0,
        at_most=1.0,
        omit_default=True,
    )
    stop_step_glimpse_reward: bool = option(
        True, "also reward glimpses at step m + 1, the step of the stop", omit_default=True
    )
    location_reward: bool = option(True, "train the glimpses on the priority map (P§4.2)")
    return_to_go: bool = option(False, "learn from all later rewards, not the immediate one")
    glimpses: int = option(2, "glimpses k per meta-step", at_least=1)
    components: int = option(5, "Gaussians of the mask", at_least=1)
    meta_hidden: int = option(128, "encoding and GRU size of the meta-controller", at_least=1)
    hidden: int = option(512, "encoding and GRU size of the controller", at_least=1)
    location_hidden: int = option(64, "hidden size of the location MLP", at_least=1)
    glimpse_feedback: Feedback = option("one-hot", "how the place a_i of a glimpse is fed back")
    reset_controller: bool = option(False, "reset the controller's state at each meta-step")
    renormalise_each_step: bool = option(False, "rescale S_t to [0, 1] at every step")
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
        contradictions = (
            *self._feedback_contradictions(),
            *self._order_contradictions(),
            *self._reward_contradictions(),
        )
        for applies, message in contradictions:
            if applies:
                raise UsageError(message)

    @property
    def ordered(self) -> bool:
        """Whether the class loss depends on the order of the labels."""
        return self.class_loss == "cross-entropy" or self.label_structure == "list"

    def _feedback_contradictions(self) -> tuple[_Contradiction, ...]:
        loss, feedback = self.class_loss, self.label_feedback
        forced_throughout = self.teacher_forcing and self.teacher_forced_updates is None
        return (
            (
                self.teacher_forcing and loss != "cross-entropy",
                f"teacher_forcing=true needs class_loss=cross-entropy, not {loss}: "
                "the other losses define no order of labels to feed back",
            ),
            (
                self.teacher_forced_updates is not None and not self.teacher_forcing,
                "teacher_forced_updates needs teacher_forcing=true",
            ),
            (
                feedback == "none" and self.teacher_forcing,
                "label_feedback=none feeds back no labels: drop it or teacher_forcing=true",
            ),
            (
                feedback == "greedy" and forced_throughout,
                "label_feedback=greedy has no effect with teacher_forcing=true: drop one of them "
                "or set teacher_forced_updates",
            ),
            (
                feedback == "greedy" and loss == "reinforce",
                "class_loss=reinforce needs sampled classes: drop label_feedback=greedy",
            ),
        )

    def _order_contradictions(self) -> tuple[_Contradiction, ...]:
        loss = self.class_loss
        return (
            (
                self.label_structure == "list" and loss == "cross-entropy",
                "class_loss=cross-entropy learns a list already: drop label_structure=list",
            ),
            (
                self.label_structure == "list" and self.label_order == "random",
                "label_structure=list needs a consistent order: set label_order, e.g. spatial",
            ),
            (
                self.label_order != "random" and not self.ordered,
                f"label_order={self.label_order} needs class_loss=cross-entropy or "
                f"label_structure=list: {loss} does not read the order",
            ),
            (
                not self.shared_label_order
                and (
                    loss != "cross-entropy"
                    or self.label_order != "random"
                    or self.trajectories == 1
                ),
                "shared_label_order=false needs class_loss=cross-entropy, label_order=random and "
                "trajectories above 1",
            ),
        )

    def _reward_contradictions(self) -> tuple[_Contradiction, ...]:
        loss = self.class_loss
        rewarded = loss in ("reinforce", "expected-reward")
        return (
            (
                self.early_stop_reward != -1.0 and not rewarded,
                f"early_stop_reward needs class_loss=reinforce or expected-reward, not {loss}",
            ),
            (
                not self.stop_step_glimpse_reward and not self.location_reward,
                "stop_step_glimpse_reward=false needs location_reward=true",
            ),
        )


@dataclass(frozen=True)
class CrossEntropyConfig(HsalConfig):
    """The baseline: cross-entropy on randomly ordered labels, own samples fed back, no reward."""

    class_loss: ClassLossName = option("cross-entropy", "loss of the class scores")
    location_reward: bool = option(False, "train the glimpses on the priority map (P§4.2)")


@dataclass(frozen=True)
class HsalMultisetConfig(HsalConfig):
    """HSAL-RL with the multiset loss for classes; the glimpses keep their reward."""

    class_loss: ClassLossName = option("multiset", "loss of the class scores")
