"""Readings of the paper as fields of HSAL: what each changes, by hand, and what is refused."""

import dataclasses
from typing import Any

import pytest
import torch

from hsal_bench.baselines.hsal.config import HsalConfig
from hsal_bench.baselines.hsal.method import CrossEntropy, HsalMultiset, HsalRL
from hsal_bench.baselines.hsal.network import Rollout
from hsal_bench.baselines.shared.policy import greedy
from hsal_bench.errors import UsageError
from hsal_bench.method.contract import Batch, Setup, Task
from hsal_bench.metrics.multiset import counts_from_labels
from hsal_bench.options import as_config, from_json

TASK = Task(num_classes=5, max_objects=3, input_shape=(6, 4, 4), class_objects=(1, 2, 3, 4, 5))
SMALL = {"hidden": 16, "meta_hidden": 12, "location_hidden": 8, "components": 2}
STOP = 5


def _method(cls: type[HsalRL] = HsalRL, **settings: Any) -> HsalRL:
    config = dataclasses.replace(cls.Config(), **{**SMALL, **settings})
    return cls(TASK, config, Setup(torch.device("cpu"), 0, 10))


def _batch(labels: list[list[int]] | None = None) -> Batch:
    rows = torch.tensor(labels or [[3, 1, 3], [4, 0, -1], [2, -1, -1], [-1, -1, -1]])
    V = torch.rand(len(rows), *TASK.input_shape, generator=torch.Generator().manual_seed(0))
    return Batch(V, counts_from_labels(rows, 5), rows)


def _spied(method: HsalRL) -> list[tuple[torch.Tensor | None, Rollout]]:
    """Return a list that collects the rollouts of a method and the labels it was fed."""
    seen, forward = [], method.network.forward

    def spy(V, T, choose, feed, *rest):
        seen.append((feed, forward(V, T, choose, feed, *rest)))
        return seen[-1][1]

    method.network.forward = spy
    return seen


def _rewards(y_hat: list[list[int]], **settings: Any) -> list[list[float]]:
    """Return the class rewards [rows][T] of choices on the labels of `_batch`."""
    method, batch = _method(trajectories=1, **settings), _batch()
    rollout = method.network(batch.inputs, 4, greedy)
    rollout = dataclasses.replace(rollout, y_hat=torch.tensor(y_hat))
    counted = torch.arange(1, 5) <= batch.counts.sum(1)[:, None]
    A_t = method._available(rollout.y_hat, batch.counts, method._labels(batch))
    return method._rewards(rollout, A_t, counted, counted)[0][..., -1].tolist()


CHOICES = [[3, STOP, 3, 3], [STOP, 0, STOP, 0], [STOP, 2, 2, 2], [1, 1, 1, 1]]


def test_class_rewards_by_hand():
    assert _rewards(CHOICES) == [
        [1, -1, 1, 0],
        [-1, 1, 0, 0],
        [-1, 0, 0, 0],
        [0, 0, 0, 0],
    ]


def test_the_reward_of_an_early_stop_is_that_of_sampled_stops_alone():
    assert _rewards(CHOICES, early_stop_reward=0.25) == [
        [1, 0.25, 1, 0],
        [0.25, 1, 0, 0],
        [0.25, 0, 0, 0],
        [0, 0, 0, 0],
    ]


def test_the_expected_reward_counts_an_early_stop_as_the_sampled_one_does():
    """Its derivative by `early_stop_reward` is minus the chance to stop at the steps t <= m."""
    losses = []
    for early_stop in (-1.0, 0.0):
        method = _method(class_loss="expected-reward", early_stop_reward=early_stop)
        seen = _spied(method)
        losses.append(method.loss(_batch())["class_loss"])
    p_stop = seen[0][1].class_scores.softmax(-1)[..., STOP]
    m = _batch().counts.sum(1).repeat_interleave(method.config.trajectories)
    expected = (p_stop * (torch.arange(1, 5) <= m[:, None])).sum() / len(m)
    assert (losses[0] - losses[1]).item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize(("rewarded", "steps"), [(True, [4, 3, 2, 1]), (False, [3, 2, 1, 0])])
def test_glimpses_are_rewarded_up_to_the_stop_or_to_the_last_label(rewarded, steps):
    method = _method(stop_step_glimpse_reward=rewarded, trajectories=1)
    seen, rewards = [], method._rewards
    method._rewards = lambda r, *a: seen.append((r, *rewards(r, *a))) or seen[0][1:]
    scalars = method.loss(_batch())
    rollout, of_glimpses = seen[0][0], seen[0][1][..., :-1]
    looked = torch.arange(1, 5) <= torch.tensor(steps)[:, None]
    expected = rollout.P_t.gather(2, rollout.locations) * looked[:, :, None]
    assert torch.equal(of_glimpses, expected)
    mean = expected.sum() / (2 * sum(steps))
    assert scalars["location_reward"].item() == pytest.approx(mean.item())


