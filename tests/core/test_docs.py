"""docs/add-a-method.md shows the code of the examples, and the examples work."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hsal_bench as hb
from hsal_bench.conformance import check as conformance
from hsal_bench.method.load import load_method
from hsal_bench.record.record import read_record

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS / "examples"
PAGE = (DOCS / "add-a-method.md").read_text()
METHODS = ("my_counter.py:MyCounter", "small_cnn.py:SmallCNN", "neighbours.py:Neighbours")
FILES = (
    *(method.partition(":")[0] for method in METHODS),
    *("toy-package/pyproject.toml", "toy-package/toy_attention.py"),
)


def _blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.S | re.M)


def test_the_code_shown_is_the_code_of_the_files():
    shown = [*_blocks("python"), *_blocks("toml")]
    for name in FILES:
        text = (EXAMPLES / name).read_text()
        assert text in shown, name
        assert text.count("\n") <= 60


def test_the_test_it_shows_passes(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    (test,) = (block for block in _blocks("python") if "def test_" in block)
    names = {}
    exec(test, names)
    names["test_my_counter_keeps_the_contract"]()


def test_the_file_trains_and_is_scored(
    tmp_path, toy_file, known_generators, monkeypatch, hsal_bench
):
    shutil.copy(EXAMPLES / "my_counter.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    line = "run --model my_counter.py:MyCounter --set hidden=16 --device cpu"
    line += f" --preset quick --updates 4 --fine-tune-updates 2 --dataset {toy_file}"
    code, _, err = hsal_bench(*line.split())
    assert code == 0, err
    (path,) = (tmp_path / "runs").rglob("record.json")
    assert path.parts[-4] == "MyCounter+hidden=16"
    assert read_record(path).metrics["exact_match"] >= 0.0


@pytest.mark.parametrize("method", METHODS)
def test_the_methods_keep_the_contract(method):
    assert conformance.failures(conformance.check_method(load_method(f"{EXAMPLES}/{method}"))) == []


def test_the_cnn_trains_on_the_images(tmp_path, toy_file, known_generators, monkeypatch):
    monkeypatch.chdir(tmp_path)
    choices = {"preset": "quick", "device": "cpu", "updates": 30, "settings": {"width": 4}}
    (record,) = hb.run(f"{EXAMPLES}/small_cnn.py:SmallCNN", dataset=toy_file, **choices)
    assert (record.status, record.activation) == ("ok", None), record.reason
    first, *_, last = (line["loss"] for line in record.curve[1:])
    assert last < first


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return a function that runs hsal-bench where the toy package is installed too."""
    folder = tmp_path_factory.mktemp("package")
    # Build in a copy, so that no build files are left among the examples.
    source = shutil.copytree(EXAMPLES / "toy-package", folder / "source")
    target = folder / "target"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", target, source], check=True, capture_output=True)

    def call(*arguments):
        code = "from hsal_bench.cli import main as cli; cli.main()"
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(target)},
        )

    return call


def test_an_installed_method_is_listed(installed):
    assert re.search("^  toy-attention", installed("list").stdout, re.M)


@pytest.mark.slow
def test_an_installed_method_is_checked_by_its_name(installed):
    listed = installed("list", "toy-attention").stdout
    assert "One attention map in [0, 1] per class" in listed
    checked = installed("check-method", "toy-attention")
    assert (checked.returncode, checked.stderr) == (0, "")
    skipped = ("more objects", "trace")
    passed = len(conformance.NAMES) - len(skipped)
    summary = f"toy-attention: {passed} checks passed, 2 skipped: {', '.join(skipped)}\n"
    assert checked.stdout.endswith(summary)


@pytest.mark.slow
def test_an_installed_method_runs_by_its_name(installed, tmp_path):
    generated = installed(
        *("generate", "mnist-multiset", "mnist-single", "--source", "synthetic"),
        *("--train", 128, "--valid", 32, "--test", 32, "--out", tmp_path),
    )
    assert generated.returncode == 0, generated.stderr
    done = installed(
        *("run", "--model", "toy-attention", "--dataset", tmp_path / "synthetic-multiset.h5"),
        *("--datasets", tmp_path, "--out", tmp_path / "runs", "--preset", "quick"),
        *("--device", "cpu", "--updates", 4, "--fine-tune-updates", 2),
    )
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "runs").rglob("record.json")
    assert read_record(path).method == "toy-attention"
