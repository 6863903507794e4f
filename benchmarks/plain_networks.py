"""Plain versions of the sequential networks: each step computes all rows and products.

train.py measures the project's networks against these, and the tests check them: the same
parameters give the same results within rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from hsal_bench.baselines.hsal import saliency
from hsal_bench.baselines.hsal.network import HsalNetwork, Rollout
from hsal_bench.baselines.shared.decoder import Decoded, RecurrentDecoder
from hsal_bench.method.gradient import GradientMethod


def make_plain(method: GradientMethod) -> None:
    """Replace the forward pass of a sequential method's network by the plain version."""
    if isinstance(method.network, HsalNetwork):
        method.network.forward = partial(plain_rollout, method.network)  # type: ignore[method-assign]
    else:
        decoder = method.network.get_submodule("decoder")
        assert isinstance(decoder, RecurrentDecoder)
        decoder.forward = partial(plain_decoding, decoder)  # type: ignore[method-assign]


def plain_rollout(
    network: HsalNetwork,
    V: Tensor,
    T: int,
    choose: Callable[[Tensor], Tensor],
    feed: Tensor | None = None,
    trajectories: int = 1,
    m: Tensor | None = None,
    choose_class: Callable[[Tensor], Tensor] | None = None,
) -> Rollout:
    """Return the result of `HsalNetwork.forward`, including the steps that `m` skips."""
    S = saliency.saliency(V).repeat_interleave(trajectories, 0)
    S_t, V = saliency.min_max(S), V.flatten(2).transpose(1, 2).contiguous()
    image = torch.arange(len(V), device=V.device).repeat_interleave(trajectories)
    classes = network.shape.num_classes + 1
    y, h_meta, h = (
        V.new_zeros(len(S), size)
        for size in (classes, network.shape.meta_hidden, network.shape.hidden)
    )
    meta, controller, steps = network.meta_controller, network.controller, []
    for t in range(T):
        seen = saliency.min_max(S_t) if network.renormalise_each_step else S_t
        h_meta = meta.gru(meta.encode(torch.cat([seen, y], 1)), h_meta)
        M_t = meta.attention(h_meta)
        P_t = saliency.priority(M_t, seen)
        h = torch.zeros_like(h) if network.reset_controller else h
        a = V.new_zeros(len(S), controller.places.shape[1])
        g = (M_t.unflatten(0, (len(V), -1)) @ V).flatten(0, 1)
        scores, locations, values = [], [], []
        for i in range(network.shape.glimpses + 1):
            h = controller.gru(controller.encode(torch.cat([P_t, y, a, g], 1)), h)
            values.append(controller.value(h.detach()).squeeze(1))
            if i < network.shape.glimpses:
                scores.append(controller.locate(h.detach()))
                locations.append(choose(scores[-1]))
                a = controller.places[locations[-1]]
                g = V[image, locations[-1]]
        class_scores = controller.classify(h)
        y_hat = (choose_class or choose)(class_scores)
        if feed is not None:
            y_hat = torch.where(feed[:, t] < 0, y_hat, feed[:, t])
        y = functional.one_hot(y_hat, classes).to(V.dtype) * network.label_feedback
        glimpsed = torch.stack(locations, 1)
        maps = (seen, M_t, P_t)
        heads = (torch.stack(scores, 1), glimpsed, class_scores, y_hat, torch.stack(values, 1))
        steps.append(maps + heads)
        S_t = saliency.update(S_t, M_t, glimpsed)
    return Rollout(S, *(torch.stack(parts, 1) for parts in zip(*steps, strict=True)))


def plain_decoding(
    decoder: RecurrentDecoder,
    V: Tensor,
    T: int,
    choose: Callable[[int, Tensor], Tensor],
    sequences: int = 1,
    m: Tensor | None = None,
) -> Decoded:
    """Return the result of `RecurrentDecoder.forward`, including the steps that `m` skips."""
    V = V.flatten(2).transpose(1, 2)
    keys = (decoder.key(V) + decoder.place).transpose(1, 2)
    h = decoder.start(V.mean(1)).tanh().repeat_interleave(sequences, 0)
    y = torch.full((len(h),), decoder.num_classes, device=V.device)
    steps = []
    for t in range(T):
        embedded = decoder.embed(y)
        query = decoder.query(torch.cat([h, embedded], 1)).unflatten(0, (len(V), -1))
        attention = (query @ keys / query.shape[2] ** 0.5).softmax(2)
        context = (attention @ V).flatten(0, 1)
        h = decoder.gru(torch.cat([embedded, context], 1), h)
        scores = decoder.classify(h)
        y = choose(t, scores)
        steps.append((scores, decoder.stop(h).squeeze(1), h, y))
    return Decoded(*(torch.stack(parts, 1) for parts in zip(*steps, strict=True)))
