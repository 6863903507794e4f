"""What holds of every method that predicts a set at once."""

import dataclasses

import pytest
import torch

from hsal_bench.baselines.idspn import Idspn
from hsal_bench.baselines.query_transformer import QueryTransformer
from hsal_bench.baselines.slot_attention import SlotAttention
from hsal_bench.method.contract import Batch, Setup, Unsupported

SMALL = {
    QueryTransformer: {"hidden": 16, "heads": 2},
    SlotAttention: {"hidden": 16},
    Idspn: {"hidden": 16, "latent": 16, "inner_steps": 5},
}
EVERY = pytest.mark.parametrize("kind", SMALL)
ATTENDING = pytest.mark.parametrize("kind", [QueryTransformer, SlotAttention])


@pytest.fixture
def made(task):
    """Return a function that makes a small method of a kind."""

    def make(kind, task=task, updates=100, **settings):
        config = kind.Config(**{"queries": 3, **SMALL[kind], **settings})
        return kind(task, config, Setup(torch.device("cpu"), 0, updates))

    return make


@pytest.mark.parametrize(("kind", "updates"), [(QueryTransformer, 60), (SlotAttention, 200)])
def test_multisets_are_learnt_repeats_among_them(kind, updates, made, toy_batch):
    method = made(kind, updates=updates, learning_rate=5e-3)
    for seed in range(updates):
        scalars = method.update(toy_batch(seed=seed, fewest=1))
    assert torch.isfinite(scalars["loss"])
    batch = toy_batch(256, seed=999, fewest=1)
    right = (method.predict(Batch(batch.inputs)).counts == batch.counts).all(1)
    repeated = (batch.counts > 1).any(1)
    assert right.float().mean() > 0.9
    assert right[repeated].float().mean() > 0.9


@EVERY
def test_one_by_one_gives_what_a_batch_gives(kind, made, toy_batch):
    method, V = made(kind), toy_batch(8).inputs
    together = method.predict(Batch(V))
    for n in range(8):
        alone = method.predict(Batch(V[n : n + 1]))
        assert torch.equal(alone.counts[0], together.counts[n])
        assert torch.allclose(alone.confidence[0], together.confidence[n], atol=1e-5)


@EVERY
def test_predictions_repeat_themselves_and_leave_no_graph(kind, made, toy_batch):
    method, batch = made(kind), toy_batch(8)
    one, other = method.predict(batch), method.predict(Batch(batch.inputs))
    assert torch.equal(one.counts, other.counts)
    assert torch.equal(one.confidence, other.confidence)
    assert not one.confidence.requires_grad


@ATTENDING
def test_cells_moved_together_with_their_codes_change_nothing(kind, made, toy_batch):
    method, batch = made(kind), toy_batch(8)
    before = method.predict(Batch(batch.inputs)).confidence
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    (places,) = (p for name, p in method.network.named_parameters() if name.endswith("places"))
    with torch.no_grad():
        places.copy_(places[order])
    V = batch.inputs.flatten(2)[:, :, order].unflatten(2, (2, 3))
    assert torch.allclose(method.predict(Batch(V)).confidence, before, atol=1e-5)


@EVERY
def test_every_parameter_is_trained(kind, made, toy_batch):
    method = made(kind)
    method.loss(toy_batch())["loss"].backward()
    for name, parameter in method.network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@EVERY
def test_saved_and_loaded_it_goes_on_bit_for_bit(kind, made, task, toy_batch):
    whole, broken = made(kind), made(kind)
    for seed in range(6):
        whole.update(toy_batch(8, seed))
        if seed < 3:
            broken.update(toy_batch(8, seed))
    resumed = kind(task, broken.config, dataclasses.replace(broken.setup, seed=1))
    resumed.load_state_dict(broken.state_dict())
    for seed in range(3, 6):
        resumed.update(toy_batch(8, seed))
    for one, other in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(one, other)
    V = Batch(toy_batch(8).inputs)
    assert torch.equal(whole.predict(V).confidence, resumed.predict(V).confidence)


@EVERY
def test_a_trained_state_serves_a_task_with_more_objects(kind, made, task, toy_batch):
    assert kind.any_cardinality
    few, more = made(kind), made(kind, dataclasses.replace(task, max_objects=3))
    more.load_state_dict(few.state_dict())
    V = Batch(toy_batch(8).inputs)
    assert torch.equal(few.predict(V).confidence, more.predict(V).confidence)
    with pytest.raises(Unsupported, match="3 queries for 4 objects: increase --set queries"):
        made(kind, dataclasses.replace(task, max_objects=4))
