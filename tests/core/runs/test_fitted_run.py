"""`run` with a method that is fitted: resume, evaluation elsewhere, and its marks in reports."""

import json
import shutil
from pathlib import Path

import pytest

import hsal_bench as hb
from hsal_bench.record.record import read_record
from hsal_bench.runs import artifacts
from hsal_bench.training import fit as fitting

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
MODEL = "neighbours.py:Neighbours"
OWN = "own budget: fitted without a limit on updates or time"
MEAN = """
import torch
from hsal_bench.method.contract import Prediction
from hsal_bench.method.fitted import Fitted

class Mean(Fitted):
    inputs = "images"

    def fit(self, train, valid):
        assert self.setup.updates == 0
        self.mean = train.counts.double().mean(0).round().long()

    def predict(self, batch, *, trace=False):
        return Prediction(self.mean.expand(len(batch.inputs), -1))
"""


@pytest.fixture
def bench(tmp_path, toy_file, known_generators, monkeypatch, hsal_bench):
    """Return a function that runs `hsal-bench run` on the toy dataset: (code, out, err)."""
    shutil.copy(EXAMPLES / "neighbours.py", tmp_path)
    (tmp_path / "mean.py").write_text(MEAN)
    monkeypatch.chdir(tmp_path)

    def run(*arguments, model=MODEL):
        line = ["run", "--model", model, "--dataset", toy_file]
        line += ["--device", "cpu", "--preset", "quick", "--fine-tune-updates", "2"]
        return hsal_bench(*line, *arguments)

    return run


def test_the_example_runs_and_its_record_has_its_own_budget(bench, recorded):
    code, _, err = bench()
    assert code == 0, err
    assert "Neighbours seed 0: fitting in runs" in err
    record = recorded("Neighbours")
    assert record.own_budget
    assert record.budget == {}
    assert (record.updates, record.selected_update, record.throughput_train) == (None,) * 3
    assert record.activation is not None
    assert record.wall_s > 0
    (line,) = record.curve
    assert 0.0 <= line["valid_exact_match"] <= 1.0


def test_a_killed_run_scores_the_finished_fit_with_the_same_result(
    bench, tmp_path, monkeypatch, recorded
):
    assert bench(model="mean.py:Mean")[0] == 0
    whole = recorded("Mean")
    shutil.rmtree(tmp_path / "runs")
    with monkeypatch.context() as patch:
        patch.setattr(artifacts, "write_per_class", _interrupt)
        assert bench(model="mean.py:Mean")[0] != 0
    monkeypatch.setattr(fitting, "learn", _interrupt)  # must not be called
    code, _, err = bench(model="mean.py:Mean")
    assert code == 0, err
    assert "Mean seed 0: already fitted, in" in err
    resumed = recorded("Mean")
    assert resumed.metrics == whole.metrics
    assert resumed.predictions_sha256 == whole.predictions_sha256
    assert "done before" in bench(model="mean.py:Mean")[2]


def _interrupt(*arguments, **names):
    raise KeyboardInterrupt


def test_the_budget_of_the_command_does_not_concern_it(bench):
    assert bench(model="mean.py:Mean")[0] == 0
    code, _, err = bench("--updates", 7, "--batch-size", 3, model="mean.py:Mean")
    assert (code, "done before" in err) == (0, True), err


def test_it_is_evaluated_on_another_dataset(bench, tmp_path, another_toy, seed_folder):
    another_toy("near")
    code, _, err = bench("--eval-on", tmp_path / "near.h5", model="mean.py:Mean")
    assert code == 0, err
    record = read_record(seed_folder("Mean") / "on" / "near" / "record.json")
    assert (record.status, record.own_budget) == ("ok", True)


def test_a_fit_that_fails_is_recorded(bench, tmp_path, recorded):
    (tmp_path / "mean.py").write_text(MEAN.replace(".double()", ".missing()"))
    assert bench(model="mean.py:Mean")[0] == 1
    record = recorded("Mean")
    assert record.status == "failed"
    assert record.reason.startswith("AttributeError: ")


def test_tables_and_the_page_mark_it(bench, tmp_path, hsal_bench):
    shutil.copy(EXAMPLES / "small_cnn.py", tmp_path)
    models = "mean.py:Mean,small_cnn.py:SmallCNN+width=1"
    code, _, err = bench("--updates", 4, "--batch-size", 8, model=models)
    assert code == 0, err
    table = (tmp_path / "runs" / "table.md").read_text()
    assert f"[1] {OWN}" in table
    assert "| Mean [1] |" in table
    assert (
        "Not under equal conditions: updates 4, batch size 8, updates between validations 1 "
        "(SmallCNN) against own budget (Mean)"
    ) in table or (
        "Not under equal conditions: own budget (Mean) against updates 4, batch size 8, updates "
        "between validations 1 (SmallCNN)"
    ) in table
    assert hsal_bench("leaderboard", "runs", "-o", "board.html")[0] == 0
    page = (tmp_path / "board.html").read_text()
    assert "run here, own budget" in page
    assert OWN in page


def test_a_class_runs_from_python(toy_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)
    from neighbours import Neighbours

    images = type(
        "PixelNeighbours", (Neighbours,), {"inputs": "images", "__module__": "neighbours"}
    )
    monkeypatch.setattr("neighbours.PixelNeighbours", images, raising=False)
    choices = {"preset": "quick", "device": "cpu", "settings": {"cells": 6, "most": 300}}
    (record,) = hb.run(models=[images], dataset=toy_file, **choices)
    assert (record.status, record.own_budget) == ("ok", True), record.reason
    (row,) = hb.records("runs").to_dict("records")
    assert row["own_budget"]
    state = json.loads(next(Path("runs").rglob("record.json")).read_text())
    assert (state["own_budget"], state["budget"], state["updates"]) == (True, {}, None)
