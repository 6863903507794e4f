"""The sequential methods on the plain decoder: laws they share, and each one's own."""

import dataclasses
from itertools import product

import pytest
import torch

from hsal_bench.baselines import sequence_losses as losses
from hsal_bench.baselines.cnn_rnn import CnnRnn
from hsal_bench.baselines.decoder import Decoded
from hsal_bench.baselines.distribution_matching import DistributionMatching
from hsal_bench.baselines.log_marginal import LogMarginal
from hsal_bench.baselines.multiset_loss import MultisetLoss, Oracle
from hsal_bench.baselines.order_search import OrderSearch, alignment_cost
from hsal_bench.baselines.orders import distinct_orders
from hsal_bench.baselines.rl import Rl
from hsal_bench.method import Batch, Setup, Task, Unsupported

TASK = Task(num_classes=3, max_objects=2, input_shape=(3, 2, 2), class_objects=(5, 4, 3))
KINDS = [
    (CnnRnn, {}),
    (CnnRnn, {"order": "random", "teacher_forcing": False}),
    (CnnRnn, {"order": "spatial"}),
    (MultisetLoss, {}),
    (MultisetLoss, {"execution": "stochastic"}),
    (MultisetLoss, {"execution": "oracle"}),
    (LogMarginal, {}),
    (Rl, {}),
    (OrderSearch, {}),
    (OrderSearch, {"search": "best"}),
    (OrderSearch, {"search": "marginal"}),
    (DistributionMatching, {}),
    (DistributionMatching, {"distance": "l1"}),
]
ALL = pytest.mark.parametrize(("kind", "settings"), KINDS)


def _method(kind, task=TASK, updates=150, **settings):
    settings = {"hidden": 24, "embedding": 8, "learning_rate": 0.01, **settings}
    config = dataclasses.replace(kind.Config(), **settings)
    return kind(task, config, Setup(torch.device("cpu"), 0, updates))


def _batch(size=32, seed=0, objects=2):
    """Volumes in which each object lights its class's channel at a cell of its own."""
    generator = torch.Generator().manual_seed(seed)
    m = torch.randint(0, objects + 1, (size, 1), generator=generator)
    labels = torch.randint(3, (size, objects), generator=generator)
    labels = labels.masked_fill(torch.arange(objects) >= m, -1)
    cells = torch.rand(size, 4, generator=generator).argsort(1)[:, :objects]
    lit = torch.nn.functional.one_hot(cells, 4).float()
    classes = torch.nn.functional.one_hot(labels + 1, 4)[:, :, 1:].float()
    V = torch.einsum("bkc,bkn->bcn", classes, lit).view(size, 3, 2, 2)
    corner = torch.where(labels < 0, -1, cells)[:, :, None]
    boxes = torch.cat([corner, corner, corner + 1, corner + 1], 2)
    return Batch(V, classes.sum(1).long(), labels, boxes)


@ALL
def test_two_objects_are_learnt_repeats_among_them(kind, settings):
    slow = kind is Rl or settings.get("order") == "random" or kind is DistributionMatching
    method = _method(kind, updates=100 if slow else 60, learning_rate=0.03, **settings)
    for seed in range(method.setup.updates):
        method.update(_batch(seed=seed))
    batch = _batch(200, seed=999)
    right = (method.predict(Batch(batch.inputs)).counts == batch.counts).all(1)
    # A free-running decoder on random orders and a mean distribution repeat the likeliest label.
    assert right.float().mean() > (0.5 if slow else 0.85)


@ALL
def test_one_by_one_gives_what_a_batch_gives(kind, settings):
    method, V = _method(kind, **settings), _batch().inputs
    whole = method.predict(Batch(V))
    alone = [method.predict(Batch(V[i : i + 1])) for i in range(len(V))]
    assert torch.equal(whole.counts, torch.cat([one.counts for one in alone]))
    confidence = torch.cat([one.confidence for one in alone])
    assert torch.allclose(whole.confidence, confidence, atol=1e-5)


