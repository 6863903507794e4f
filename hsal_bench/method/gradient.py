"""`GradientMethod`: write a network, `loss` and `predict`, and get the rest of the contract."""

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
    """Optimiser settings shared by all gradient methods (not from the paper)."""

    learning_rate: float = option(
        1e-3, "AdamW's initial step size; decays to 0 along a cosine", at_least=0.0
    )
    weight_decay: float = option(0.0, "decoupled weight decay", at_least=0.0)
    gradient_clip: float = option(1.0, "maximum norm of the whole gradient", at_least=0.0)


class GradientMethod(ABC):
    """A method trained by AdamW with a cosine schedule and a clipped gradient.

    A subclass defines `Config` (derived from `GradientConfig`), `build_network`, `loss` and
    `predict`; it may replace AdamW and the cosine (`build_optimizer`, `build_scheduler`). Sampling
    in `loss` draws from `self.generator`, so that a run resumes bit for bit from its `state_dict`;
    so do layers such as nn.Dropout, which draw from torch's own generator.

    `capturable`: `loss` is pure tensor code that never reads a value on the host; its update is
    then captured as a CUDA graph on a GPU (hsal_bench/method/cuda_graph.py).

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
            # Weights are initialised on the CPU: a seed gives the same network on any device.
            torch.manual_seed(setup.seed)
            self.network = self.build_network().to(setup.device)
        self.updates_done = 0
        self.training_share = torch.zeros((), device=setup.device)
        """Share of the training done, in [0, 1]; a tensor, so that a captured update reads it."""
        self.optimizer = self.build_optimizer()
        groups = self.optimizer.param_groups
        self.captured = (
            self.capturable
            and setup.device.type == "cuda"
            and all("capturable" in group for group in groups)
        )
        self._initial_rates = [float(group["lr"]) for group in groups]
        self._place_rates()
        self.scheduler = self.build_scheduler()
        self._captured_step = self._new_captured_step()

    @abstractmethod
    def build_network(self) -> nn.Module:
        """Return a newly initialised network."""

    @abstractmethod
    def loss(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return scalars by name: "loss" is minimised, the others are logged."""

    @abstractmethod
    def predict(self, batch: Batch, *, trace: bool = False) -> Prediction:
        """Predict, see `Method.predict`."""

    def build_optimizer(self) -> torch.optim.Optimizer:
        """Return the optimiser of `self.network`: AdamW with the config's settings."""
        rate, decay = self.config.learning_rate, self.config.weight_decay
        return torch.optim.AdamW(self.network.parameters(), lr=rate, weight_decay=decay, fused=True)

    def build_scheduler(self) -> torch.optim.lr_scheduler.LRScheduler | None:
        """Return the schedule of `self.optimizer`, stepped after each update.

        None, the default: each group's initial rate decays to 0 along a cosine over
        `self.setup.updates`.
        """
        return None

    def update(self, batch: Batch) -> Mapping[str, Tensor]:
        """Take one gradient step on `loss`; return its scalars, detached."""
        self.network.train()
        share = min(1.0, self.updates_done / max(1, self.setup.updates))
        self.training_share.fill_(share)
        if self.scheduler is None:
            for group, rate in zip(self.optimizer.param_groups, self._initial_rates, strict=True):
                if self.captured:
                    group["lr"].fill_(rate * cosine(share))
                else:
                    group["lr"] = rate * cosine(share)
        self.updates_done += 1
        with torch.random.fork_rng(devices=[]):
            # Layers like nn.Dropout draw from torch's own generator. A seed for each update makes
            # runs with them repeatable and resumable.
            self._seed_torch(_update_seed(self.setup.seed, self.updates_done))
            step = self._captured_step
            scalars = step(self._follow, batch) if step else self._follow(batch)
        if self.scheduler is not None:
            self.scheduler.step()
        return scalars

    def _place_rates(self) -> None:
        """Make the learning rates numbers, or tensors that a captured update reads."""
        for group in self.optimizer.param_groups:
            rate = float(group["lr"])
            group["lr"] = torch.tensor(rate, device=self.setup.device) if self.captured else rate
            if "capturable" in group:
                group["capturable"] = self.captured

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
        # Returned as a scalar, so that a non-finite gradient is noticed like a non-finite loss.
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_clip)
        self.optimizer.step()
        return {
            name: scalar.detach() for name, scalar in [*scalars.items(), ("gradient_norm", norm)]
        }

    def state_dict(self) -> dict[str, Any]:
        """Return everything that `update` changes."""
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "updates_done": self.updates_done,
        }
        return (
            state if self.scheduler is None else state | {"scheduler": self.scheduler.state_dict()}
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state, also from a different kind of device.

        In that case random numbers restart from the seed and the update: the generators of
        different kinds of devices have incompatible states.
        """
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._place_rates()
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        # A graph reads the memory it was captured on, but the loaded state is in new memory.
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
