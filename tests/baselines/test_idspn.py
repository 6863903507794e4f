"""idspn: the inner descent, the implicit gradient, and what makes equal elements differ."""

import pytest
import torch

from hsal_bench.baselines.idspn import (
    Idspn,
    IdspnConfig,
    SetEncoder,
    descend,
    with_implicit_gradient,
)
from hsal_bench.method import Batch, Setup, Task
from hsal_bench.multiset import counts_from_labels

TASK = Task(num_classes=3, max_objects=2, input_shape=(3, 2, 3))
STEPS = {"steps": 40, "rate": 0.1, "momentum": 0.9, "clip": 10.0}


def _quadratic(target):
    return lambda Y: 0.5 * (Y - target).square().sum()


def _random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _method():
    config = IdspnConfig(queries=3, hidden=16, latent=12, inner_steps=10, learning_rate=5e-3)
    return Idspn(TASK, config, Setup(torch.device("cpu"), 0, 100))


def test_descent_ends_at_the_minimum_of_a_quadratic():
    target = _random(2, 3, 4)
    Y = descend(_quadratic(target), torch.zeros(2, 3, 4), **(STEPS | {"steps": 300}))
    assert torch.allclose(Y, target, atol=1e-4)


def test_a_step_of_descent_by_hand():
    """Nesterov: the first velocity is the gradient g, the step rate * (g + momentum * g)."""
    Y = descend(_quadratic(torch.tensor([[[1.0]]])), torch.zeros(1, 1, 1), **(STEPS | {"steps": 1}))
    assert Y.item() == pytest.approx(0.19)


def test_the_gradient_of_one_image_is_clipped_by_itself():
    target = torch.tensor([[[100.0]], [[1.0]]])
    settings = STEPS | {"steps": 1, "momentum": 0.0, "clip": 2.0}
    Y = descend(_quadratic(target), torch.zeros(2, 1, 1), **settings)
    assert torch.allclose(Y, torch.tensor([[[0.2]], [[0.1]]]), atol=1e-5)


def test_the_objective_of_an_encoding_that_can_be_reached_falls():
    torch.manual_seed(0)
    encoder = SetEncoder(3, 4, 16, 12)
    with torch.no_grad():
        z, start = encoder(_random(4, 3, 4, seed=1)), _random(4, 3, 4, seed=2)
        end = descend(lambda Y: 0.5 * (encoder(Y) - z).square().sum(), start, **STEPS)
        assert (encoder(end) - z).square().sum() < 0.3 * (encoder(start) - z).square().sum()


def test_the_implicit_gradient_of_a_quadratic_is_exact():
    """Its Hessian is the identity, as assumed: the minimum moves as the target does."""
    target = _random(2, 3, 4).requires_grad_()
    Y = with_implicit_gradient(_quadratic(target), target.detach())
    weight = _random(2, 3, 4, seed=1)
    (gradient,) = torch.autograd.grad((Y * weight).sum(), target)
    assert torch.equal(Y, target)
    assert torch.allclose(gradient, weight)


def test_without_gradients_the_descent_goes_on_and_nothing_is_kept():
    target = _random(1, 2, 3)
    with torch.no_grad():
        Y = descend(_quadratic(target), torch.zeros(1, 2, 3), **STEPS)
        assert (Y - target).norm() < 0.5 * target.norm()
        assert with_implicit_gradient(_quadratic(target), Y) is Y
    assert not Y.requires_grad


def test_the_encoding_does_not_depend_on_the_order_of_elements():
    torch.manual_seed(0)
    encoder, Y = SetEncoder(4, 3, 8, 6), _random(2, 4, 3)
    assert torch.allclose(encoder(Y), encoder(Y[:, [2, 0, 3, 1]]), atol=1e-6)


def test_equal_elements_come_apart():
    """A sum over elements gives equal ones equal gradients; their sorted positions do not."""
    torch.manual_seed(0)
    encoder, z = SetEncoder(3, 4, 8, 6), _random(1, 6)
    Y = descend(
        lambda Y: 0.5 * (encoder(Y) - z).square().sum(),
        torch.ones(1, 3, 4),
        **(STEPS | {"steps": 3}),
    )
    assert not torch.allclose(Y[:, 0], Y[:, 1])


def test_predictions_are_the_same_whether_or_not_gradients_are_on():
    method, batch = _method(), Batch(_random(4, *TASK.input_shape).relu())
    on = method.predict(batch).confidence
    with torch.no_grad():
        assert torch.equal(method.predict(batch).confidence, on)


def test_a_repeated_label_is_learnt():
    method, labels = _method(), torch.tensor([[2, 2]]).expand(4, 2)
    V = _random(4, *TASK.input_shape).relu()
    batch = Batch(V, counts_from_labels(labels, 3), labels)
    for _ in range(60):
        method.update(batch)
    assert torch.equal(method.predict(Batch(V)).counts, batch.counts)
