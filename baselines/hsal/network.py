"""The HSAL network: meta-controller, interface, controller, and their unrolling (P§3, App. A, C).

Given activations V and a policy that turns scores into actions, `HsalNetwork.forward` unrolls T
meta-steps. In each, the meta-controller places a mask M_t on the saliency map S_t; the interface
computes the priority map P_t and the broad glimpse g_0; the controller takes k glimpses and
predicts a class; S_t is suppressed at the attended cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from hsal_bench.baselines.shared.policy import RunningScale
from hsal_bench.baselines.shared.recurrence import InputMap, hidden_map, input_map, next_state
from hsal_bench.baselines.shared.rows import RowPlan, by_image, row_plan, spread

from . import saliency
from .gaussian import GaussianAttention

Choose = Callable[[Tensor], Tensor]
"""Scores [batch, choices] -> chosen [batch]."""


@dataclass(frozen=True)
class Shape:
    """Sizes of the network: V is C x h x w; App. A gives the others.

    coordinates: feed back the place of a glimpse as (row, column) in [0, 1], not as one-hot cells.
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
        """Return the vector that is fed back for a glimpse at each cell."""
        if not self.coordinates:
            return torch.eye(self.cells)
        rows, columns = torch.linspace(0, 1, self.h), torch.linspace(0, 1, self.w)
        return torch.cartesian_prod(rows, columns)


@dataclass(frozen=True)
class Rollout:
    """Maps, scores and choices of T meta-steps of k glimpses; n_c + 1 classes, the last is "stop".

    S: raw saliency. S_t, M_t, P_t: maps in [0, 1]. values: V(s_{t,i}) for the k locations, then
    the class. y_hat: chosen classes; with teacher forcing, the true ones.
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

    def forward(
        self, inputs: InputMap, S_t: Tensor, y: Tensor, h: Tensor, *, zero: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return (M_t [rows, cells], the new hidden state). zero: h is known to be 0."""
        x = torch.addmm(inputs.b, torch.cat([S_t, y], 1), inputs.W)
        h = next_state(x, hidden_map(self.gru, h, zero=zero), h)
        return self.attention(h), h

    def inputs(self) -> InputMap:
        """Return the map from [S_t, y] to gates."""
        return input_map(self.encode, self.gru)


@dataclass(frozen=True)
class ControllerInputs:
    """The controller's map from its inputs to gates, input by input.

    a: contribution of each cell as the place of the last glimpse.
    """

    b: Float[Tensor, " gates"]
    P_and_y: Float[Tensor, "inputs gates"]
    a: Float[Tensor, "cells gates"]
    g: Float[Tensor, "C gates"]


class Controller(nn.Module):
    """f_C: x_i = [P_t, y_{t-1}, a_{i-1}, g_{i-1}] -> encoding -> GRU -> scores (P§3 "Controller").

    The location and value heads read the detached hidden state (App. A): only the losses of the
    class scores train the rest of the network.
    """

    places: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        places = shape.places()
        self.sizes = [shape.cells + shape.num_classes + 1, places.shape[1], shape.C]
        self.register_buffer("places", places, persistent=False)
        self.encode = nn.Linear(sum(self.sizes), shape.hidden)
        self.gru = nn.GRUCell(shape.hidden, shape.hidden)
        self.classify = nn.Linear(shape.hidden, shape.num_classes + 1)
        self.locate = nn.Sequential(
            nn.Linear(shape.hidden, shape.location_hidden),
            nn.ReLU(),
            nn.Linear(shape.location_hidden, shape.cells),
        )
        self.value = nn.Linear(shape.hidden, 1)

    def inputs(self) -> ControllerInputs:
        """Return the map from [P_t, y, a, g] to gates."""
        inputs = input_map(self.encode, self.gru)
        P_and_y, a, g = inputs.W.split(self.sizes)
        return ControllerInputs(inputs.b, P_and_y, self.places @ a, g)


@dataclass(frozen=True)
class Unrolling:
    """The values shared by all steps of an unrolling."""

    plan: RowPlan
    V: Float[Tensor, "batch cells C"]
    choose: Choose
    choose_class: Choose
    meta_inputs: InputMap
    inputs: ControllerInputs