@ALL
def test_going_on_from_a_saved_state_is_going_on(kind, settings):
    method, other = _method(kind, **settings), _method(kind, **settings)
    method.update(_batch(seed=1))
    state = method.state_dict()
    other.load_state_dict(
        {**state, "network": {name: value.clone() for name, value in state["network"].items()}}
    )
    mine, others = (one.update(_batch(seed=2))["loss"] for one in (method, other))
    assert torch.equal(mine, others)


@ALL
def test_images_without_objects_and_with_the_most_are_no_trouble(kind, settings):
    method, batch = _method(kind, **settings), _batch(4)
    empty = torch.full((4, 2), -1)
    none = Batch(
        batch.inputs, torch.zeros(4, 3, dtype=int), empty, empty[:, :, None].expand(4, 2, 4)
    )
    assert all(torch.isfinite(scalar) for scalar in method.update(none).values())
    full = torch.zeros(4, 2, dtype=int)
    most = Batch(
        batch.inputs, torch.tensor([[2, 0, 0]] * 4), full, full[:, :, None].expand(4, 2, 4)
    )
    assert all(torch.isfinite(scalar) for scalar in method.update(most).values())


def test_decoding_ends_before_the_first_stop_and_its_confidence_is_the_probability_of_that():
    method = _method(MultisetLoss)
    p = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
    stop = torch.tensor([[0.1, 0.4, 0.9], [0.6, 0.1, 0.1], [0.2, 0.2, 0.2]])
    decoded = Decoded(
        p.log().expand(3, 3, 3), stop.logit(), torch.zeros(3, 3, 1), p.argmax(1).expand(3, 3)
    )
    method.unroll = lambda batch, choose: decoded
    prediction = method.predict(Batch(torch.zeros(3, 3, 2, 2)))
    assert prediction.counts.tolist() == [[1, 1, 0], [0, 0, 0], [1, 1, 1]]
    expected = [0.9 * 0.7 * 0.6 * 0.8 * 0.9, 0.6, 0.8**3 * 0.7 * 0.8 * 0.6]
    assert prediction.confidence.tolist() == pytest.approx(expected)


def test_a_decoder_trained_on_few_objects_decodes_more():
    state = _method(MultisetLoss).state_dict()
    larger = _method(MultisetLoss, dataclasses.replace(TASK, max_objects=5))
    larger.load_state_dict(state)
    larger.network["decoder"].stop.bias.data.fill_(-1e3)
    assert larger.predict(Batch(_batch(2).inputs)).counts.sum(1).tolist() == [6, 6]


def test_the_oracle_names_every_label_once():
    counts = torch.tensor([[2, 0, 1], [0, 3, 0], [1, 1, 1]])
    oracle = Oracle(counts, torch.Generator().manual_seed(0))
    named = torch.stack([oracle(t, torch.zeros(3, 3)) for t in range(3)], 1)
    assert torch.equal(torch.nn.functional.one_hot(named, 3).sum(1), counts)


def test_teacher_forcing_feeds_the_order_s_labels():
    method, batch = _method(CnnRnn, order="area"), _batch(4, objects=2)
    fed = method.unroll(batch, method.execution(batch)).y_hat
    assert torch.equal(fed[:, :2].clamp_min(0), method._targets(batch)[:, :2])


def test_frequency_is_refused_where_it_is_not_known():
    with pytest.raises(Unsupported, match="how frequent"):
        _method(CnnRnn, dataclasses.replace(TASK, class_objects=None))


def _sequence_log_p(method, V, order):
    """Return log p of one image's labels in an order and of the stop, step by step."""
    fed = torch.tensor([[*order, *[0] * (method.T - len(order))]])
    decoded = method.unroll(Batch(V), lambda t, scores: fed[:, t])
    log_p = decoded.scores.log_softmax(-1)[0]
    total = sum(log_p[t, label] for t, label in enumerate(order))
    going = sum(torch.log(1 - decoded.stop[0, t].sigmoid()) for t in range(len(order)))
    return total + going + torch.log(decoded.stop[0, len(order)].sigmoid())


