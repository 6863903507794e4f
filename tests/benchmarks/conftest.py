"""The benchmarks are scripts, not modules of a package: they are loaded from their folder."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

FOLDERS = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "benchmarks")]
NAMES = ("reproduction", "attempts", "reproduction_summary", "reproduce", "tune", "fake_hsal_bench")


@pytest.fixture(scope="session")
def scripts():
    """The modules of the reproduction and the stand-in for hsal-bench, by name."""
    sys.path[:0] = FOLDERS
    try:
        return SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    finally:
        del sys.path[: len(FOLDERS)]
