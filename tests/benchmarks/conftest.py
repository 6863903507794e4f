"""The benchmarks are scripts, not modules of a package: they are loaded from their folder."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from hsal_bench.record.correct import Correct
from hsal_bench.record.record import Activation, DataSet, Environment, Record

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NAMES = (
    *("reproduction", "reproduction_board", "reproduction_summary", "reproduce"),
    *("tune", "publish_model", "findings", "findings_figures", "leak", "decoding"),
)
MODEL, CONTENT = "cd" * 32, "ab" * 32


@pytest.fixture(scope="session")
def scripts():
    """The scripts by name."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def record():
    """Return a function that makes the record of an item's run, with some fields changed."""
    return lambda item, **fields: made_up(item.dataset, item.identity, **fields)


@pytest.fixture
def record_of():
    """Return a function that makes a record of a run on a dataset."""
    return made_up


def made_up(dataset, run, model=MODEL, content=CONTENT, **fields):
    """Return a record of a run as it might have been; 0.01 s an update."""
    updates = run["budget"]["updates"]
    values = {
        "status": "ok",
        "seed": 0,
        "metrics": {"exact_match": 1.0, "macro_f1": 0.95},
        "correct": Correct(8, "/w=="),
        "data_set": DataSet(dataset, content, {"test": 8}, f"{dataset}.h5"),
        "activation": Activation("small", "from scratch", model, 0.9),
        "updates": updates,
        "wall_s": updates / 100,
    }
    return Record(
        **(values | dict(run) | fields),
        device="cpu",
        environment=Environment("3.11", "0", "2.8", "2", "3", None, "linux"),
        git=None,
        started="2026-01-01T00:00:00+00:00",
        command="hsal-bench run",
    )
