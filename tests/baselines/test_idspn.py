"""idspn: the inner descent, the implicit gradient, and what makes equal elements differ."""

from functools import partial

import pytest
import torch

from hsal_bench.baselines.idspn import (
    Idspn,
    IdspnConfig,
    IdspnNetwork,
    SetEncoder,
    descend,
    with_implicit_gradient,
)
from hsal_bench.method.contract import Batch, Setup, Task
from hsal_bench.metrics.multiset import counts_from_labels

TASK = Task(num_classes=3, max_objects=2, input_shape=(3, 2, 3))
STEPS = {"steps": 40, "rate": 0.1, "momentum": 0.9, "clip": 10.0}


def _quadratic(target):
    return lambda Y: 0.5 * (Y - target).square().sum()


def _random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _method():
    config = IdspnConfig(queries=3, hidden=16, latent=12, inner_steps=10, learning_rate=5e-3)
    return Idspn(TASK, config, Setup(torch.device("cpu"), 0, 100))


@pytest.fixture
def small():
    """Return a set encoder of two elements, the objective of a latent, and where descent begins."""
    encoder = SetEncoder(2, 2, 2, 2).double()
    weights = {
        "weight": [[1.0, 0.5], [-0.5, 1.0]],
        "mlp.0.weight": [[1.0, 0.5], [-0.5, 1.0]],
        "mlp.0.bias": [0.1, 0.2],
        "mlp.2.weight": [[1.0, 0.0], [0.3, -1.0]],
        "mlp.2.bias": [0.0, 0.0],
    }
    double = partial(torch.tensor, dtype=torch.float64)
    encoder.load_state_dict({name: double(value) for name, value in weights.items()})
    z, Y_0 = double([[1.0, -1.0]]), double([[[0.2, -0.1], [0.0, 0.3]]])
    return encoder, lambda Y: 0.5 * (encoder(Y) - z).square().sum(), Y_0


def test_descent_ends_at_the_minimum_of_a_quadratic():
    target = _random(2, 3, 4)
    Y, _ = descend(_quadratic(target), torch.zeros(2, 3, 4), **(STEPS | {"steps": 300}))
    assert torch.allclose(Y, target, atol=1e-4)


def test_a_step_of_descent_by_hand():
    """Nesterov: the first velocity is the gradient g, the step rate * (g + momentum * g)."""
    one_step = STEPS | {"steps": 1}
    Y, before = descend(_quadratic(torch.tensor([[[1.0]]])), torch.zeros(1, 1, 1), **one_step)
    assert Y.item() == pytest.approx(0.19)
    assert before.item() == 0.0


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (1, [0.317088, -0.041456, -0.148675, 0.328084]),
        (2, [0.216541, -0.091729, -0.069783, 0.510351]),
        (5, [0.336987, -0.031507, -0.249766, 0.989932]),
    ],
)
def test_the_descent_goes_where_the_published_solver_goes(small, steps, expected):
    _, objective, Y_0 = small
    Y, _ = descend(objective, Y_0, **(STEPS | {"steps": steps}))
    assert Y.flatten().tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        # That of the published solver: before its last step.
        ("previous", [4.95259375, 0.891783125, 0.5801875, -0.512891953]),
        ("final", [1.879376897, 0.817353130, 4.502792284, -0.458954696]),
    ],
)
def test_the_place_of_the_implicit_gradient(small, place, expected):
    """The encoder's gradient tells the places apart; that of z hardly does."""
    encoder, objective, Y_0 = small
    final, previous = descend(objective, Y_0, **(STEPS | {"steps": 2}))
    Y = with_implicit_gradient(objective, final, final if place == "final" else previous)
    (Y * torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])).sum().backward()
    assert torch.allclose(Y, final)
    assert encoder.weight.grad.flatten().tolist() == pytest.approx(expected, abs=1e-8)


def test_the_field_chooses_the_place():
    """The set before the last of n steps is the last of n - 1."""

    def gradient(place, steps):
        torch.manual_seed(0)
        config = IdspnConfig(hidden=8, latent=6, inner_steps=steps, gradient_at=place)
        network = IdspnNetwork(TASK.input_shape, 3, config)
        Y = network(_random(4, *TASK.input_shape).relu())
        (Y * _random(*Y.shape, seed=1)).sum().backward()
        return network.set_encoder.weight.grad

    assert torch.equal(gradient("previous", 5), gradient("final", 4))
    assert not torch.allclose(gradient("previous", 5), gradient("final", 5), rtol=0.01)


def test_the_gradient_of_one_image_is_clipped_by_itself():
    target = torch.tensor([[[100.0]], [[1.0]]])
    settings = STEPS | {"steps": 1, "momentum": 0.0, "clip": 2.0}
    Y, _ = descend(_quadratic(target), torch.zeros(2, 1, 1), **settings)
    assert torch.allclose(Y, torch.tensor([[[0.2]], [[0.1]]]), atol=1e-5)


def test_the_objective_of_an_encoding_that_can_be_reached_falls():
    torch.manual_seed(0)
    encoder = SetEncoder(3, 4, 16, 12)
    with torch.no_grad():
        z, start = encoder(_random(4, 3, 4, seed=1)), _random(4, 3, 4, seed=2)
        end, _ = descend(lambda Y: 0.5 * (encoder(Y) - z).square().sum(), start, **STEPS)
        assert (encoder(end) - z).square().sum() < 0.3 * (encoder(start) - z).square().sum()


def test_the_implicit_gradient_of_a_quadratic_is_exact():
    """Its Hessian is the identity, as assumed: the minimum moves as the target does."""
    target = _random(2, 3, 4).requires_grad_()
    Y = with_implicit_gradient(_quadratic(target), target.detach(), target.detach())
    weight = _random(2, 3, 4, seed=1)
    (gradient,) = torch.autograd.grad((Y * weight).sum(), target)
    assert torch.equal(Y, target)
    assert torch.allclose(gradient, weight)


def test_without_gradients_the_descent_goes_on_and_nothing_is_kept():
    target = _random(1, 2, 3)
    with torch.no_grad():
        Y, before = descend(_quadratic(target), torch.zeros(1, 2, 3), **STEPS)
        assert (Y - target).norm() < 0.5 * target.norm()
        assert with_implicit_gradient(_quadratic(target), Y, before) is Y
    assert not Y.requires_grad


def test_the_encoding_does_not_depend_on_the_order_of_elements():
    torch.manual_seed(0)
    encoder, Y = SetEncoder(4, 3, 8, 6), _random(2, 4, 3)
    assert torch.allclose(encoder(Y), encoder(Y[:, [2, 0, 3, 1]]), atol=1e-6)


def test_equal_elements_come_apart():
    """A sum over elements gives equal ones equal gradients; their sorted positions do not."""
    torch.manual_seed(0)
    encoder, z = SetEncoder(3, 4, 8, 6), _random(1, 6)
    Y, _ = descend(
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
