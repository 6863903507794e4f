"""Greedy and sampled labels at test time (benchmarks/decoding.py)."""

import math
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hsal_bench.baselines.hsal.config import CrossEntropyConfig
from hsal_bench.baselines.hsal.method import CrossEntropy
from hsal_bench.errors import UsageError
from hsal_bench.method.contract import Batch, Setup, Task
from hsal_bench.metrics.multiset import labels_from_counts
from hsal_bench.record.record import write_record
from hsal_bench.training.batches import ExampleSet

CLASSES, K, IMAGES = 4, 3, 400
RUN = {
    "method": "cross-entropy",
    "config": {},
    "preset": "quick",
    "budget": {"updates": 20, "batch_size": 64},
    "metrics_version": 1,
}


@pytest.fixture
def decoding(scripts):
    return scripts.decoding


@pytest.fixture
def trained(decoding, monkeypatch):
    """Stand in for a run's folder: a network that knows one label and "stop", 2 : 1, is restored.

    Half of the images have no object, and half have that label once.
    """
    counts = torch.zeros(IMAGES, CLASSES, dtype=torch.int64)
    counts[::2, 2] = 1
    inputs = torch.rand(IMAGES, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    boxes = torch.zeros(IMAGES, K, 4, dtype=torch.int64)
    test = ExampleSet(inputs, counts, labels_from_counts(counts, K), boxes, (9, 9))
    config = CrossEntropyConfig(hidden=8, meta_hidden=8, location_hidden=8)
    method = CrossEntropy(Task(CLASSES, K, (2, 3, 3)), config, Setup(torch.device("cpu"), 0, 1))
    classify = method.network.controller.classify
    torch.nn.init.zeros_(classify.weight)
    classify.bias.data = torch.tensor([-20.0, -20.0, math.log(2), -20.0, 0.0])
    there = SimpleNamespace(method=method, test=test)

    @contextmanager
    def restore_method(*_):
        yield there

    monkeypatch.setattr(decoding, "restore_method", restore_method)
    return there


def test_shares_repeat_the_likeliest_label_or_draw_from_all(decoding, monkeypatch):
    truth = np.array([[0, 3, 0], [1, 1, 0], [0, 1, 2], [0, 0, 0]])
    monkeypatch.setattr(decoding, "DRAWS", 2000)
    greedy, sampled = decoding.shares(truth)
    assert greedy.tolist() == [[0, 3, 0], [2, 0, 0], [0, 0, 3], [0, 0, 0]]
    right = (sampled.reshape(-1, *truth.shape) == truth).all(2).mean(0)
    # {a, b}: 2 of 4 draws. {b, c, c}: 3 orders of probability 1/3 x 2/3 x 2/3.
    assert right == pytest.approx([1, 1 / 2, 4 / 9, 1], abs=0.05)


def test_labels_are_the_likeliest_or_drawn_from_the_probabilities(
    decoding, trained, record_of, tmp_path
):
    rows = decoding.of_run(record_of("mnist-multiset", RUN, seed=3), tmp_path, tmp_path)
    greedy, sampled, *of_shares = rows
    # Greedily, the label is repeated until K + 1. Sampled, "stop" comes first in 1/3, and one label
    # and then "stop" in 2/3 x 1/3.
    assert greedy["exact_match"] == 0.0
    assert sampled["exact_match"] == pytest.approx((1 / 3 + 2 / 9) / 2, abs=0.07)
    assert sampled["exact_match_m1"] == pytest.approx(2 / 9, abs=0.08)
    assert [row["exact_match"] for row in of_shares] == [1.0, 1.0]
    again, other = (
        decoding.of_run(record_of("mnist-multiset", RUN, seed=seed), tmp_path, tmp_path)
        for seed in (3, 4)
    )
    assert again == rows
    assert other[1]["exact_match"] != sampled["exact_match"]


def test_glimpses_stay_greedy(trained):
    def forced(scores):
        assert scores.shape[-1] == CLASSES + 1
        return torch.full(scores.shape[:-1], CLASSES)

    batch = Batch(trained.test.inputs)
    prediction = trained.method.decode(batch, forced, trace=True)
    assert (prediction.counts == 0).all()
    assert prediction.confidence == pytest.approx(np.full(IMAGES, 1 / 3))
    usual = trained.method.predict(batch, trace=True)
    assert (prediction.trace.glimpses[:, 0] == usual.trace.glimpses[:, 0]).all()


def test_a_table_keeps_other_runs_and_replaces_the_same(
    decoding, trained, record_of, tmp_path, monkeypatch, capsys
):
    table = tmp_path / "table.csv"

    def add(seed, **changes):
        record = record_of("mnist-multiset", RUN | changes, seed=seed)
        write_record(record, tmp_path / "record.json")
        monkeypatch.setattr(sys, "argv", ["decoding.py", str(tmp_path), "--table", str(table)])
        decoding.main()
        return decoding.read(table)

    first = add(3)
    assert add(3).equals(first)
    add(4)
    trained.method.network.controller.classify.bias.data[2] = -20.0  # now always "stop"
    rows = add(4)
    assert len(rows) == 2 * 2 + 2
    greedy = rows[rows["decoding"] == "greedy"].set_index("seed")["exact_match"]
    assert greedy.to_dict() == {"3": 0.0, "4": 0.5, "": 1.0}
    assert "| 2 | 0.250 ± 0.354 |" in capsys.readouterr().out
    other = add(3, budget={"updates": 30, "batch_size": 64})
    assert len(other) == len(rows) + 2


def test_a_method_without_steps_is_refused_before_any_work(
    decoding, record_of, tmp_path, monkeypatch
):
    record = record_of("mnist-multiset", RUN | {"method": "count-classifier"})
    write_record(record, tmp_path / "record.json")
    monkeypatch.setattr(sys, "argv", ["decoding.py", str(tmp_path)])
    with pytest.raises(
        UsageError, match="is of count-classifier: name runs of hsal-rl, cross-entropy and"
    ):
        decoding.main()
