"""The HSAL network: meta-controller, interface, controller, and their unrolling (P§3, App. A, C).

Given activations V and a policy that turns scores into actions, `HsalNetwork.forward` unrolls T
meta-steps. At each, the meta-controller places a mask M_t on the saliency map S_t; the interface
makes the priority map P_t and the broad glimpse g_0 of it; the controller takes k glimpses and
names a class; S_t is suppressed where it was attended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from . import saliency
from .gaussian import GaussianAttention
from .policy import RunningScale

Choose = Callable[[Tensor], Tensor]
"""Scores [batch, choices] -> chosen [batch]."""


@dataclass(frozen=True)
class Shape:
    """Sizes of the network: V is C x h x w; App. A gives the others.

    `coordinates` feeds a glimpse's place back as (row, column) in [0, 1], not as one-hot cells.
    """

    C: int
    h: int
    w: int
    num_classes: int
    glimpses: int = 2
    meta_hidden: int = 128
    hidden: int = 512
    location_hidden: int = 64
    coordinates: bool = False

    @property
    def cells(self) -> int:
        """Number of cells h * w."""
        return self.h * self.w

    def places(self) -> Float[Tensor, "cells place"]:
        """Return what is fed back for a glimpse at each cell."""
        if not self.coordinates:
            return torch.eye(self.cells)
        rows, columns = torch.linspace(0, 1, self.h), torch.linspace(0, 1, self.w)
        return torch.cartesian_prod(rows, columns)


@dataclass(frozen=True)
class Rollout:
    """What T meta-steps of k glimpses saw, scored and chose; n_c + 1 classes, the last is "stop".

    S: raw saliency. S_t, M_t, P_t: maps in [0, 1]. values: V(s_{t,i}) for the k locations, then
    the class. y_hat: the classes fed back, which teacher forcing takes from the truth.
    """

    S: Float[Tensor, "rows cells"]
    S_t: Float[Tensor, "rows T cells"]
    M_t: Float[Tensor, "rows T cells"]
    P_t: Float[Tensor, "rows T cells"]
    location_scores: Float[Tensor, "rows T k cells"]
    locations: Int[Tensor, "rows T k"]
    class_scores: Float[Tensor, "rows T classes"]
    y_hat: Int[Tensor, "rows T"]
    values: Float[Tensor, "rows T steps"]


class MetaController(nn.Module):
    """f_MC: x_t = [S_t, y_{t-1}] -> encoding -> GRU -> mask M_t (P§3 "Meta-Controller")."""

    def __init__(self, shape: Shape, attention: GaussianAttention) -> None:
        super().__init__()
        self.encode = nn.Linear(shape.cells + shape.num_classes + 1, shape.meta_hidden)
        self.gru = nn.GRUCell(shape.meta_hidden, shape.meta_hidden)
        self.attention = attention

    def forward(self, S_t: Tensor, y: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return (M_t [batch, cells], the new hidden state)."""
        h = self.gru(self.encode(torch.cat([S_t, y], 1)), h)
        return self.attention(h), h


class Controller(nn.Module):
    """f_C: x_i = [P_t, y_{t-1}, a_{i-1}, g_{i-1}] -> encoding -> GRU -> scores (P§3 "Controller").

    The location and value heads read the hidden state detached (App. A): of the network's other
    parts only the class scores' losses are felt.
    """

    places: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        places = shape.places()
        inputs = shape.cells + shape.num_classes + 1 + places.shape[1] + shape.C
        self.register_buffer("places", places, persistent=False)
        self.encode = nn.Linear(inputs, shape.hidden)
        self.gru = nn.GRUCell(shape.hidden, shape.hidden)
        self.classify = nn.Linear(shape.hidden, shape.num_classes + 1)
        self.locate = nn.Sequential(
            nn.Linear(shape.hidden, shape.location_hidden),
            nn.ReLU(),
            nn.Linear(shape.location_hidden, shape.cells),
        )
        self.value = nn.Linear(shape.hidden, 1)

    def forward(self, P: Tensor, y: Tensor, a: Tensor, g: Tensor, h: Tensor) -> Tensor:
        """Return the new hidden state [batch, hidden]; the heads turn it into scores."""
        return self.gru(self.encode(torch.cat([P, y, a, g], 1)), h)


