"""Batches: every example once per epoch, labels shuffled at every draw, the order a function of
(seed, update) alone."""

import dataclasses
from itertools import islice

import torch

from hsal_bench.training.batches import ExampleSet, evaluation_batches, training_batches


def _examples(n: int = 10, dtype: torch.dtype = torch.float16) -> ExampleSet:
    labels = torch.tensor([0, 1, 2, 3, -1]).expand(n, 5)
    inputs = torch.arange(n).view(n, 1, 1, 1).to(dtype)
    boxes = torch.where(labels < 0, -1, labels + 10)[:, :, None].expand(n, 5, 4)
    return ExampleSet(inputs, torch.ones(n, 4, dtype=int), labels, boxes, (8, 8))


def _drawn(batches, number):
    return [batch.inputs.flatten().int().tolist() for batch in islice(batches, number)]


def test_an_epoch_visits_every_example_once_and_in_a_new_order():
    epochs = _drawn(training_batches(_examples(), 5, seed=0), 4)
    first, second = epochs[0] + epochs[1], epochs[2] + epochs[3]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_going_on_from_an_update_draws_the_same_batches():
    whole = list(islice(training_batches(_examples(), 4, seed=3), 7))
    for start in range(7):
        rest = islice(training_batches(_examples(), 4, seed=3, start=start), 7 - start)
        for mine, other in zip(rest, whole[start:], strict=True):
            assert torch.equal(mine.inputs, other.inputs)
            assert torch.equal(mine.labels, other.labels)


def test_labels_are_shuffled_anew_whenever_a_batch_is_drawn():
    batches = islice(training_batches(_examples(1), 1, seed=0), 300)
    orders = {tuple(batch.labels[0].tolist()) for batch in batches}
    assert len(orders) == 24
    assert all(order[4] == -1 for order in orders)


def test_boxes_follow_their_labels():
    for batch in islice(training_batches(_examples(), 4, seed=1), 20):
        expected = torch.where(batch.labels < 0, -1, batch.labels + 10)
        assert torch.equal(batch.boxes, expected[:, :, None].expand(-1, -1, 4))


def test_seeds_draw_different_orders():
    one, two = (_drawn(training_batches(_examples(), 10, seed=seed), 1) for seed in (0, 1))
    assert one != two


def test_a_batch_larger_than_the_data_is_the_data():
    assert len(_drawn(training_batches(_examples(3), 64, seed=0), 1)[0]) == 3


def test_evaluation_keeps_the_file_s_order_and_hides_labels():
    drawn = list(evaluation_batches(_examples(), 4))
    assert [start for start, _ in drawn] == [0, 4, 8]
    assert torch.cat([batch.inputs.flatten() for _, batch in drawn]).tolist() == list(range(10))
    assert all(batch.labels is None and batch.counts is None for _, batch in drawn)


def test_inputs_kept_on_the_host_come_from_pinned_memory(monkeypatch):
    """A copy from other memory would have the host wait for it."""
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: pinned.append(self) or self)
    examples = _examples()
    on_device = dataclasses.replace(examples, counts=examples.counts.to("meta"))
    assert on_device.rows(slice(3)).device.type == "meta"
    assert [len(rows) for rows in pinned] == [3]
    examples.rows(slice(3))
    assert len(pinned) == 1


def test_images_arrive_in_the_unit_interval_and_activations_as_they_are():
    images = _examples(256, torch.uint8)
    assert torch.equal(images.rows(slice(255, 256)).flatten(), torch.tensor([1.0]))
    assert _examples().rows(torch.tensor([7])).item() == 7.0