class HsalNetwork(nn.Module):
    """Meta-controller and controller, unrolled together.

    scales: running scales of the advantages, part of the network so that they are saved with it.
    """

    def __init__(
        self,
        shape: Shape,
        attention: GaussianAttention,
        *,
        reset_controller: bool = False,
        renormalise_each_step: bool = False,
        label_feedback: bool = True,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.label_feedback = label_feedback
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
        m: Int[Tensor, " batch"] | None = None,
        choose_class: Choose | None = None,
    ) -> Rollout:
        """Unroll T meta-steps of `trajectories` rollouts per image: rows = batch x trajectories.

        The rows of an image are adjacent, as `repeat_interleave` orders them, and share one V.

        choose: turns scores into locations and classes (sampling in training, argmax at test time).
        feed: classes to feed back instead of the chosen ones (teacher forcing), if not negative.
        m: numbers of labels of the images; steps after m + 1 are skipped and 0.
        choose_class: used instead of `choose` for classes.
        """
        shape, plan = self.shape, row_plan(len(V), T, trajectories, m)
        S = saliency.saliency(V)
        S_t = plan.sort_images(saliency.min_max(S))
        # Cell by cell, so that a glimpse is contiguous in memory.
        cells = plan.sort_images(V.flatten(2).transpose(1, 2)).contiguous()
        inputs = self.meta_controller.inputs(), self.controller.inputs()
        fixed = Unrolling(plan, cells, choose, choose_class or choose, *inputs)
        # The rollouts of an image are equal until their first glimpse: one row represents them.
        y = V.new_zeros(len(V), shape.num_classes + 1)
        h_meta, h = (V.new_zeros(len(V), size) for size in (shape.meta_hidden, shape.hidden))
        steps = []
        for t in range(T):
            if t > 0:
                S_t, y, h_meta, h = (plan.keep(x, t) for x in (S_t, y, h_meta, h))
            step, h_meta, h = self._meta_step(fixed, t, S_t, y, h_meta, h)
            if feed is not None:
                fed = plan.pick(feed[:, t], len(h))
                step["y_hat"] = torch.where(fed < 0, step["y_hat"], fed)
            steps.append(step)
            y = functional.one_hot(step["y_hat"], shape.num_classes + 1).to(V.dtype)
            if not self.label_feedback:
                y = torch.zeros_like(y)
            S_t = S_t if len(S_t) == len(h) else spread(S_t, trajectories)
            S_t = saliency.update(S_t, step["M_t"], step["locations"])
        stacked = {name: plan.stack([step[name] for step in steps]) for name in steps[0]}
        return Rollout(S=spread(S, trajectories), **stacked)

    def _meta_step(
        self, fixed: Unrolling, t: int, S_t: Tensor, y: Tensor, h_meta: Tensor, h: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Place the mask and run k + 1 controller steps; return fields of `Rollout`, and states."""
        controller, inputs, V = self.controller, fixed.inputs, fixed.V[: fixed.plan.images[t]]
        if self.renormalise_each_step:
            S_t = saliency.min_max(S_t)
        M_t, h_meta = self.meta_controller(fixed.meta_inputs, S_t, y, h_meta, zero=t == 0)
        P_t = saliency.priority(M_t, S_t)
        g = torch.bmm(by_image(M_t, len(V)), V).flatten(0, 1)  # g_0: the broad glimpse
        x = torch.addmm(inputs.b, torch.cat([P_t, y], 1), inputs.P_and_y)
        if zero := t == 0 or self.reset_controller:
            h = torch.zeros_like(h)
        hidden = hidden_map(controller.gru, h, zero=zero)
        h = next_state(torch.addmm(x, g, inputs.g), hidden, h)
        hidden = hidden_map(controller.gru, h)
        if t == 0:
            rows = (S_t, M_t, P_t, x, h_meta, h, hidden)
            S_t, M_t, P_t, x, h_meta, h, hidden = (spread(z, fixed.plan.copies) for z in rows)
        step = {"S_t": S_t, "M_t": M_t, "P_t": P_t}
        heads, h = self._glimpses(fixed, V, x, h, hidden)
        return step | heads, h_meta, h

    def _glimpses(
        self, fixed: Unrolling, V: Tensor, x: Tensor, h: Tensor, hidden: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Take k glimpses and predict a class, from the state h after the broad glimpse.

        x: contribution of P_t and y to the gates at each step; hidden: that of h.
        """
        controller, inputs = self.controller, fixed.inputs
        cells, first = V.flatten(0, 1), torch.arange(len(V), device=V.device) * V.shape[1]
        first = spread(first, fixed.plan.copies)
        scores, locations, values = [], [], [controller.value(h.detach())]
        for i in range(self.shape.glimpses):
            scores.append(controller.locate(h.detach()))
            locations.append(fixed.plan.choose(fixed.choose, scores[-1]))
            seen = x + functional.embedding(locations[-1], inputs.a)
            g = cells.index_select(0, first + locations[-1])
            if i > 0:
                hidden = hidden_map(controller.gru, h)
            h = next_state(torch.addmm(seen, g, inputs.g), hidden, h)
            values.append(controller.value(h.detach()))
        class_scores = controller.classify(h)
        heads = {
            "location_scores": torch.stack(scores, 1),
            "locations": torch.stack(locations, 1),
            "class_scores": class_scores,
            "y_hat": fixed.plan.choose(fixed.choose_class, class_scores),
            "values": torch.cat(values, 1),
        }
        return heads, h
