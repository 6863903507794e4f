"""Counting per class: what is optimal, what is learnt, what comes out."""

import dataclasses

import pytest
import torch

from hsal_bench.baselines.counting import CountClassifier, CountRegression
from hsal_bench.method.contract import Batch, Setup, Task

TASK = Task(num_classes=3, max_objects=4, input_shape=(3, 2, 2))
BOTH = pytest.mark.parametrize("kind", [CountClassifier, CountRegression])


def _method(kind, updates=150, **settings):
    config = dataclasses.replace(kind.Config(), **settings)
    return kind(TASK, config, Setup(torch.device("cpu"), 0, updates))


def _batch(size=64, seed=0):
    """Volumes whose mean over the cells is each class's count."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(-1, 3, (size, 4), generator=generator)
    counts = torch.nn.functional.one_hot(labels + 1, 4).sum(1)[:, 1:]
    V = counts[:, :, None, None].float() + torch.randn(size, 3, 2, 2, generator=generator) * 0.1
    return Batch(V, counts, labels)


@BOTH
def test_counts_that_can_be_read_off_the_volume_are_learnt(kind):
    method = _method(kind, updates=120, learning_rate=0.1, hidden=16)
    for seed in range(120):
        method.update(_batch(seed=seed))
    batch = _batch(seed=999)
    right = (method.predict(Batch(batch.inputs)).counts == batch.counts).all(1).float().mean()
    assert right > 0.9


@BOTH
def test_one_by_one_gives_what_a_batch_gives(kind):
    method, V = _method(kind), _batch().inputs
    whole = method.predict(Batch(V)).counts
    alone = torch.cat([method.predict(Batch(V[i : i + 1])).counts for i in range(len(V))])
    assert torch.equal(whole, alone)


def test_the_classifier_s_loss_is_the_sum_over_classes():
    method, batch = _method(CountClassifier), _batch(2)
    p = method.scores(batch).softmax(-1)
    expected = -torch.log(p.gather(2, batch.counts[:, :, None])).sum((1, 2)).mean()
    assert torch.allclose(method.loss(batch)["loss"], expected)


def test_the_regression_s_loss_is_least_at_the_true_rate():
    method, batch = _method(CountRegression), _batch(1)
    batch = Batch(batch.inputs, torch.tensor([[2, 1, 3]]), batch.labels)
    losses = {}
    for factor in (0.8, 1.0, 1.25):
        rates = torch.tensor([[2.0, 1.0, 3.0]]) * factor
        method.scores = lambda batch, rates=rates: rates.log()[:, :, None]
        losses[factor] = method.loss(batch)["loss"].item()
    assert min(losses, key=losses.get) == 1.0


def test_confidence_is_the_joint_probability():
    method, batch = _method(CountClassifier), _batch(5)
    prediction = method.predict(Batch(batch.inputs))
    p = method.scores(batch).softmax(-1).max(-1).values.prod(1)
    assert torch.allclose(prediction.confidence, p)


def test_a_rate_above_the_most_objects_is_cut():
    method = _method(CountRegression)
    V = torch.full((1, 3, 2, 2), 1e4)
    with torch.no_grad():
        method.network[-1].weight.fill_(1.0)
    assert method.predict(Batch(V)).counts.tolist() == [[4, 4, 4]]
