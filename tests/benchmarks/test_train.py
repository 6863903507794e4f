"""The training benchmark: its arithmetic, and a run at toy size."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "train.py"


@pytest.fixture(scope="module")
def train():
    spec = importlib.util.spec_from_file_location("benchmark_train", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)
        spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_the_floor_is_what_takes_longer(train):
    rates = train.Rates({torch.float32: 100.0, torch.bfloat16: 400.0}, bytes=10.0)
    assert rates.floor(800.0, torch.float32, 10.0) == 8.0
    assert rates.floor(800.0, torch.bfloat16, 10.0) == 2.0
    assert rates.floor(800.0, torch.bfloat16, 50.0) == 5.0


def test_operations_are_those_of_the_product(train):
    a, b = torch.ones(3, 4), torch.ones(4, 5)
    assert train.count_operations(lambda: a @ b) == 2 * 3 * 4 * 5


def test_every_row_has_a_rate_and_two_ratios(train, monkeypatch, capsys):
    line = "train.py --device cpu --backbone small --hidden 8 --trajectories 1 --batches 4"
    line += " --image-batches 3 --matrix 32 --repeats 1 --methods hsal-rl multiset-loss"
    monkeypatch.setattr(sys, "argv", line.split())
    train.main()
    rows = re.findall(
        r"^([^\d\n]+), (\d+) +([\d,]+) +([\d.]+)x +([\d.]+)x$", capsys.readouterr().out, re.M
    )
    assert [(name, size) for name, size, *_ in rows] == [
        ("activation pass", "3"),
        ("fine-tuning update", "3"),
        ("hsal-rl update", "4"),
        ("multiset-loss update", "4"),
    ]
    # How large they are is the machine's affair: a hiccup may round one to nothing.
    assert all(float(number.replace(",", "")) >= 0 for row in rows for number in row[2:])
