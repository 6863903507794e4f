"""order-search: the alignment, the exact searches, and how many objects they take."""

import dataclasses
import math
from itertools import product

import pytest
import torch

from hsal_bench.baselines.order_search import MOST_EXACT, OrderSearch, alignment_cost
from hsal_bench.baselines.shared.assignment import MOST_QUERIES
from hsal_bench.baselines.shared.orders import distinct_orders
from hsal_bench.method.contract import Batch, Unsupported
from hsal_bench.metrics.multiset import counts_from_labels

EXACT = pytest.mark.parametrize("search", ["best", "marginal"])


def _sequence_log_p(method, V, order):
    """Return log p of one image's labels in an order and of the stop, step by step."""
    fed = torch.tensor([[*order, *[0] * (method.T - len(order))]])
    decoded = method.unroll(Batch(V), lambda t, scores: fed[:, t])
    log_p = decoded.scores.log_softmax(-1)[0]
    total = sum(log_p[t, label] for t, label in enumerate(order))
    going = sum(torch.log(1 - decoded.stop[0, t].sigmoid()) for t in range(len(order)))
    return total + going + torch.log(decoded.stop[0, len(order)].sigmoid())


@EXACT
@pytest.mark.parametrize("labels", [[0, 1], [2, 2], [1, -1], [-1, -1]])
def test_the_exact_searches_are_the_best_and_the_sum_over_orders(
    search, labels, sequential, toy_batch
):
    method, V = sequential(OrderSearch, search=search), toy_batch(1).inputs
    labels = torch.tensor([labels])
    orders, distinct = distinct_orders(labels)
    each = torch.stack(
        [
            _sequence_log_p(method, V, [label for label in order if label >= 0])
            for order in orders[distinct].tolist()
        ]
    )
    expected = -(each.max() if search == "best" else each.logsumexp(0))
    loss = method.loss(Batch(V, counts_from_labels(labels, 3), labels))["loss"]
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)


def test_all_multisets_together_have_the_probability_of_stopping_in_time(sequential, toy_batch):
    """The marginal over orders is a distribution over multisets."""
    method, V = sequential(OrderSearch, search="marginal"), toy_batch(1).inputs
    total = 0.0
    for m in range(3):
        for labels in {tuple(sorted(order)) for order in product(range(3), repeat=m)}:
            padded = torch.tensor([[*labels, *[-1] * (2 - m)]])
            counts = counts_from_labels(padded, 3)
            total += (-method.loss(Batch(V, counts, padded))["loss"]).exp().item()
    going = 0.0
    for order in product(range(3), repeat=2):
        decoded = method.unroll(Batch(V), lambda t, scores, o=order: torch.tensor([[*o, 0][t]]))
        p = decoded.scores.softmax(-1)[0]
        stay = (1 - decoded.stop.sigmoid())[0].prod()
        going += (p[0, order[0]] * p[1, order[1]] * stay).item()
    assert total + going == pytest.approx(1.0, abs=1e-5)


@EXACT
def test_more_objects_than_orders_can_be_tried_of_are_decoded_and_not_trained_on(
    search, sequential, task, toy_batch
):
    most = dataclasses.replace(task, max_objects=MOST_EXACT)
    sequential(OrderSearch, most, search=search).update(toy_batch(2, objects=MOST_EXACT))
    more = dataclasses.replace(task, max_objects=MOST_EXACT + 1)
    method, batch = sequential(OrderSearch, more, search=search), toy_batch(2, objects=6)
    assert method.predict(Batch(batch.inputs)).counts.shape == (2, 3)
    message = f"search={search} tries every order of up to 5 objects; the task has 6: use --set"
    with pytest.raises(Unsupported, match=message):
        method.update(batch)
    sequential(OrderSearch, more, search="aligned").update(batch)


def test_an_assignment_on_the_host_is_not_captured(sequential, task):
    most = dataclasses.replace(task, max_objects=MOST_QUERIES)
    more = dataclasses.replace(task, max_objects=MOST_QUERIES + 1)
    assert sequential(OrderSearch, most).capturable
    assert not sequential(OrderSearch, more).capturable
    assert OrderSearch.capturable


def test_the_aligned_loss_by_hand(sequential, decoding):
    """2 is named at both steps and there is one: the first keeps it, though the second is surer."""
    method = sequential(OrderSearch)
    p = [[0.1, 0.4, 0.5], [0.05, 0.05, 0.9], [0.2, 0.2, 0.6]]
    method.unroll = decoding(p, [0.1, 0.4, 0.9], [[2, 2, 0]])
    batch = Batch(torch.zeros(1, 3, 2, 3), torch.tensor([[0, 1, 1]]), torch.tensor([[1, 2]]))
    scalars = {name: scalar.item() for name, scalar in method.loss(batch).items()}
    class_loss, stop_loss = -math.log(0.5 * 0.05), -math.log(0.9 * 0.6 * 0.9)
    assert scalars == pytest.approx(
        {"class_loss": class_loss, "stop_loss": stop_loss, "loss": class_loss + stop_loss}
    )


def test_aligned_feeds_back_the_best_label(sequential, toy_batch):
    method, chosen = sequential(OrderSearch), []
    unroll = method.unroll

    def spy(batch, choose, *rest):
        chosen.append(choose(0, torch.tensor([0.2, 0.5, 0.3]).log().expand(1_000, 3)))
        return unroll(batch, choose, *rest)

    method.unroll = spy
    method.loss(toy_batch(2))
    assert (chosen[0] == 1).all()


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