@pytest.mark.parametrize("search", ["best", "marginal"])
@pytest.mark.parametrize("labels", [[0, 1], [2, 2], [1, -1], [-1, -1]])
def test_the_exact_searches_are_the_best_and_the_sum_over_orders(search, labels):
    method, V = _method(OrderSearch, search=search), _batch(1).inputs
    labels = torch.tensor([labels])
    counts = torch.nn.functional.one_hot(labels + 1, 4).sum(1)[:, 1:]
    orders, distinct = distinct_orders(labels)
    each = torch.stack(
        [
            _sequence_log_p(method, V, [label for label in order if label >= 0])
            for order in orders[distinct].tolist()
        ]
    )
    expected = -(each.max() if search == "best" else each.logsumexp(0))
    loss = method.loss(Batch(V, counts, labels))["loss"]
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)


def test_all_multisets_together_have_the_probability_of_stopping_in_time():
    """The marginal over orders is a distribution over multisets."""
    method, V = _method(OrderSearch, search="marginal"), _batch(1).inputs
    total = 0.0
    for m in range(3):
        for labels in {tuple(sorted(order)) for order in product(range(3), repeat=m)}:
            padded = torch.tensor([[*labels, *[-1] * (2 - m)]])
            counts = torch.nn.functional.one_hot(padded + 1, 4).sum(1)[:, 1:]
            total += (-method.loss(Batch(V, counts, padded))["loss"]).exp().item()
    going = 0.0
    for order in product(range(3), repeat=2):
        decoded = method.unroll(Batch(V), lambda t, scores, o=order: torch.tensor([[*o, 0][t]]))
        p = decoded.scores.softmax(-1)[0]
        stay = (1 - decoded.stop.sigmoid())[0].prod()
        going += (p[0, order[0]] * p[1, order[1]] * stay).item()
    assert total + going == pytest.approx(1.0, abs=1e-5)


def test_too_many_objects_to_try_every_order():
    with pytest.raises(Unsupported, match="of up to 5 objects; the task has 6"):
        _method(OrderSearch, dataclasses.replace(TASK, max_objects=6), search="best")


def test_alignment_keeps_what_was_named_and_pays_least_for_the_rest():
    p = torch.tensor([[[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.2, 0.1, 0.7]]])
    labels = torch.tensor([[0, 2, 1]])
    y_hat = torch.tensor([[2, 1, 2]])  # the second 2 is not available any more
    hit = torch.tensor([[True, True, False]])
    cost = alignment_cost(p.log(), labels, y_hat, hit)[0]
    best = min(
        (sum(cost[row, step].item() for row, step in enumerate(steps)), steps)
        for steps in product(range(3), repeat=3)
        if len(set(steps)) == 3
    )
    assert best[1] == (2, 0, 1)


def test_alignment_leaves_the_steps_after_the_last_label_to_the_padding():
    log_p = torch.randn(1, 3, 3, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    labels, y_hat = torch.tensor([[1, -1, -1]]), torch.tensor([[0, 1, 1]])
    cost = alignment_cost(log_p, labels, y_hat, torch.tensor([[False, True, True]]))[0]
    assert cost[0, 0] < cost[0, 1]
    assert torch.equal(cost[1:], torch.zeros(2, 3))


def test_reinforce_on_the_decoder_samples_each_image_as_often_as_it_is_told():
    method, seen = _method(Rl, trajectories=3), []
    unroll = method.unroll
    method.unroll = lambda *args: seen.append(unroll(*args)) or seen[-1]
    method.update(_batch(4))
    assert seen[0].y_hat.shape == (12, 3)


def test_the_stop_is_paid_for_up_to_the_step_after_the_last_label():
    stop = torch.tensor([[0.2, 0.7, 0.4], [0.3, 0.9, 0.9]])
    found = losses.bernoulli_stop(stop.logit(), torch.tensor([1, 0]))
    expected = [-torch.tensor(0.8 * 0.7).log().item(), -torch.tensor(0.3).log().item()]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)
