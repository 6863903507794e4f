"""The sequential networks against the same written out straightforwardly, step by step."""

import dataclasses
import importlib
import sys
from pathlib import Path

import pytest
import torch

from hsal_bench.baselines.cnn_rnn import CnnRnn
from hsal_bench.baselines.distribution_matching import DistributionMatching
from hsal_bench.baselines.hsal.method import CrossEntropy, HsalMultiset, HsalRL
from hsal_bench.baselines.log_marginal import LogMarginal
from hsal_bench.baselines.multiset_loss import MultisetLoss
from hsal_bench.baselines.order_search import OrderSearch
from hsal_bench.baselines.rl import Rl
from hsal_bench.baselines.shared.decoder import RecurrentDecoder
from hsal_bench.baselines.shared.policy import greedy
from hsal_bench.baselines.shared.recurrence import hidden_map, input_map, next_state
from hsal_bench.baselines.shared.rows import row_plan
from hsal_bench.method.contract import Batch, Setup, Task
from hsal_bench.metrics.multiset import counts_from_labels

TASK = Task(num_classes=5, max_objects=4, input_shape=(6, 3, 4), class_objects=(5, 4, 3, 2, 1))
HSAL = {"hidden": 16, "meta_hidden": 12, "location_hidden": 8, "components": 2, "trajectories": 3}
SEQUENCE = {"hidden": 16, "embedding": 8}
KINDS = [
    (HsalRL, HSAL),
    (HsalRL, HSAL | {"return_to_go": True, "scale_advantages": False}),
    (HsalRL, HSAL | {"reset_controller": True, "glimpse_feedback": "coordinates"}),
    (HsalRL, HSAL | {"renormalise_each_step": True, "class_loss": "expected-reward"}),
    (HsalRL, HSAL | {"label_structure": "list", "label_order": "class"}),
    (HsalRL, HSAL | {"early_stop_reward": 0.5, "stop_step_glimpse_reward": False}),
    (HsalMultiset, HSAL | {"label_feedback": "greedy"}),
    (HsalMultiset, HSAL),
    (CrossEntropy, HSAL),
    (CrossEntropy, HSAL | {"teacher_forcing": True, "trajectories": 1}),
    (CrossEntropy, HSAL | {"teacher_forcing": True, "teacher_forced_updates": 1}),
    (CrossEntropy, HSAL | {"label_feedback": "none", "shared_label_order": False}),
    (CrossEntropy, HSAL | {"label_feedback": "greedy", "label_order": "frequency"}),
    (CnnRnn, SEQUENCE),
    (CnnRnn, SEQUENCE | {"teacher_forcing": False, "order": "random"}),
    (MultisetLoss, SEQUENCE),
    (MultisetLoss, SEQUENCE | {"execution": "stochastic"}),
    (MultisetLoss, SEQUENCE | {"execution": "oracle"}),
    (LogMarginal, SEQUENCE),
    (Rl, SEQUENCE | {"trajectories": 3}),
    (OrderSearch, SEQUENCE),
    (OrderSearch, SEQUENCE | {"search": "best"}),
    (OrderSearch, SEQUENCE | {"search": "marginal"}),
    (DistributionMatching, SEQUENCE),
    (DistributionMatching, SEQUENCE | {"distance": "l1"}),
]
ALL = pytest.mark.parametrize(("kind", "settings"), KINDS)


