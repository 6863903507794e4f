"""The Gaussian mask against its formula, and the ranges of its parameters."""

import math

import pytest
import torch

from hsal_bench.baselines.hsal.gaussian import GaussianAttention, mask


def test_mask_against_the_printed_formula_in_float64():
    generator = torch.Generator().manual_seed(0)
    alpha = torch.rand(2, 5, generator=generator, dtype=torch.float64).softmax(1)
    beta = 1.5 + torch.rand(2, 5, generator=generator, dtype=torch.float64)
    kappa = 7.0 * torch.rand(2, 5, 2, generator=generator, dtype=torch.float64)
    M = mask(alpha, beta, kappa, 7, 6).view(2, 7, 6)
    for n in range(2):
        for i in range(1, 8):
            for j in range(1, 7):
                phi = sum(
                    alpha[n, k]
                    * math.exp(
                        -beta[n, k] * ((kappa[n, k, 0] - i) ** 2 + (kappa[n, k, 1] - j) ** 2)
                    )
                    for k in range(5)
                )
                assert abs(float(M[n, i - 1, j - 1]) - float(phi)) < 1e-14


def _attention(**options: bool) -> GaussianAttention:
    torch.manual_seed(0)
    return GaussianAttention(8, 7, 7, **options)


def _extreme(attention: GaussianAttention, value: float, side: int = 7) -> torch.Tensor:
    """Return the mask when every raw parameter has the same extreme value."""
    torch.nn.init.zeros_(attention.parameters_of.weight)
    torch.nn.init.constant_(attention.parameters_of.bias, value)
    return attention(torch.zeros(1, 8)).view(side, side).detach()


def test_masks_lie_in_the_unit_interval():
    M = _attention()(torch.randn(64, 8)).detach()
    assert float(M.min()) >= 0.0
    assert float(M.max()) <= 1.0


def test_centres_reach_half_a_cell_beyond_the_grid_on_either_side():
    # At -inf the centre is 0.5, half a cell before the first; beta is 1.5 there.
    low = _extreme(_attention(), -40.0)
    assert float(low[0, 0]) == pytest.approx(math.exp(-1.5 * 2 * 0.25), rel=1e-5)
    high = _extreme(_attention(), 40.0)
    assert float(high[6, 6]) == pytest.approx(math.exp(-2.0 * 2 * 0.25), rel=1e-5)


def test_faithful_centres_are_the_printed_ones():
    low = _extreme(_attention(faithful_centres=True), -40.0)
    assert float(low[0, 0]) == pytest.approx(math.exp(-1.5 * 2.0), rel=1e-5)
    high = _extreme(_attention(faithful_centres=True), 40.0)
    assert float(high[6, 6]) == pytest.approx(1.0, rel=1e-5)


def test_beta_before_the_exponential_makes_the_mask_narrower():
    wide, narrow = _extreme(_attention(), 0.0), _extreme(_attention(beta_before_exp=True), 0.0)
    assert float(wide[3, 3]) == pytest.approx(1.0)
    assert float(wide[3, 4]) == pytest.approx(math.exp(-1.75), rel=1e-5)
    assert float(narrow[3, 4]) == pytest.approx(math.exp(-math.exp(1.75)), rel=1e-5)


def test_a_finer_grid_covers_the_same_part_of_the_image():
    M = _extreme(GaussianAttention(8, 14, 14), 0.0, side=14)
    # One cell of 7 is two of 14: from the centre (7.5) a cell 2 further on sees one coarse cell.
    ratio = float(M[8, 6] / M[6, 6])
    assert ratio == pytest.approx(math.exp(-1.75 / 4 * (1.5**2 - 0.5**2)), rel=1e-5)
