"""HSAL-RL and cross-entropy: what is trained by what, decoding, batching, resuming."""

import dataclasses
from typing import Any

import pytest
import torch

from hsal_bench.baselines.hsal import network as hsal_network
from hsal_bench.baselines.hsal.method import CrossEntropy, HsalMultiset, HsalRL
from hsal_bench.baselines.shared.policy import greedy
from hsal_bench.baselines.shared.recurrence import next_state
from hsal_bench.errors import UsageError
from hsal_bench.method.contract import Batch, Setup, Task
from hsal_bench.metrics.multiset import counts_from_labels

TASK = Task(num_classes=5, max_objects=3, input_shape=(6, 4, 4))
SMALL = {"hidden": 16, "meta_hidden": 12, "location_hidden": 8, "components": 2}
HEADS = ("locate", "value")


def _method(cls: type[HsalRL] = HsalRL, **settings: Any) -> HsalRL:
    config = dataclasses.replace(cls.Config(), **{**SMALL, **settings})
    return cls(TASK, config, Setup(torch.device("cpu"), 0, 10))


def _batch(size: int = 8, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    V = torch.rand(size, *TASK.input_shape, generator=generator)
    labels = torch.randint(5, (size, 3), generator=generator)
    m = torch.randint(0, 4, (size, 1), generator=generator)
    labels = labels.masked_fill(torch.arange(3) >= m, -1)
    return Batch(V, counts_from_labels(labels, 5), labels)


def _gradients(method: HsalRL, part: str) -> dict[str, float]:
    """Return each parameter's gradient norm under one part of the loss; 0 where none arrives."""
    scalars = method.loss(_batch())
    method.network.zero_grad(set_to_none=True)
    scalars[part].backward()
    return {
        name: 0.0 if p.grad is None else float(p.grad.norm())
        for name, p in method.network.named_parameters()
    }


@pytest.mark.parametrize(
    ("cls", "class_loss", "location_reward"),
    [
        (HsalRL, "reinforce", True),
        (CrossEntropy, "cross-entropy", False),
        (HsalMultiset, "multiset", True),
    ],
)
def test_the_methods_on_the_network_differ_in_what_they_are_trained_on(
    cls, class_loss, location_reward
):
    own = {"class_loss": class_loss, "location_reward": location_reward}
    assert vars(cls.Config()) == vars(HsalRL.Config()) | own


@pytest.mark.parametrize("part", ["location_loss", "location_value_loss", "class_value_loss"])
def test_heads_are_detached_from_the_rest(part):
    """App. A: location and value losses reach their own head and nothing else, exactly."""
    own = "controller.locate" if part == "location_loss" else "controller.value"
    for name, norm in _gradients(_method(), part).items():
        assert (norm > 0) == name.startswith(own), name


def test_the_class_loss_trains_everything_but_the_heads():
    for name, norm in _gradients(_method(class_loss="log-marginal"), "class_loss").items():
        head = any(name.startswith(f"controller.{part}") for part in HEADS)
        assert (norm == 0) == head, name


@pytest.mark.parametrize(
    "class_loss", ["reinforce", "expected-reward", "log-marginal", "multiset", "cross-entropy"]
)
def test_every_class_loss_learns_the_one_multiset_there_is(class_loss):
    method = _method(class_loss=class_loss, learning_rate=0.01)
    method.setup = dataclasses.replace(method.setup, updates=10_000)
    labels = torch.tensor([[2, 2, -1]]).expand(4, 3)
    V = torch.rand(4, *TASK.input_shape, generator=torch.Generator().manual_seed(0))
    batch = Batch(V, counts_from_labels(labels, 5), labels)
    for _ in range(40):
        scalars = method.update(batch)
    assert all(torch.isfinite(value) for value in scalars.values())
    assert method.predict(Batch(V)).counts.tolist() == batch.counts.tolist()


def test_maps_stay_within_their_bounds():
    trace = _method().predict(Batch(_batch().inputs), trace=True).trace
    for maps in (trace.S_t, trace.masks, trace.priority):
        assert float(maps.min()) >= 0.0
        assert float(maps.max()) <= 1.0
    assert (trace.S_t[:, 1:] <= trace.S_t[:, :-1]).all()


def test_glimpsed_cells_have_no_saliency_left():
    trace = _method().predict(Batch(_batch().inputs), trace=True).trace
    for t in range(3):
        left = trace.S_t[:, t + 1].flatten(1).gather(1, trace.glimpses[:, t])
        assert torch.equal(left, torch.zeros_like(left))


def test_decoding_ends_at_stop(monkeypatch):
    method = _method()
    rollout = method.network(_batch(2).inputs, 4, greedy)
    y_hat = torch.tensor([[2, 5, 3, 3], [1, 1, 4, 0]])  # 5 is "stop"
    fixed = dataclasses.replace(rollout, y_hat=y_hat)
    monkeypatch.setattr(method, "network", _Fixed(fixed))
    prediction = method.predict(Batch(_batch(2).inputs), trace=True)
    assert prediction.counts.tolist() == [[0, 0, 1, 0, 0], [1, 2, 0, 0, 1]]
    assert prediction.trace.labels.tolist() == [[2, 5, -1, -1], [1, 1, 4, 0]]


class _Fixed(torch.nn.Module):
    def __init__(self, rollout):
        super().__init__()
        self.rollout = rollout

    def forward(self, *arguments, **options):
        return self.rollout


def test_single_images_are_predicted_as_in_a_batch():
    method, batch = _method(), _batch(8)
    together = method.predict(Batch(batch.inputs))
    for n in range(8):
        alone = method.predict(Batch(batch.inputs[n : n + 1]))
        assert torch.equal(alone.counts[0], together.counts[n])
        assert torch.allclose(alone.confidence[0], together.confidence[n], atol=1e-5)


def test_predict_reads_no_labels_and_repeats_itself():
    method, batch = _method(), _batch()
    with_labels, without = method.predict(batch), method.predict(Batch(batch.inputs))
    assert torch.equal(with_labels.counts, without.counts)
    assert torch.equal(with_labels.confidence, without.confidence)


@pytest.mark.parametrize("cls", [HsalRL, CrossEntropy])
def test_a_run_continues_bit_for_bit_from_its_state(cls):
    whole, first = _method(cls), _method(cls)
    for step in range(4):
        expected = whole.update(_batch(seed=step))
        if step == 2:
            state = torch.save(first.state_dict(), buffer := _buffer()) or buffer
            state.seek(0)
            first = _method(cls)
            first.load_state_dict(torch.load(state, weights_only=True))
        got = first.update(_batch(seed=step))
    assert {k: v.item() for k, v in got.items()} == {k: v.item() for k, v in expected.items()}
    for mine, other in zip(
        first.network.state_dict().values(), whole.network.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, other)


def _buffer():
    import io

    return io.BytesIO()


def test_cross_entropy_trains_no_glimpses():
    gradients = _gradients(_method(CrossEntropy), "loss")
    assert all(gradients[name] == 0 for name in gradients if ".locate." in name)
    assert gradients["controller.classify.weight"] > 0


def test_teacher_forcing_feeds_the_true_labels():
    method, seen = _method(CrossEntropy, teacher_forcing=True, trajectories=1), []
    network = method.network

    def spy(V, T, choose, feed=None, *rest):
        seen.append(feed)
        return network(V, T, choose, feed, *rest)

    method.network = spy
    batch = _batch()
    method.loss(batch)
    assert torch.equal(seen[0][:, :3].masked_fill(batch.labels < 0, -1), batch.labels)
    assert (seen[0][:, 3] == 5).all()


@pytest.mark.parametrize("reset", [True, False])
def test_a_reset_controller_starts_each_meta_step_from_zero(reset, monkeypatch):
    network, states = _method(reset_controller=reset).network, []

    def spy(x, hidden, h):
        states.append(h)
        return next_state(x, hidden, h)

    monkeypatch.setattr(hsal_network, "next_state", spy)
    network(_batch().inputs, 2, greedy)
    # A meta-step is one of the meta-controller and three of the controller.
    first_of_second = states[4 + 1]
    assert (float(first_of_second.detach().abs().sum()) == 0.0) == reset


def test_renormalising_shows_the_meta_controller_a_stretched_map():
    for renormalise in (True, False):
        trace = _method(renormalise_each_step=renormalise).predict(
            Batch(_batch().inputs), trace=True
        )
        peaks = trace.trace.S_t[:, 2].flatten(1).amax(1)
        assert torch.allclose(peaks, torch.ones(8)) == renormalise


def test_coordinates_are_rows_and_columns_in_the_unit_square():
    network = _method(glimpse_feedback="coordinates").network
    places = network.controller.places
    assert places.shape == (16, 2)
    assert places[0].tolist() == [0.0, 0.0]
    assert places[7].tolist() == pytest.approx([1 / 3, 1.0])
    assert network.controller.encode.in_features == 16 + 6 + 2 + 6


def test_returns_to_go_change_what_the_policies_learn_from():
    method, batch = _method(return_to_go=True, scale_advantages=False), _batch()
    rollout = method.network(batch.inputs, 4, greedy)
    counted = torch.arange(1, 5) <= batch.counts.sum(1)[:, None]
    A_t = method._available(rollout.y_hat, batch.counts, batch.labels)
    rewards, targets = method._rewards(rollout, A_t, counted, counted)
    assert torch.allclose(targets[:, 0, 0], rewards.sum((1, 2)))


def test_teacher_forcing_is_refused_where_there_is_no_order():
    with pytest.raises(UsageError, match="teacher_forcing=true needs class_loss=cross-entropy"):
        _method(teacher_forcing=True)


def test_rollouts_of_one_image_are_those_of_as_many_images_alike():
    network, V = _method().network, _batch(4).inputs
    together = network(V, 4, greedy, trajectories=3)
    apart = network(V.repeat_interleave(3, 0), 4, greedy)
    for field in dataclasses.fields(together):
        one, other = getattr(together, field.name), getattr(apart, field.name)
        assert torch.allclose(one, other, atol=1e-5), field.name


def test_trajectories_multiply_the_samples_of_each_image():
    torch.manual_seed(0)
    seen = []
    method = _method(trajectories=3)
    rollout_loss = method.rollout_loss
    method.rollout_loss = lambda r, c, y: seen.append(len(r.y_hat)) or rollout_loss(r, c, y)
    method.update(_batch(4))
    assert seen == [12]