@pytest.fixture(scope="module")
def plain():
    folder = str(Path(__file__).parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("plain_networks")
    finally:
        sys.path.remove(folder)


def _method(kind, settings):
    config = dataclasses.replace(kind.Config(), **settings)
    method = kind(TASK, config, Setup(torch.device("cpu"), 0, 10))
    # Far from where networks start, so that every input matters.
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in method.network.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return method


def _batch(size=9, seed=0):
    generator = torch.Generator().manual_seed(seed)
    m = torch.randint(0, 5, (size, 1), generator=generator)
    m[:2, 0] = torch.tensor([0, 4])
    labels = torch.randint(5, (size, 4), generator=generator).masked_fill(torch.arange(4) >= m, -1)
    V = torch.rand(size, *TASK.input_shape, generator=generator)
    return Batch(V, counts_from_labels(labels, 5), labels)


@ALL
@pytest.mark.parametrize("captured", [False, True])
def test_losses_and_gradients_are_those_of_the_plain_network(kind, settings, captured, plain):
    method, other = _method(kind, settings), _method(kind, settings)
    plain.make_plain(other)
    method.captured = captured
    for seed in range(2):  # the second draws where the first left off
        batch = _batch(seed=seed)
        expected = other.loss(batch)
        scalars = method.loss(batch)
        assert scalars.keys() == expected.keys()
        for name, scalar in scalars.items():
            assert scalar.item() == pytest.approx(expected[name].item(), rel=1e-4, abs=1e-5), name
        scalars["loss"].backward()
        expected["loss"].backward()
    gradients = dict(other.network.named_parameters())
    for name, parameter in method.network.named_parameters():
        if gradients[name].grad is None:
            assert parameter.grad is None or not parameter.grad.any(), name
        else:
            assert torch.allclose(parameter.grad, gradients[name].grad, rtol=1e-3, atol=1e-5), name


@ALL
def test_predictions_and_traces_are_those_of_the_plain_network(kind, settings, plain):
    method, other = _method(kind, settings), _method(kind, settings)
    plain.make_plain(other)
    mine, expected = (one.predict(_batch(), trace=True) for one in (method, other))
    assert torch.equal(mine.counts, expected.counts)
    assert torch.allclose(mine.confidence, expected.confidence, rtol=1e-4)
    if expected.trace is not None:
        assert torch.equal(mine.trace.glimpses, expected.trace.glimpses)
        for name in ("saliency", "S_t", "masks", "priority"):
            maps = getattr(mine.trace, name), getattr(expected.trace, name)
            assert torch.allclose(*maps, atol=1e-5), name


@ALL
def test_steps_after_the_stop_are_left_out_where_nothing_is_captured(kind, settings, monkeypatch):
    """Counted are the rows that the state's matrix is multiplied with, after the first step."""
    method, batch = _method(kind, settings), _batch()
    hsal, images = isinstance(method, HsalRL), len(batch.inputs)
    cell = method.network.controller.gru if hsal else method.network["decoder"].gru
    linear, rows = torch.nn.functional.linear, {}

    def spy(x, weight, bias=None):
        if weight is cell.weight_hh:
            rows[method.captured] = rows.get(method.captured, 0) + len(x)
        return linear(x, weight, bias)

    monkeypatch.setattr(torch.nn.functional, "linear", spy)
    for method.captured in (False, True):
        method.loss(batch)
    first = images * (1 + settings["trajectories"]) if hsal else images
    needed, all_rows = (rows[captured] - first for captured in (False, True))
    # Of an image with m labels, steps 2 to m + 1 of T = 5.
    assert needed / all_rows == pytest.approx(batch.counts.sum().item() / (4 * images))


def test_a_plan_keeps_the_rows_of_the_images_that_still_have_steps():
    m = torch.tensor([1, 3, 0, 2])
    plan = row_plan(4, T=4, copies=2, m=m)
    assert plan.images == (4, 3, 2, 1)
    assert plan.order.tolist() == [2, 3, 6, 7, 0, 1, 4, 5]
    assert plan.sort_images(m).tolist() == [3, 2, 1, 0]
    steps = [plan.pick(torch.arange(8) + 10 * (t + 1), 2 * n) for t, n in enumerate(plan.images)]
    stacked = plan.stack(steps)
    for row in range(8):
        expected = [row + 10 * (t + 1) if t <= m[row // 2] else 0 for t in range(4)]
        assert stacked[row].tolist() == expected


def test_choices_are_made_in_the_order_of_the_batch():
    plan, seen = row_plan(3, T=3, copies=1, m=torch.tensor([0, 2, 1])), []
    scores = torch.tensor([[1.0, 2.0], [4.0, 3.0]])  # of images 1 and 2
    chosen = plan.choose(lambda x: seen.append(x.tolist()) or greedy(x), scores)
    assert seen == [[[0.0, 0.0], [1.0, 2.0], [4.0, 3.0]]]
    assert chosen.tolist() == [1, 0]


def test_without_numbers_of_labels_every_step_has_every_row():
    plan, x = row_plan(2, T=3, copies=2, m=None), torch.rand(4, 5)
    assert plan.images == (2, 2, 2)
    assert plan.keep(x, 2) is x
    assert torch.equal(plan.stack([x, x]), torch.stack([x, x], 1))


def test_a_recurrence_in_pieces_is_the_encoding_and_the_cell():
    torch.manual_seed(0)
    encode, cell = torch.nn.Linear(5, 7), torch.nn.GRUCell(7, 6)
    x, h = torch.randn(4, 5), torch.randn(4, 6)
    inputs = input_map(encode, cell)
    got = next_state(x @ inputs.W + inputs.b, hidden_map(cell, h), h)
    assert torch.allclose(got, cell(encode(x), h), atol=1e-6)
    zero = torch.zeros_like(h)
    got = next_state(x @ inputs.W + inputs.b, hidden_map(cell, zero, zero=True), zero)
    assert torch.allclose(got, cell(encode(x), zero), atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_fused_kernel_is_the_same_recurrence():
    x, hidden, h = (torch.randn(4, size, requires_grad=True) for size in (18, 18, 6))
    state = next_state(x, hidden, h)
    fused = next_state(x.cuda(), hidden.cuda(), h.cuda())
    assert torch.allclose(fused.cpu(), state, atol=1e-5)
    gradients = [torch.autograd.grad(s.square().sum(), (x, hidden, h)) for s in (state, fused)]
    for mine, other in zip(*gradients, strict=True):
        assert torch.allclose(mine, other, atol=1e-5)


def test_a_decoder_s_attention_does_not_depend_on_the_bias_of_its_keys():
    """q . b is the same for every cell, so the softmax drops it; checkpoints still hold b."""
    torch.manual_seed(0)
    decoder, V = RecurrentDecoder((6, 3, 3), 4, hidden=8, embedding=5), torch.rand(2, 6, 3, 3)
    before = decoder(V, 3, lambda t, scores: greedy(scores)).scores
    with torch.no_grad():
        decoder.key.bias += 3.0
    after = decoder(V, 3, lambda t, scores: greedy(scores)).scores
    assert torch.allclose(before, after, atol=1e-5)