def test_in_a_list_the_label_of_the_step_alone_is_rewarded():
    """The labels in order are [1, 3, 3], [0, 4] and [2], whatever was chosen before."""
    choices = [[3, 3, 3, 3], [0, 0, 0, 0], [2, 2, 2, 2], [1, 1, 1, 1]]
    rewards = _rewards(choices, label_structure="list", label_order="class")
    assert rewards == [[-1, 1, 1, 0], [1, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_in_a_list_the_label_of_the_step_alone_is_available_and_the_stop_never():
    method, batch = _method(label_structure="list", label_order="class", trajectories=1), _batch()
    A_t = method._available(torch.zeros(4, 4, dtype=int), batch.counts, method._labels(batch))
    assert A_t[0].tolist() == [[0, 1, 0, 0, 0, 0], *[[0, 0, 0, 1, 0, 0]] * 2, [0] * 6]
    assert not A_t[3].any()


@pytest.mark.parametrize("loss", ["log-marginal", "multiset"])
def test_the_losses_of_a_list_are_cross_entropy_on_its_order(loss):
    listed = _method(class_loss=loss, label_structure="list", label_order="frequency")
    ordered = _method(class_loss="cross-entropy", label_order="frequency")
    mine, expected = listed.loss(_batch()), ordered.loss(_batch())
    assert mine["loss"].item() == pytest.approx(expected["loss"].item(), rel=1e-6)
    assert mine["class_loss"] != _method(class_loss=loss).loss(_batch())["class_loss"]


def test_teacher_forcing_ends_after_its_updates():
    method = _method(CrossEntropy, teacher_forcing=True, teacher_forced_updates=3, trajectories=1)
    seen = _spied(method)
    batch = _batch()
    for _ in range(5):
        method.update(batch)
    feeds = [feed for feed, _ in seen]
    truth = torch.nn.functional.pad(batch.labels, (0, 1), value=-1)
    truth = truth.masked_fill(truth < 0, STOP)
    assert all(torch.equal(feed, truth) for feed in feeds[:3])
    assert all((feed == -1).all() for feed in feeds[3:])


def test_after_teacher_forcing_the_own_samples_are_fed_back():
    network, V = _method(CrossEntropy).network, _batch().inputs
    own = network(V, 4, greedy)
    ended = network(V, 4, greedy, torch.full((4, 4), -1))
    assert torch.equal(own.y_hat, ended.y_hat)
    assert torch.equal(own.class_scores, ended.class_scores)


@pytest.mark.parametrize("feedback", ["sampled", "none"])
def test_without_feedback_the_classes_before_have_no_influence(feedback):
    network = _method(HsalMultiset, label_feedback=feedback).network
    V, scores = _batch().inputs, []
    for label in (0, 3):
        rollout = network(V, 4, greedy, torch.full((4, 4), label))
        scores.append(rollout.class_scores)
    assert torch.equal(*scores) == (feedback == "none")


@pytest.mark.parametrize("feedback", ["sampled", "greedy"])
def test_greedy_feedback_is_the_best_class_while_glimpses_are_sampled(feedback):
    method = _method(CrossEntropy, label_feedback=feedback)
    seen = _spied(method)
    method.loss(_batch([[0, 1, 2]] * 8))
    rollout = seen[0][1]
    best = torch.equal(rollout.y_hat, rollout.class_scores.argmax(-1))
    assert best == (feedback == "greedy")
    assert not torch.equal(rollout.locations, rollout.location_scores.argmax(-1))


@pytest.mark.parametrize("shared", [True, False])
def test_a_shared_order_is_that_of_all_rollouts_of_an_image(shared):
    method, batch = _method(CrossEntropy, shared_label_order=shared), _batch([[4, 0, 2]] * 20)
    labels = method._labels(batch).view(20, method.config.trajectories, 3)
    assert torch.equal(labels.sort(-1).values, torch.tensor([0, 2, 4]).expand_as(labels))
    assert bool((labels == labels[:, :1]).all()) == shared


def test_a_random_order_leaves_the_padding_behind():
    labels = _method(CrossEntropy, shared_label_order=False)._labels(_batch())
    m = (labels >= 0).sum(1, keepdim=True)
    assert torch.equal(labels >= 0, torch.arange(3) < m)


def test_configs_written_before_there_were_these_fields_are_the_defaults():
    later = {field.name for field in dataclasses.fields(HsalConfig) if _omitted(field)}
    assert len(later) == 7
    written = as_config(HsalConfig())
    assert not later & written.keys()
    assert from_json(HsalConfig, written, "hsal-rl") == HsalConfig()


def _omitted(field: dataclasses.Field[Any]) -> bool:
    return bool(field.metadata.get("omit_default"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"teacher_forced_updates": 3}, "teacher_forced_updates needs teacher_forcing=true"),
        (
            {"class_loss": "cross-entropy", "label_feedback": "none", "teacher_forcing": True},
            "label_feedback=none feeds back no labels",
        ),
        (
            {"class_loss": "cross-entropy", "label_feedback": "greedy", "teacher_forcing": True},
            "label_feedback=greedy has no effect with teacher_forcing=true",
        ),
        ({"label_feedback": "greedy"}, "class_loss=reinforce needs sampled classes"),
        (
            {"class_loss": "cross-entropy", "label_structure": "list", "label_order": "class"},
            "class_loss=cross-entropy learns a list already",
        ),
        ({"label_structure": "list"}, "label_structure=list needs a consistent order"),
        ({"label_order": "class"}, "label_order=class needs class_loss=cross-entropy or"),
        ({"shared_label_order": False}, "shared_label_order=false needs class_loss=cross-entropy"),
        (
            {"class_loss": "cross-entropy", "shared_label_order": False, "trajectories": 1},
            "and trajectories above 1",
        ),
        (
            {"class_loss": "cross-entropy", "shared_label_order": False, "label_order": "class"},
            "label_order=random",
        ),
        ({"class_loss": "multiset", "early_stop_reward": 0.0}, "early_stop_reward needs"),
        (
            {"location_reward": False, "stop_step_glimpse_reward": False},
            "stop_step_glimpse_reward=false needs location_reward=true",
        ),
    ],
)
def test_contradicting_fields_are_refused(settings, message):
    with pytest.raises(UsageError, match=message) as error:
        _method(**settings)
    assert "\n" not in str(error.value)
