"""What holds of every method on the plain decoder."""

import dataclasses

import pytest
import torch

from hsal_bench.baselines.cnn_rnn import CnnRnn
from hsal_bench.baselines.distribution_matching import DistributionMatching
from hsal_bench.baselines.log_marginal import LogMarginal
from hsal_bench.baselines.multiset_loss import MultisetLoss
from hsal_bench.baselines.order_search import OrderSearch
from hsal_bench.baselines.rl import Rl
from hsal_bench.baselines.shared.decoder import Decoded
from hsal_bench.method.contract import Batch

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


@ALL
def test_two_objects_are_learnt_repeats_among_them(kind, settings, sequential, toy_batch):
    method = sequential(kind, updates=30, learning_rate=0.03, **settings)
    for seed in range(method.setup.updates):
        method.update(toy_batch(seed=seed))
    batch = toy_batch(200, seed=999)
    right = (method.predict(Batch(batch.inputs)).counts == batch.counts).all(1)
    # The labels' shares at every step, or as the mean of the steps, do not keep from repeating one.
    shares = settings.get("order") == "random" or kind is DistributionMatching
    assert right.float().mean() > (0.5 if shares else 0.85)


@ALL
def test_one_by_one_gives_what_a_batch_gives(kind, settings, sequential, toy_batch):
    method, V = sequential(kind, **settings), toy_batch(8).inputs
    whole = method.predict(Batch(V))
    alone = [method.predict(Batch(V[i : i + 1])) for i in range(len(V))]
    assert torch.equal(whole.counts, torch.cat([one.counts for one in alone]))
    confidence = torch.cat([one.confidence for one in alone])
    assert torch.allclose(whole.confidence, confidence, atol=1e-5)


@ALL
def test_going_on_from_a_saved_state_is_going_on(kind, settings, sequential, toy_batch):
    method, other = sequential(kind, **settings), sequential(kind, **settings)
    method.update(toy_batch(seed=1))
    state = method.state_dict()
    other.load_state_dict(
        {**state, "network": {name: value.clone() for name, value in state["network"].items()}}
    )
    mine, others = (one.update(toy_batch(seed=2))["loss"] for one in (method, other))
    assert torch.equal(mine, others)


@ALL
def test_images_without_objects_and_with_the_most_are_no_trouble(
    kind, settings, sequential, toy_batch
):
    method, batch = sequential(kind, **settings), toy_batch(4)
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


def test_decoding_ends_before_the_first_stop_and_its_confidence_is_the_probability_of_that(
    sequential,
):
    method = sequential(MultisetLoss)
    p = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
    stop = torch.tensor([[0.1, 0.4, 0.9], [0.6, 0.1, 0.1], [0.2, 0.2, 0.2]])
    decoded = Decoded(
        p.log().expand(3, 3, 3), stop.logit(), torch.zeros(3, 3, 1), p.argmax(1).expand(3, 3)
    )
    method.unroll = lambda batch, choose: decoded
    prediction = method.predict(Batch(torch.zeros(3, 3, 2, 3)))
    assert prediction.counts.tolist() == [[1, 1, 0], [0, 0, 0], [1, 1, 1]]
    expected = [0.9 * 0.7 * 0.6 * 0.8 * 0.9, 0.6, 0.8**3 * 0.7 * 0.8 * 0.6]
    assert prediction.confidence.tolist() == pytest.approx(expected)


@ALL
def test_a_decoder_trained_on_few_objects_decodes_more(kind, settings, sequential, task, toy_batch):
    state = sequential(kind, **settings).state_dict()
    larger = sequential(kind, dataclasses.replace(task, max_objects=6), **settings)
    larger.load_state_dict(state)
    # Where the stop never comes, a label is named at all K_max + 1 steps.
    larger.network["decoder"].stop.bias.data.fill_(-1e3)
    assert larger.predict(Batch(toy_batch(2).inputs)).counts.sum(1).tolist() == [7, 7]
