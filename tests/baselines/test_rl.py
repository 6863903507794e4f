"""rl: its samples, its losses by hand, and which parameters they reach."""

import math

import pytest
import torch

from hsal_bench.baselines.rl import Rl
from hsal_bench.method.contract import Batch

P = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]
VALUE = 0.25


def _entropy(p):
    return -sum(one * math.log(one) for one in p)


@pytest.mark.parametrize(("to_go", "targets"), [(False, (1.0, -1.0)), (True, (0.0, -1.0))])
def test_the_loss_by_hand(to_go, targets, sequential, decoding):
    """0 is named twice and there is one; the third step does not count."""
    method = sequential(Rl, return_to_go=to_go, entropy=0.1, trajectories=1, scale_advantages=False)
    torch.nn.init.zeros_(method.network["value"].weight)
    torch.nn.init.constant_(method.network["value"].bias, VALUE)
    method.unroll = decoding(P, [0.1, 0.4, 0.9], [[0, 0, 1]])
    batch = Batch(torch.zeros(1, 3, 2, 3), torch.tensor([[1, 1, 0]]), torch.tensor([[1, 0]]))
    scalars = {name: scalar.item() for name, scalar in method.loss(batch).items()}
    chosen = (math.log(0.7), math.log(0.1))
    expected = {
        "class_loss": -sum(
            log_p * (target - VALUE) for log_p, target in zip(chosen, targets, strict=True)
        ),
        "class_reward": 0.0,
        "class_entropy": _entropy(P[0]) + _entropy(P[1]),
        "class_value_loss": sum((VALUE - target) ** 2 for target in targets),
        "stop_loss": -math.log(0.9 * 0.6 * 0.9),
    }
    expected["loss"] = (
        expected["class_loss"]
        + expected["stop_loss"]
        - 0.1 * expected["class_entropy"]
        + 0.5 * expected["class_value_loss"]
    )
    assert scalars == pytest.approx(expected)


@pytest.mark.parametrize(
    ("part", "reached"), [("class_loss", ("decoder",)), ("class_value_loss", ("value",))]
)
def test_the_policy_shapes_the_decoder_and_the_value_baseline_itself_alone(
    part, reached, sequential, toy_batch
):
    method = sequential(Rl)
    method.loss(toy_batch())[part].backward()
    found = {
        name.split(".")[0]
        for name, parameter in method.network.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().sum() > 0
    }
    assert found == set(reached)


def test_samples_of_the_policy_are_fed_back_as_often_as_configured(sequential, toy_batch):
    method, seen = sequential(Rl, trajectories=3), []
    unroll = method.unroll
    method.unroll = lambda *args: seen.append((args, unroll(*args))) or seen[-1][1]
    method.update(toy_batch(4))
    ((_, choose, n, _), decoded) = seen[0]
    assert n == 3
    assert decoded.y_hat.shape == (12, 3)
    p = torch.tensor([0.2, 0.5, 0.3])
    share = torch.bincount(choose(0, p.log().expand(5_000, 3)), minlength=3) / 5_000
    assert torch.allclose(share, p, atol=0.03)
