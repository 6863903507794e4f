"""`hsal-bench evaluate`: what a run wrote scores as its record says; problems are reported."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

import hsal_bench as hb
from hsal_bench.data.file import open_data
from hsal_bench.metrics.scores import MEANINGS
from hsal_bench.record.external_entry import UNSTATED
from hsal_bench.record.predictions import read_predictions
from hsal_bench.record.record import read_record

METHOD = '''
from dataclasses import dataclass
import torch
from hsal_bench.method.contract import Prediction

@dataclass(frozen=True)
class Config:
    pass

class Brightness:
    """As many objects of a class as the image's corner is bright."""
    Config, inputs = Config, "images"

    def __init__(self, task, config, setup):
        self.classes = task.num_classes

    def update(self, batch):
        return {"loss": torch.zeros(())}

    def predict(self, batch, *, trace=False):
        bright = (batch.inputs.flatten(1)[:, ::7] * 1000).long()
        counts = bright[:, : self.classes] % 3
        return Prediction(counts, confidence=bright.float().mean(1) / 7)

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass
'''


@pytest.fixture
def call(tmp_path, toy_file, known_generators, monkeypatch, hsal_bench):
    """Return a function that runs `hsal-bench` in the toy file's folder: (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")  # as wide as in a log, wherever the tests run
    return hsal_bench


@pytest.fixture
def perfect(tmp_path, toy_file):
    """A predictions file that says what the test split holds."""
    with open_data(toy_file) as data:
        labels = data.read("test", "labels").tolist()
    lines = [{"id": row, "labels": [y for y in ys if y >= 0]} for row, ys in enumerate(labels)]
    path = tmp_path / "perfect.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_what_a_run_wrote_scores_exactly_as_its_record(call, tmp_path, toy_file):
    (tmp_path / "bright.py").write_text(METHOD)
    line = ["--dataset", toy_file, "--device", "cpu", "--preset", "quick", "--updates", 1]
    code, _, err = call("run", "--model", "bright.py:Brightness", *line)
    assert code == 0, err
    (folder,) = (tmp_path / "runs").glob("*/Brightness/quick/seed-0")
    code, out, _ = call("evaluate", folder / "predictions.jsonl", "--dataset", toy_file, "--json")
    record = read_record(folder / "record.json")
    assert code == 0
    report = json.loads(out)
    assert report["metrics"] == json.loads((folder / "record.json").read_text())["metrics"]
    assert 0.0 < report["metrics"]["macro_f1"] < 1.0
    assert report["data_set"] == {
        "name": record.data_set.name,
        "content_sha256": record.data_set.content_sha256,
    }
    assert (report["split"], report["images"], report["metrics_version"]) == ("test", 60, 1)


def test_the_headline_with_what_was_scored(call, perfect):
    code, out, err = call("evaluate", perfect, "--dataset", "toy", "--datasets", ".")
    assert (code, err) == (0, "")
    title, head, _, *lines = [line.strip() for line in out.splitlines()]
    assert title.startswith("perfect.jsonl on toy, 60 images of test (content ")
    assert title.endswith(", metrics 1)")
    assert head.split() == ["metric", "value", "meaning"]
    assert [line.split()[:2] for line in lines] == [
        ["exact_match", "1.000"],
        ["macro_f1", "1.000"],
        ["cardinality_accuracy", "1.000"],
        ["multiset_iou", "1.000"],
    ]
    assert lines[0].endswith(MEANINGS["exact_match"])


def test_all_metrics_to_a_file(call, perfect, tmp_path):
    line = ("evaluate", perfect, "--dataset", "toy-x.h5", "--all", "-o", "new/scores.csv")
    assert call(*line) == (0, "", f"wrote {tmp_path / 'new/scores.csv'}\n")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "new" / "scores.csv").read_text())))
    assert [row["metric"] for row in rows[:2]] == ["exact_match", "macro_f1"]
    assert {row["metric"] for row in rows} > {"overall_precision", "exact_match_m3", "multiset_iou"}
    code, out, _ = call("evaluate", perfect, "--dataset", "toy-x.h5", "--format", "markdown")
    assert code == 0
    assert "| exact_match | 1.000 | share of images" in out


def test_json_to_a_file(call, perfect, tmp_path):
    line = ("evaluate", perfect, "--dataset", "toy-x.h5", "--json", "-o", "scores.json")
    assert call(*line) == (0, "", f"wrote {tmp_path / 'scores.json'}\n")
    assert json.loads((tmp_path / "scores.json").read_text())["metrics"]["exact_match"] == 1.0


def test_predictions_from_standard_input(call, perfect, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(perfect.read_bytes())))
    code, out, err = call("evaluate", "-", "--dataset", "toy-x.h5", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["predictions"], found["metrics"]["exact_match"]) == ("standard input", 1.0)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"{}\n")))
    code, _, err = call("evaluate", "-", "--dataset", "toy-x.h5")
    assert code == 2
    assert err.endswith("error: standard input cannot be scored, 2 problems (dataset toy-x.h5)\n")


def test_another_split_has_other_images(call, perfect):
    line = ("evaluate", perfect, "--dataset", "toy-x.h5", "--split", "valid")
    assert call(*line) == (
        2,
        "",
        f"error: {perfect} has 60 lines: valid has 40 images, test has 60; did you mean "
        "--split test?\n",
    )
    perfect.write_text("".join(perfect.read_text().splitlines(keepends=True)[:50]))
    code, out, err = call(*line)
    assert (code, out) == (2, "")
    assert err == (
        f"error: {perfect} cannot be scored: line 41: id 40 is not in this split: ids go "
        "from 0 to 39 (also lines 42-50) (dataset toy-x.h5)\n"
    )
    perfect.write_text("".join(perfect.read_text().splitlines(keepends=True)[:40]))
    code, out, err = call("evaluate", perfect, "--dataset", "toy-x.h5")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {perfect} has 40 lines: test has 60 images, valid")


def test_problems_stand_on_lines_of_their_own(call, perfect):
    lines = perfect.read_text().splitlines()
    perfect.write_text("\n".join(["{}", "[]", *lines[2:]]))
    assert call("evaluate", perfect, "--dataset", "toy-x.h5") == (
        2,
        "",
        "line 1: the key 'id' is missing\n"
        'line 2: [] is not an object: write {"id": 0, "labels": [...]}\n'
        f"error: {perfect} cannot be scored, 2 problems (dataset toy-x.h5)\n",
    )


def test_one_problem_is_one_line(call, perfect):
    perfect.write_text(perfect.read_text().replace('"id": 7,', '"id": 7, "x": 1,'))
    code, out, err = call("evaluate", perfect, "--dataset", "toy-x.h5")
    assert (code, out) == (2, "")
    assert err == (
        f"error: {perfect} cannot be scored: "
        'line 8: unknown key "x": known: id, labels, confidence (dataset toy-x.h5)\n'
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.jsonl", "--dataset", "toy-x.h5"], "no predictions file none.jsonl: give a file"),
        (["perfect.jsonl", "--dataset", "toyy"], "did you mean 'toy'?"),
        (
            ["perfect.jsonl", "--dataset", "toy-large"],
            "no dataset file data/toy-large-x.h5: build it with "
            "`hsal-bench generate toy-large --out data`",
        ),
        (["perfect.jsonl", "--dataset", "toy.h5"], "no dataset file toy.h5: build it with"),
        (["perfect.jsonl"], "no dataset 'mnist-multiset' and no file data/mnist-multiset.h5"),
        (["perfect.jsonl", "--dataset", "toy-x.h5", "-o", "x.txt"], "x.txt: unknown suffix"),
        (
            ["perfect.jsonl", "--dataset", "toy-x.h5", "--json", "--format", "csv"],
            "--json and --format: use only one of the two",
        ),
        (
            ["perfect.jsonl", "--dataset", "toy-x.h5", "--json", "-o", "x.csv"],
            "--json and -o x.csv: the suffix means csv; use .json, or drop --json",
        ),
    ],
)
def test_wrong_use_is_refused(call, perfect, arguments, said):
    code, out, err = call("evaluate", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_scoring_needs_no_torch(perfect, toy_file):
    code = (
        "import sys; from hsal_bench.cli import main as cli\n"
        f"sys.argv = ['hsal-bench', 'evaluate', {str(perfect)!r}, '--dataset', {str(toy_file)!r}]\n"
        "try: cli.main()\n"
        "finally: print('torch' in sys.modules, 'pandas' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "False False\n")


def test_a_recorded_method_stands_next_to_the_runs(call, perfect, tmp_path):
    line = ("evaluate", perfect, "--dataset", "toy", "--datasets", ".", "--as", "theirs")
    path = Path("runs/toy/theirs/elsewhere/seed-0/record.json")
    code, out, err = call(*line, "-o", "runs")
    assert (code, err) == (0, f"record written: {path}\n")
    assert out.lstrip().startswith("perfect.jsonl on toy, 60 images")
    record = read_record(tmp_path / path)
    assert (record.method, record.metrics["exact_match"], record.stated) == ("theirs", 1, UNSTATED)
    assert read_predictions(path.with_name("predictions.jsonl"), 60, 3)[0].sum() == 120
    assert call(*line, "--seed", 7, "--json")[0] == 0  # without -o, the folder is runs too
    assert list(hb.records("runs").seed) == [0, 7]
    code, out, _ = call("table", "runs", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert (code, row["method"], row["n"], row["exact_match"]) == (0, "theirs", "2", "1.0")
    assert row["note"] == "predictions made elsewhere; their training is not stated"
    assert "elsewhere; the training is not stated" in call("table", path, "--all")[1]
    assert call("leaderboard", "runs", "-o", "board.html")[0] == 0
    assert "Their training is not stated." in (tmp_path / "board.html").read_text()
    assert call("compare", path.parent, perfect, "--datasets", ".")[0] == 0


def test_a_record_is_not_replaced_by_that_of_other_predictions(call, perfect, tmp_path):
    line = ("evaluate", perfect, "--dataset", "toy-x.h5", "--as", "theirs")
    assert call(*line)[0] == call(*line)[0] == 0  # the same predictions again
    rows = perfect.read_text().splitlines()
    perfect.write_text("\n".join(['{"id": 0, "labels": []}', *rows[1:]]))
    code, _, err = call(*line)
    assert (code, "records other predictions: use another --as" in err) == (2, True)
    assert call(*line, "--force")[0] == 0
    (path,) = (tmp_path / "runs").rglob("record.json")
    assert read_record(path).metrics["exact_match"] < 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--as", "../x"], "--as is '../x': a name has"),
        (["--as", "hsal-rl"], "--as hsal-rl: this is a method of hsal-bench; use another name"),
        (["--as", "x", "--split", "valid"], "drop --split valid, or --as"),
        (["--as", "x", "-o", "scores.md"], "-o scores.md must be a folder, such as runs"),
        (["--seed", "1"], "--seed 1 is for a record: add --as NAME, or drop it"),
    ],
)
def test_options_that_do_not_fit_a_record(call, perfect, options, problem):
    code, out, err = call("evaluate", perfect, "--dataset", "toy-x.h5", *options)
    assert (code, out, problem in err) == (2, "", True), err
