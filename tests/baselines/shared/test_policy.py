"""Choosing by scores, and the running scale of advantages."""

import pytest
import torch

from hsal_bench.baselines.shared.policy import RunningScale, greedy, sample


def test_sampling_follows_the_softmax():
    scores = torch.tensor([0.0, 1.0, 2.0]).expand(20_000, 3)
    share = torch.bincount(sample(scores, torch.Generator().manual_seed(0)), minlength=3) / 20_000
    assert torch.allclose(share, scores[0].softmax(0), atol=0.015)


def test_a_certain_choice_is_the_greedy_one():
    scores = torch.randn(5, 7, 4, generator=torch.Generator().manual_seed(0)) * 1e4
    assert torch.equal(sample(scores, torch.Generator()), greedy(scores))


def test_the_scale_comes_to_the_root_mean_square_of_what_counts():
    scale, generator = RunningScale(), torch.Generator().manual_seed(0)
    counted = torch.tensor([[True, True, False]]).expand(500, 3)
    for _ in range(1_000):
        advantage = 3.0 * torch.randn(500, 3, generator=generator)
        advantage[:, 2] = 1e6
        scaled = scale(advantage, counted)
    assert scale.scale.item() == pytest.approx(3.0, rel=0.02)
    assert torch.allclose(scaled * scale.scale, advantage)


def test_nothing_that_counts_is_not_divided_by_nothing():
    scaled = RunningScale()(torch.ones(2, 2), torch.zeros(2, 2, dtype=torch.bool))
    assert torch.isfinite(scaled).all()
