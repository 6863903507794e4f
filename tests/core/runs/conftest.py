"""`hsal-bench run` on a toy dataset, with the method of constant.py."""

from pathlib import Path

import pytest

from hsal_bench.record.record import read_record

METHOD = Path(__file__).with_name("constant.py").read_text()


@pytest.fixture
def bench(tmp_path, toy_file, known_generators, monkeypatch, hsal_bench):
    """Return a function that runs `hsal-bench run` on the toy dataset: (code, out, err)."""
    (tmp_path / "constant.py").write_text(METHOD)
    monkeypatch.chdir(tmp_path)

    def run(*arguments, model="constant.py:Constant", command="run"):
        line = [command, "--model", model, "--dataset", toy_file]
        line += ["--device", "cpu", "--preset", "quick", "--updates", "4", "--batch-size", "8"]
        return hsal_bench(*line, *arguments)

    return run


@pytest.fixture
def seed_folder(tmp_path):
    """Return a function that finds the folder of the run of a method and a seed."""

    def seed_folder(label="Constant", seed=0):
        (folder,) = (tmp_path / "runs").glob(f"*/{label}/quick/seed-{seed}")
        return folder

    return seed_folder


@pytest.fixture
def recorded(seed_folder):
    """Return a function that reads the record of the run of a method and a seed."""
    return lambda label="Constant", seed=0: read_record(seed_folder(label, seed) / "record.json")
