"""The saliency map, its normalisation and its update (P§3, App. A)."""

import torch

from hsal_bench.baselines.hsal import saliency


def test_saliency_is_the_sum_of_squares_over_channels():
    V = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]])  # 1 image, 2 channels, 1 x 2 cells
    assert saliency.saliency(V).tolist() == [[10.0, 4.0]]


def test_min_max_brings_each_row_to_zero_and_one():
    x = torch.rand(5, 49, generator=torch.Generator().manual_seed(0)) * 7 - 3
    stretched = saliency.min_max(x)
    assert torch.allclose(stretched.amin(1), torch.zeros(5))
    assert torch.allclose(stretched.amax(1), torch.ones(5))
    assert (stretched.argsort(1) == x.argsort(1)).all()


def test_min_max_of_a_constant_row_is_zero_and_has_a_finite_gradient():
    x = torch.full((1, 4), 2.5, requires_grad=True)
    stretched = saliency.min_max(x)
    stretched.sum().backward()
    assert stretched.tolist() == [[0.0] * 4]
    assert torch.isfinite(x.grad).all()


def test_the_gradient_of_min_max_ignores_the_minimum_and_maximum():
    x = torch.tensor([[0.0, 1.0, 4.0]], requires_grad=True)
    saliency.min_max(x)[0, 1].backward()
    assert x.grad.tolist() == [[0.0, 0.25, 0.0]]


def test_update_zeroes_glimpsed_cells_and_subtracts_the_mask_elsewhere():
    S_t = torch.tensor([[0.9, 0.5, 0.2, 1.0]])
    M_t = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    after = saliency.update(S_t, M_t, torch.tensor([[0, 0]]))
    assert torch.allclose(after, torch.tensor([[0.0, 0.3, 0.0, 0.6]]))


def test_update_against_the_printed_formula():
    generator = torch.Generator().manual_seed(1)
    S_t, M_t = torch.rand(6, 9, generator=generator), torch.rand(6, 9, generator=generator)
    glimpses = torch.randint(9, (6, 2), generator=generator)
    after = saliency.update(S_t, M_t, glimpses)
    for n in range(6):
        for cell in range(9):
            seen = cell in glimpses[n].tolist()
            expected = 0.0 if seen else max(float(S_t[n, cell] - M_t[n, cell]), 0.0)
            assert abs(float(after[n, cell]) - expected) < 1e-6


def test_no_gradient_flows_through_the_recursion_of_saliency():
    M_t = torch.rand(2, 4, requires_grad=True)
    assert not saliency.update(torch.rand(2, 4), M_t, torch.zeros(2, 1, dtype=int)).requires_grad


def test_priority_is_within_bounds_and_passes_the_mask_a_gradient():
    M_t = torch.rand(3, 49, requires_grad=True)
    P_t = saliency.priority(M_t, torch.rand(3, 49))
    assert float(P_t.detach().min()) == 0.0
    assert abs(float(P_t.detach().max()) - 1.0) < 1e-6
    P_t.square().sum().backward()
    assert M_t.grad.abs().sum() > 0
