"""Matching guesses with labels: targets, the loss, what counts as predicted."""

import dataclasses
import itertools

import pytest
import torch
from torch import nn

from hsal_bench.baselines.shared.assignment import MOST_QUERIES
from hsal_bench.baselines.shared.set_matching import MatchingConfig, SetMatching, matched_targets
from hsal_bench.method.contract import Batch, Setup, Task, Unsupported
from hsal_bench.metrics.multiset import counts_from_labels

CLASSES, NONE = 4, 4
TASK = Task(CLASSES, 3, (2, 1, 1))
LABELS = torch.tensor([[3, 3, 1], [2, -1, -1], [0, 1, -1], [-1, -1, -1]])


class Fixed(SetMatching):
    """Guesses that do not look at the image."""

    def build_network(self):
        return nn.ParameterDict({"scores": torch.randn(self.config.queries, CLASSES + 1)})

    def scores(self, batch):
        return self.network["scores"].expand(len(batch.inputs), -1, -1)


def _method(task=TASK, **settings):
    config = dataclasses.replace(MatchingConfig(queries=5), **settings)
    return Fixed(task, config, Setup(torch.device("cpu"), 0, 100))


def _scores(batch=4, queries=5, seed=0):
    return torch.randn(batch, queries, CLASSES + 1, generator=torch.Generator().manual_seed(seed))


def _batch(labels=LABELS):
    return Batch(torch.zeros(len(labels), 2, 1, 1), counts_from_labels(labels, CLASSES), labels)


def test_targets_hold_every_label_once_and_no_object_elsewhere():
    targets = matched_targets(_scores(), LABELS)
    for row, labels in zip(targets.tolist(), LABELS.tolist(), strict=True):
        wanted = [label for label in labels if label >= 0]
        assert sorted(row) == sorted(wanted + [NONE] * (5 - len(wanted)))


def test_the_targets_total_probability_is_the_largest():
    scores = _scores()
    p = scores.softmax(2)
    targets = matched_targets(scores, LABELS)
    for n, labels in enumerate(LABELS.tolist()):
        wanted = [label for label in labels if label >= 0]
        best = max(
            sum(p[n, q, label].item() for q, label in zip(queries, wanted, strict=True))
            for queries in itertools.permutations(range(5), len(wanted))
        )
        found = p[n].gather(1, targets[n][:, None])[targets[n] != NONE].sum().item()
        assert found == pytest.approx(best)


def test_the_order_of_labels_changes_nothing():
    method = _method()
    shuffled = torch.tensor([[1, 3, 3], [2, -1, -1], [1, 0, -1], [-1, -1, -1]])
    one, other = (method.loss(_batch(labels))["loss"] for labels in (LABELS, shuffled))
    assert one.item() == other.item()


def test_the_loss_of_guesses_that_are_right_by_hand():
    method = _method(queries=3, no_object_weight=0.5)
    log_p = torch.log(torch.tensor([0.7, 0.1, 0.1, 0.05, 0.05]))
    with torch.no_grad():
        # Guess q says class q with probability .7; the last says "no object" with .7.
        method.network["scores"].copy_(torch.stack([log_p, log_p.roll(1), log_p.flip(0)]))
    batch = _batch(torch.tensor([[1, 0, -1]]))
    expected = -(2 * log_p[0] + 0.5 * log_p[0])
    assert torch.allclose(method.loss(batch)["loss"], expected)


def test_equal_labels_are_counted_and_no_object_is_not():
    method = _method()
    choices = torch.tensor([3, NONE, 3, 0, NONE])
    with torch.no_grad():
        method.network["scores"].copy_(nn.functional.one_hot(choices, CLASSES + 1) * 2.0)
    prediction = method.predict(Batch(torch.zeros(2, 2, 1, 1)))
    assert prediction.counts.tolist() == [[1, 0, 0, 2]] * 2
    p = (2 * torch.eye(5)).softmax(1)[0, 0]
    assert torch.allclose(prediction.confidence, p**5)


def test_a_repeated_label_is_learnt():
    method = _method(learning_rate=0.1)
    batch = _batch(torch.tensor([[3, 3, 1]] * 4))
    for _ in range(60):
        method.update(batch)
    assert method.predict(Batch(batch.inputs)).counts.tolist() == batch.counts.tolist()


def test_more_objects_than_queries_are_unsupported():
    with pytest.raises(Unsupported, match="5 queries for 6 objects: increase --set queries"):
        _method(Task(CLASSES, 6, (2, 1, 1)))


def test_an_assignment_on_the_host_is_not_captured():
    assert _method().capturable
    assert not _method(queries=MOST_QUERIES + 1).capturable
    assert Fixed.capturable
