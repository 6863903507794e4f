"""`GradientMethod`: write a network and `loss(batch)`, get the rest of the Method contract."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from hsal_bench.method.contract import Batch, Prediction, Presets, Setup, Task
from hsal_bench.method.cuda_graph import CapturedStep, current
from hsal_bench.method.validate import check_scalars
from hsal_bench.options import option


@dataclass(frozen=True)
class GradientConfig:
    """Optimiser settings that every gradient method shares (not from the paper)."""

    learning_rate: float = option(
        1e-3, "Adam's step size at the start; it falls to 0 by a cosine", at_least=0.0
    )
    weight_decay: float = option(0.0, "decoupled weight decay", at_least=0.0)
    gradient_clip: float = option(1.0, "largest norm of the whole gradient", at_least=0.0)


class GradientMethod(ABC):
    """A method trained by Adam with a cosine schedule and a clipped gradient.

    A subclass gives `Config` (derived from `GradientConfig`), `build_network`, `loss` and
    `predict`. Sampling in `loss` draws from `self.generator`, so that a run resumes bit for bit
    from its `state_dict`; layers such as nn.Dropout, which draw from torch's own generator, resume
    as well.

    `capturable`: `loss` is tensor code alone, that never looks at a value on the host; then its
    update is captured as a CUDA graph on a GPU (hsal_bench/method/cuda_graph.py).

    `any_cardinality`: no parameter depends on `Task.max_objects` (hsal_bench/method/contract.py).
    """

    Config: ClassVar[type] = GradientConfig
    inputs: ClassVar[Literal["images", "activations"]] = "activations"
    presets: ClassVar[Presets] = {}
    capturable: ClassVar[bool] = False
    any_cardinality: ClassVar[bool] = False

    def __init__(self, task: Task, config: Any, setup: Setup) -> None:
        self.task, self.config, self.setup = task, config, setup
        self.generator = torch.Generator(setup.device).manual_seed(setup.seed)
        with torch.random.fork_rng(devices=[]):
            # Weights are drawn on the CPU: the same seed gives the same network on any device.
            torch.manual_seed(setup.seed)
            self.network = self.build_network().to(setup.device)
        self.updates_done = 0
        self.training_share = torch.zeros((), device=setup.device)
        """How much of the training is over, in [0, 1]: a tensor, which a captured update reads."""
        self.captured = self.capturable and setup.device.type == "cuda"
        rate = config.learning_rate
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=torch.tensor(rate, device=setup.device) if self.captured else rate,
            weight_decay=config.weight_decay,
            fused=True,
            capturable=self.captured,
        )
        self._captured_step = self._new_captured_step()

    @abstractmethod
    def build_network(self) -> nn.Module:
        """Return the network, its weights freshly drawn."""

    @abstractmethod
    def loss(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return scalars by name; the gradient of "loss" is followed, the rest is logged."""

    @abstractmethod
    def predict(self, batch: Batch, *, trace: bool = False) -> Prediction:
        """Predict as `Method.predict` says."""

    def update(self, batch: Batch) -> Mapping[str, Tensor]:
        """Make one step along the gradient of `loss`; return its scalars, detached."""
        self.network.train()
        share = min(1.0, self.updates_done / max(1, self.setup.updates))
        self.training_share.fill_(share)
        for group in self.optimizer.param_groups:
            rate = self.config.learning_rate * cosine(share)
            if self.captured:
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        self.updates_done += 1
        with torch.random.fork_rng(devices=[]):
            # nn.Dropout and its like draw from torch's own generator. A seed for each update makes
            # runs with them repeatable and resumable.
            self._seed_torch(_update_seed(self.setup.seed, self.updates_done))
            if self._captured_step is None:
                return self._follow(batch)
            return self._captured_step(self._follow, batch)

    def _seed_torch(self, seed: int) -> None:
        torch.default_generator.manual_seed(seed)
        if self.setup.device.type == "cuda":
            with current(self.setup.device):
                torch.cuda.manual_seed(seed)

    def _new_captured_step(self) -> CapturedStep | None:
        return CapturedStep(self.generator) if self.captured else None

    def _follow(self, batch: Batch) -> Mapping[str, Tensor]:
        scalars = check_scalars(self, "loss", self.loss(batch))
        self.optimizer.zero_grad(set_to_none=True)
        scalars["loss"].backward()
        # Among the scalars, so that a gradient that is not finite is noticed as a loss would be.
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_clip)
        self.optimizer.step()
        return {
            name: scalar.detach() for name, scalar in [*scalars.items(), ("gradient_norm", norm)]
        }

    def state_dict(self) -> dict[str, Any]:
        """Return all that `update` changes."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "updates_done": self.updates_done,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state, which may come from another kind of device.

        Random numbers then start from the seed and the update: generators of two kinds of device
        have no common state.
        """
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        for group in self.optimizer.param_groups:
            rate = float(group["lr"])
            group["lr"] = torch.tensor(rate, device=self.setup.device) if self.captured else rate
            group["capturable"] = self.captured
        # A graph reads the memory it was captured on; what was loaded is in new memory.
        self._captured_step = self._new_captured_step()
        self.updates_done = state["updates_done"]
        saved = state["generator"].cpu()
        if saved.shape == self.generator.get_state().shape:
            self.generator.set_state(saved)
        else:
            self.generator.manual_seed(_update_seed(self.setup.seed, self.updates_done))


def _update_seed(seed: int, update: int) -> int:
    return (seed << 32) + update


def cosine(share: float) -> float:
    """Return the cosine schedule's factor, 1 at share 0 and 0 at share 1."""
    return 0.5 * (1.0 + math.cos(math.pi * share))
