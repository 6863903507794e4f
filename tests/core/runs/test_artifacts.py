"""What a run leaves next to its record."""

import csv
import json

import numpy as np
import pytest

from hsal_bench.record.correct import pack_correct
from hsal_bench.record.environment import utc_now
from hsal_bench.record.record import DataSet, Environment, PeakMemory, Record, write_record
from hsal_bench.runs import artifacts

PREDICTED = np.array([[2, 0, 0], [0, 0, 0], [0, 1, 0]])
TRUTH = np.array([[2, 0, 0], [1, 0, 0], [1, 0, 0]])


def _record(seed=0, **metrics):
    return Record(
        status="ok",
        method="constant",
        config={},
        preset="quick",
        seed=seed,
        budget={"updates": 1, "batch_size": 1},
        data_set=DataSet("toy", "5" * 64, {"test": 3}, "toy.h5"),
        activation=None,
        metrics={"exact_match": 1 / 3, "macro_f1": 0.25, **metrics},
        correct=pack_correct(np.array([True, False, False])),
        peak_memory_bytes=PeakMemory(1, None),
        device="cpu",
        environment=Environment("3.11", "0.1", "2.8", "2.0", "3.11", None, "Linux"),
        git=None,
        started=utc_now(),
        command="hsal-bench run",
        metrics_version=1,
    )


def test_per_class_is_a_line_per_class(tmp_path):
    path = tmp_path / "per_class.csv"
    artifacts.write_per_class(TRUTH, PREDICTED, ("a", "b, c", "d"), path)
    with path.open(newline="") as file:
        a, b, d = csv.DictReader(file)
    assert (a["class"], a["support"], a["predicted"], a["correct"]) == ("a", "4", "2", "2")
    assert (float(a["precision"]), float(a["recall"])) == (1.0, 0.5)
    assert (b["class"], b["support"], float(b["f1"])) == ("b, c", "0", 0.0)
    assert (d["support"], d["precision"], d["recall"], d["f1"]) == ("0", "", "", "")


@pytest.fixture
def runs(tmp_path):
    """Two runs, the second with a metric more, next to foreign files."""
    write_record(_record(), tmp_path / "a" / "record.json")
    write_record(_record(seed=1, rare=0.125), tmp_path / "b" / "record.json")
    (tmp_path / "settings.json").write_text("{}")
    (tmp_path / "fore\x1bign").mkdir()
    (tmp_path / "fore\x1bign" / "record.json").write_text("[1]")
    older = json.loads((tmp_path / "a" / "record.json").read_text()) | {"record_version": 0}
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "record.json").write_text(json.dumps(older))
    return tmp_path


def test_foreign_and_older_records_are_left_out_with_a_warning_each(runs, capsys):
    artifacts.report([_record(), _record(seed=1, rare=0.125)], runs, as_json=True)
    captured = capsys.readouterr()
    warnings = [line for line in captured.err.splitlines() if line.startswith("skipped: ")]
    assert len(warnings) == 3
    assert f"{runs}/fore\\x1bign/record.json is not a result record" in warnings[0]
    assert "has record version 0" in warnings[1]
    assert f"{runs}/settings.json is not a result record" in warnings[2]
    (row,) = json.loads(captured.out)
    assert (row["method"], row["n"], row["macro_f1"]) == ("constant", 2, 0.25)


def test_the_tables_hold_every_run_and_every_metric(runs, capsys):
    artifacts.report([_record()], runs, as_json=False)
    assert "constant" in capsys.readouterr().out
    assert "| constant" in (runs / "table.md").read_text()
    (row,) = csv.DictReader((runs / "table.csv").read_text().splitlines())
    assert (row["method"], row["n"]) == ("constant", "2")
    assert "rare" in row
