"""`GradientMethod`: own optimisers and schedules, and resuming with them."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR

from hsal_bench.method.contract import Batch, Prediction, Setup, Task
from hsal_bench.method.gradient import GradientConfig, GradientMethod, cosine

TASK = Task(3, 2, (4, 2, 2))


class Plain(GradientMethod):
    def build_network(self):
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Linear(8, 3))

    def loss(self, batch):
        counts, _ = batch.truth()
        return {"loss": (self.network(batch.inputs) - counts).square().mean()}

    def predict(self, batch, *, trace=False):
        return Prediction(self.network(batch.inputs).round().clamp(0).long())


class TwoRates(Plain):
    def build_optimizer(self):
        first, second = self.network[1], self.network[2]
        groups = [{"params": first.parameters(), "lr": 0.1}, {"params": second.parameters()}]
        return torch.optim.SGD(groups, lr=0.01, momentum=0.9)


class Stepped(TwoRates):
    def build_scheduler(self):
        return StepLR(self.optimizer, step_size=3, gamma=0.5)


def built(cls, updates=10):
    return cls(TASK, GradientConfig(), Setup(torch.device("cpu"), 0, updates))


def batch(update):
    generator = torch.Generator().manual_seed(update)
    inputs = torch.rand(5, 4, 2, 2, generator=generator)
    counts = torch.randint(0, 2, (5, 3), generator=generator)
    return Batch(inputs, counts, torch.zeros(5, 2, dtype=torch.long))


def rates(method):
    return [group["lr"] for group in method.optimizer.param_groups]


def test_each_group_keeps_its_share_of_the_cosine():
    method = built(TwoRates)
    for update in range(5):
        method.update(batch(update))
        assert rates(method) == [0.1 * cosine(update / 10), 0.01 * cosine(update / 10)]


def test_a_schedule_replaces_the_cosine():
    method = built(Stepped)
    seen = []
    for update in range(7):
        seen.append(rates(method)[0])
        method.update(batch(update))
    assert seen == [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025]


def test_a_run_with_its_own_optimiser_resumes_bit_for_bit():
    whole = built(Stepped)
    for update in range(8):
        whole.update(batch(update))
    stopped = built(Stepped)
    for update in range(4):
        stopped.update(batch(update))
    resumed = built(Stepped)
    resumed.load_state_dict(stopped.state_dict())
    for update in range(4, 8):
        resumed.update(batch(update))
    states = whole.state_dict()["network"], resumed.state_dict()["network"]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert whole.state_dict()["scheduler"] == resumed.state_dict()["scheduler"]