class HsalNetwork(nn.Module):
    """Meta-controller and controller, unrolled together.

    scales: of the advantages of classes and of locations, here because they are learnt too.
    """

    def __init__(
        self,
        shape: Shape,
        attention: GaussianAttention,
        *,
        reset_controller: bool = False,
        renormalise_each_step: bool = False,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.reset_controller = reset_controller
        self.renormalise_each_step = renormalise_each_step
        self.meta_controller = MetaController(shape, attention)
        self.controller = Controller(shape)
        self.scales = nn.ModuleDict({kind: RunningScale() for kind in ("class", "location")})

    def forward(
        self,
        V: Float[Tensor, "batch C h w"],
        T: int,
        choose: Choose,
        feed: Int[Tensor, "rows T"] | None = None,
        trajectories: int = 1,
    ) -> Rollout:
        """Unroll T meta-steps of `trajectories` rollouts per image: rows = batch x trajectories.

        The rows of an image lie together, as `repeat_interleave` puts them; they read one V.
        `choose` turns scores into locations and classes (sampling in training, argmax in use).
        `feed` gives the classes fed back instead of the chosen ones (teacher forcing).
        """
        shape, rows = self.shape, len(V) * trajectories
        S = saliency.saliency(V).repeat_interleave(trajectories, 0)
        S_t = saliency.min_max(S)
        # Cell by cell, so that a glimpse is one run of memory.
        V = V.flatten(2).transpose(1, 2).contiguous()
        y = V.new_zeros(rows, shape.num_classes + 1)
        h_meta = V.new_zeros(rows, shape.meta_hidden)
        h = V.new_zeros(rows, shape.hidden)
        steps = []
        for t in range(T):
            seen = saliency.min_max(S_t) if self.renormalise_each_step else S_t
            M_t, h_meta = self.meta_controller(seen, y, h_meta)
            if self.reset_controller:
                h = torch.zeros_like(h)
            step, h = self._meta_step(V, seen, M_t, y, h, choose)
            if feed is not None:
                step["y_hat"] = feed[:, t]
            steps.append(step)
            y = functional.one_hot(step["y_hat"], shape.num_classes + 1).to(V.dtype)
            S_t = saliency.update(S_t, M_t, step["locations"])
        stacked = {name: torch.stack([step[name] for step in steps], 1) for name in steps[0]}
        return Rollout(S=S, **stacked)

    def _meta_step(
        self, V: Tensor, S_t: Tensor, M_t: Tensor, y: Tensor, h: Tensor, choose: Choose
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Run the controller's k + 1 steps on V [batch, cells, C]; return what `Rollout` stacks."""
        controller = self.controller
        P_t = saliency.priority(M_t, S_t)
        M = M_t.unflatten(0, (len(V), -1))
        g = torch.bmm(M, V).flatten(0, 1)  # g_0: the broad glimpse, gradient kept
        image = torch.arange(len(V), device=V.device).repeat_interleave(M.shape[1])
        a = P_t.new_zeros(len(P_t), controller.places.shape[1])
        scores, locations, values = [], [], []
        for _ in range(self.shape.glimpses):
            h = controller(P_t, y, a, g, h)
            scores.append(controller.locate(h.detach()))
            values.append(controller.value(h.detach()))
            location = choose(scores[-1])
            locations.append(location)
            a = controller.places[location]
            g = V[image, location]
        h = controller(P_t, y, a, g, h)
        values.append(controller.value(h.detach()))
        class_scores = controller.classify(h)
        step = {
            "S_t": S_t,
            "M_t": M_t,
            "P_t": P_t,
            "location_scores": torch.stack(scores, 1),
            "locations": torch.stack(locations, 1),
            "class_scores": class_scores,
            "y_hat": choose(class_scores),
            "values": torch.cat(values, 1),
        }
        return step, h
