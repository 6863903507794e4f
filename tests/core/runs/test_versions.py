"""`--restart METHOD` and `--tag`: one method of a grid starts over, or keeps its old version."""

from functools import partial
from pathlib import Path

import pytest

import hsal_bench as hb
from hsal_bench.errors import UsageError
from hsal_bench.record.record import read_record
from hsal_bench.runs import methods
from hsal_bench.runs import request as requests

METHOD = Path(__file__).with_name("constant.py").read_text().replace("Constant", "A")
METHOD += "\n\nclass B(A):\n    pass\n"
BOTH = "a.py:A,a.py:A+label=1,a.py:B"


@pytest.fixture
def bench(bench, tmp_path):
    (tmp_path / "a.py").write_text(METHOD)
    return partial(bench, model=BOTH)


def _written(tmp_path):
    """Return when the record of each label was written."""
    paths = (tmp_path / "runs").rglob("record.json")
    return {path.parts[-4]: path.stat().st_mtime_ns for path in paths}


def _changed(tmp_path, before):
    after = _written(tmp_path)
    return {label for label in after if after[label] != before.get(label)}


@pytest.mark.parametrize(
    ("given", "restarted"),
    [
        (["--restart"], {"A", "A+label=1", "B"}),
        (["--restart", "all"], {"A", "A+label=1", "B"}),
        (["--restart", "A"], {"A", "A+label=1"}),
        (["--restart", "A+label=1"], {"A+label=1"}),
        (["--restart", "A+label=1,a.py:B"], {"A+label=1", "B"}),
        (["--restart", "a.py:A+label=1"], {"A+label=1"}),
        ([], set()),
    ],
)
def test_restart_discards_the_named_runs_alone(bench, tmp_path, given, restarted):
    assert bench()[0] == 0
    before = _written(tmp_path)
    code, _, err = bench(*given)
    assert code == 0, err
    assert _changed(tmp_path, before) == restarted


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--restart", "C"], "--restart C: it is not in this run; known: A, A+label=1, B"),
        (["--restart", "A,A"], "duplicate A in --restart"),
        (["--tag", "v2"], "--tag v2: name the method, as in --tag A:v2"),
        (["--tag", "C:v2"], "--tag C:v2: 'C' is not in this run"),
        (["--tag", "A:v/2"], "tag 'v/2': use 1 to 40 letters, digits, '.', '_' and '-'"),
        (["--tag", "A:"], "tag '': use 1 to 40"),
    ],
)
def test_a_wrong_name_is_refused_before_any_work(bench, tmp_path, given, message):
    code, _, err = bench(*given)
    assert code == 2
    assert f"error: {message}" in err
    assert not (tmp_path / "runs").exists()


def test_a_new_version_is_refused_restarted_or_tagged(bench, tmp_path):
    assert bench()[0] == 0
    before = _written(tmp_path)
    changed = METHOD.replace("class B(A):\n    pass", "class B(A):\n    inputs = 'images'")
    (tmp_path / "b.py").write_text(METHOD)
    (tmp_path / "a.py").write_text(changed)
    models = "a.py:A,b.py:B"  # b.py has the code that a.py had
    code, _, err = bench(model=models)
    assert code == 2
    assert err.splitlines()[-1].endswith(
        "belongs to another run (another version of A): use another --out, or --restart A to "
        "start over; --tag TEXT keeps both versions"
    )
    code, _, err = bench("--tag", "A:v2", model=models)
    assert code == 0, err
    assert _changed(tmp_path, before) == {"A+tag=v2"}
    table = (tmp_path / "runs" / "table.md").read_text()
    assert "| A |" in table
    assert "| A+tag=v2 |" in table
    before = _written(tmp_path)
    assert bench("--tag", "A:v2", model=models)[0] == 0
    assert _changed(tmp_path, before) == set()
    assert bench("--restart", "A", model=models)[0] == 0
    assert _changed(tmp_path, before) == {"A"}


def test_two_files_with_one_class_name_run_side_by_side(bench, tmp_path):
    (tmp_path / "new.py").write_text(METHOD.replace("label: int = 0", "label: int = 1"))
    code, _, err = bench(model="a.py:A,new.py:A")
    assert code == 2
    assert "add +tag=TEXT to one of them" in err
    code, _, err = bench(model="a.py:A,new.py:A+tag=v2")
    assert code == 0, err
    paths = {path.parts[-4]: path for path in (tmp_path / "runs").rglob("record.json")}
    labels = {label: read_record(path).config["label"] for label, path in paths.items()}
    assert labels == {"A": 0, "A+tag=v2": 1}
    assert read_record(paths["A+tag=v2"]).settings == {"tag": "v2"}


def test_a_tag_changes_the_name_alone():
    plain, tagged = (methods.method_run(m, "quick", {}) for m in ("cnn-rnn", "cnn-rnn+tag=v2"))
    assert tagged.label == "cnn-rnn+tag=v2"
    assert tagged.config == plain.config
    request = requests.Request(("cnn-rnn+hidden=8",), tag="v2")
    (entry,) = methods.method_runs(request, "quick")
    assert entry.label == "cnn-rnn+hidden=8+tag=v2"


def test_python_takes_both(toy_file, tmp_path, known_generators, monkeypatch):
    (tmp_path / "a.py").write_text(METHOD)
    monkeypatch.chdir(tmp_path)
    choices = {"dataset": toy_file, "preset": "quick", "device": "cpu", "updates": 2}
    hb.run(["a.py:A", "a.py:B"], **choices)
    before = _written(tmp_path)
    hb.run(["a.py:A", "a.py:B"], restart="B", **choices)
    assert _changed(tmp_path, before) == {"B"}
    hb.run("a.py:A", tag="v2", **choices)
    assert _changed(tmp_path, before) == {"B", "A+tag=v2"}
    with pytest.raises(UsageError, match="--restart C: it is not in this run"):
        hb.run("a.py:A", restart=["C"], **choices)
