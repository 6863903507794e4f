"""The benchmarks are scripts, not modules of a package: they are loaded from their folder."""

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

FOLDERS = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "benchmarks")]
NAMES = (
    *("reproduction", "reproduction_board", "reproduction_summary", "work_queue", "reproduce"),
    *("tune", "publish_model", "fake_hsal_bench"),
)


@pytest.fixture(scope="session")
def scripts():
    """The modules of the reproduction and the stand-in for hsal-bench, by name."""
    sys.path[:0] = FOLDERS
    try:
        return SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    finally:
        del sys.path[: len(FOLDERS)]


@pytest.fixture
def record(scripts):
    """Return a function that makes the record of an item's run, with some fields changed."""
    return lambda item, **fields: scripts.fake_hsal_bench.record(
        item.dataset, item.seed, expected(item), **fields
    )


@pytest.fixture
def known_runs(tmp_path, monkeypatch):
    """Return a function that tells the stand-in for hsal-bench what it will be asked to run."""

    def write(items):
        runs = {f"{item.out(Path()).name}/{item.variant}": expected(item) for item in items}
        (tmp_path / "known.json").write_text(json.dumps(runs))
        monkeypatch.setenv("FAKE_KNOWN", str(tmp_path / "known.json"))

    return write


def expected(item):
    """Return what decides an item's run, and its folder."""
    names = ("method", "config", "preset", "budget", "metrics_version")
    return {name: item.identity[name] for name in names} | {"folder": item.entry.folder}
