"""slot-attention: the competition for cells, and where slots start."""

import copy

import pytest
import torch

from hsal_bench.baselines.slot_attention import SlotAttention, SlotAttentionConfig
from hsal_bench.method.contract import Batch, Setup, Task
from hsal_bench.metrics.multiset import counts_from_labels

TASK = Task(num_classes=3, max_objects=2, input_shape=(3, 2, 3))
STARTS = pytest.mark.parametrize("sampled", [False, True])


def _method(sampled=False, updates=100):
    config = SlotAttentionConfig(queries=4, hidden=16, learning_rate=5e-3, sampled_slots=sampled)
    return SlotAttention(TASK, config, Setup(torch.device("cpu"), 0, updates))


def _batch(size=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    V = torch.rand(size, *TASK.input_shape, generator=generator)
    labels = torch.randint(3, (size, 2), generator=generator)
    return Batch(V, counts_from_labels(labels, 3), labels)


@STARTS
def test_a_cell_s_shares_sum_to_one_over_the_slots(sampled):
    _, shares = _method(sampled).network(_batch().inputs, None)
    assert shares.shape == (4, 4, 6)
    assert torch.allclose(shares.sum(1), torch.ones(4, 6))


def _norm(layer, x):
    """LayerNorm of the last axis, by its formula."""
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * layer.weight + (
        layer.bias
    )


def _algorithm_1(network, V, gru):
    """Slots of one volume after three rounds, as Algorithm 1 of arXiv 2006.15055 has them."""
    inputs = network.cells[0](V[None])[0]
    inputs = _norm(network.cells[4], network.cells[3](network.cells[1](inputs).relu()))
    k, v = inputs @ network.key.weight.T, inputs @ network.value.weight.T
    slots = network.start.slots
    for _ in range(3):
        before = slots
        q = _norm(network.query[0], slots) @ network.query[1].weight.T
        attention = (k @ q.T / k.shape[1] ** 0.5).exp()
        attention = attention / attention.sum(1, keepdim=True) + 1e-8
        updates = (attention / attention.sum(0)).T @ v
        slots = torch.stack([gru(network.gru, *pair) for pair in zip(updates, before, strict=True)])
        slots = slots + network.mlp[3](network.mlp[1](_norm(network.mlp[0], slots)).relu())
    return slots


def test_the_rounds_are_algorithm_1(gru):
    network, V = _method().network, _batch().inputs
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.LayerNorm):
                # As made they scale by 1 and shift by 0, which hides where they stand.
                module.weight.copy_(torch.linspace(0.5, 1.5, len(module.weight)))
                module.bias.copy_(torch.linspace(-0.4, 0.6, len(module.bias)))
        expected = torch.stack([network.classify(_algorithm_1(network, v, gru)) for v in V])
        found, _ = network(V, None)
    assert torch.allclose(found, expected, atol=1e-5)


@STARTS
def test_reordered_starts_reorder_the_slots(sampled):
    method, V, order = _method(sampled), _batch().inputs, torch.tensor([3, 1, 0, 2])
    before, _ = method.network(V, None)
    start = method.network.start.noise if sampled else method.network.start.slots
    with torch.no_grad():
        start.copy_(start[order])
    assert torch.allclose(method.network(V, None)[0], before[:, order], atol=1e-5)


def test_more_iterations_change_the_slots():
    method, V = _method(), _batch().inputs
    three, _ = method.network(V, None)
    method.network.iterations = 4
    assert not torch.allclose(method.network(V, None)[0], three)


def test_sampled_slots_are_drawn_anew_in_training_and_fixed_in_use():
    method, batch = _method(sampled=True), _batch()
    before = method.predict(Batch(batch.inputs)).confidence
    method.network.train()
    assert not torch.equal(method.scores(batch), method.scores(batch))
    assert torch.equal(method.predict(Batch(batch.inputs)).confidence, before)


def test_sampled_slots_go_on_from_a_state_bit_for_bit():
    whole, resumed = _method(sampled=True), _method(sampled=True)
    whole.update(_batch(seed=0))
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    for seed in (1, 2):
        losses = [one.update(_batch(seed=seed))["loss"] for one in (whole, resumed)]
        assert torch.equal(*losses)


def test_sampled_slots_learn_too():
    method, batch = _method(sampled=True, updates=80), _batch(8)
    losses = [method.update(batch)["loss"].item() for _ in range(80)]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
