"""Greedy and sampled labels at test time (benchmarks/decoding.py)."""

import sys
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from hsal_bench.baselines.hsal.config import CrossEntropyConfig
from hsal_bench.baselines.hsal.method import CrossEntropy
from hsal_bench.errors import UsageError
from hsal_bench.method.contract import Batch, Setup, Task
from hsal_bench.metrics.multiset import labels_from_counts
from hsal_bench.record.record import write_record
from hsal_bench.training.batches import ExampleSet

CLASSES, K, IMAGES = 4, 3, 60
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
    """Stand in for a run's folder: a network that has learnt nothing, and random images."""
    draw = torch.Generator().manual_seed(0)
    counts = torch.zeros(IMAGES, CLASSES, dtype=torch.int64)
    counts[:, 1], counts[::2, 3] = 1, 2
    inputs = torch.rand(IMAGES, 2, 3, 3, generator=draw)
    boxes = torch.zeros(IMAGES, K, 4, dtype=torch.int64)
    test = ExampleSet(inputs, counts, labels_from_counts(counts, K), boxes, (9, 9))
    config = CrossEntropyConfig(hidden=8, meta_hidden=8, location_hidden=8)
    method = CrossEntropy(Task(CLASSES, K, (2, 3, 3)), config, Setup(torch.device("cpu"), 0, 1))
    there = SimpleNamespace(method=method, test=test)

    @contextmanager
    def restore_method(*_):
        yield there

    monkeypatch.setattr(decoding, "restore_method", restore_method)
    return there


def test_shares_repeat_the_likeliest_label_or_draw_from_all(decoding):
    counts = np.array([[0, 3, 0], [1, 1, 0], [0, 1, 2], [0, 0, 0]])
    drawn = [decoding.shares(counts, np.random.default_rng(seed)) for seed in range(2000)]
    assert drawn[0]["greedy"].tolist() == [[0, 3, 0], [2, 0, 0], [0, 0, 3], [0, 0, 0]]
    right = np.mean([(each["sampled"] == counts).all(1) for each in drawn], 0)
    # {a, b}: 2 of 4 draws. {b, c, c}: 3 orders of probability 1/3 x 2/3 x 2/3.
    assert right == pytest.approx([1, 1 / 2, 4 / 9, 1], abs=0.05)


def test_a_run_is_predicted_greedily_and_from_its_probabilities(
    decoding, trained, record_of, tmp_path
):
    record = record_of("mnist-multiset", RUN, seed=3)
    rows = decoding.of_run(record, tmp_path, tmp_path)
    assert [(row["method"], row["decoding"]) for row in rows] == [
        *(("cross-entropy", "greedy"), ("cross-entropy", "sampled")),
        *(("label shares", "greedy"), ("label shares", "sampled")),
    ]
    greedy = trained.method.predict(Batch(trained.test.inputs)).counts
    assert rows[0]["exact_match"] == (greedy == trained.test.counts).all(1).float().mean()
    assert decoding.of_run(record, tmp_path, tmp_path) == rows

    def forced(scores):
        return torch.full(scores.shape[:-1], 2)

    assert (decoding.decode(trained.method, trained.test, forced) == [0, 0, K + 1, 0]).all()


def test_a_table_keeps_the_rows_of_other_runs(decoding, trained, record_of, tmp_path, monkeypatch):
    for seed in (3, 4, 4):
        record = record_of("mnist-multiset", RUN, seed=seed)
        write_record(record, tmp_path / "record.json")
        table = str(tmp_path / "table.csv")
        monkeypatch.setattr(sys, "argv", ["decoding.py", str(tmp_path), "--table", table])
        decoding.main()
    rows = pd.read_csv(table, keep_default_na=False)
    assert rows[["method", "seed"]].value_counts().to_dict() == {
        (method, seed): 2 for method in ("cross-entropy", "label shares") for seed in (3, 4)
    }


def test_a_method_without_steps_is_refused(decoding, trained, record_of, tmp_path):
    trained.method = object()
    record = record_of("mnist-multiset", RUN | {"method": "count-classifier"})
    with pytest.raises(UsageError, match="count-classifier is not hsal-rl or one of its variants"):
        decoding.of_run(record, tmp_path, tmp_path)
