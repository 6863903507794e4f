"""Shape and type annotations are checked while the tests run; the command line; records."""

import dataclasses
import os
import signal
import sys

import pytest
from jaxtyping import install_import_hook

CHECKED = [
    "hsal_bench.metrics.multiset",
    "hsal_bench.metrics.scores",
    "hsal_bench.metrics.attention",
    "hsal_bench.training.batches",
    "hsal_bench.method.contract",
    "hsal_bench.training.backbones",
    "hsal_bench.baselines",
]
# Before anything imports them: the fixtures import what they need.
if not any(name in sys.modules for name in CHECKED):
    install_import_hook(CHECKED, "beartype.beartype")

if "PYTEST_XDIST_WORKER" in os.environ:
    # Before torch is imported: a worker for each core, and each with threads for all of them, would
    # wait for one another most of the time.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _signals_as_before():
    """The command line changes what its process does with signals."""
    hook = sys.unraisablehook
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    sys.unraisablehook = hook
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def hsal_bench(monkeypatch, capsys):
    """Return a function that runs `hsal-bench` with arguments in this process: (code, out, err)."""
    from hsal_bench.cli import main as cli

    def hsal_bench(*arguments):
        monkeypatch.setattr("sys.argv", ["hsal-bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, *capsys.readouterr()

    return hsal_bench


@pytest.fixture(scope="session")
def ok():
    """Return a function that makes a record of a run that succeeded, changed as asked.

    Of 20 images so many are right that the exact match is the one asked for; `correct` says it for
    other images, and the size of the test split is theirs.
    """
    import numpy as np

    from hsal_bench.record.correct import pack_correct
    from hsal_bench.record.environment import Environment
    from hsal_bench.record.record import Activation, DataSet, Record

    environment = Environment("3.11.7", "0.1.0", "2.8.0", "2.0.0", "3.11.0", None, "Linux")
    multiset = DataSet("mnist-multiset", "ab12" * 16, {"train": 60, "test": 20}, "m.h5")

    def ok(method="hsal-rl", seed=0, exact_match=0.5, **changes):
        metrics = {"exact_match": exact_match, "macro_f1": 0.75} | changes.pop("metrics", {})
        images = np.arange(20) < round(20 * metrics["exact_match"])
        correct = changes.pop("correct", pack_correct(images))
        metrics["exact_match"] = correct.right / correct.length
        data_set = changes.pop("data_set", multiset)
        data_set = dataclasses.replace(data_set, sizes={**data_set.sizes, "test": correct.length})
        values = {
            "status": "ok",
            "method": method,
            "config": {"learning_rate": 0.001},
            "preset": "quick",
            "seed": seed,
            "budget": {"updates": 100, "batch_size": 64},
            "data_set": data_set,
            "activation": Activation("small", "from scratch on mnist-single", "cd" * 32, 0.98),
            "metrics": metrics,
            "correct": correct,
            "updates": 100,
            "wall_s": 1234.5,
            "device": "cpu",
            "environment": environment,
            "git": None,
            "started": f"2025-01-02T03:04:{seed:02}+00:00",
            "command": "hsal-bench run --model hsal-rl",
            "metrics_version": 1,
        }
        return Record(**(values | changes))

    return ok


@pytest.fixture(scope="session")
def elsewhere(ok):
    """Return a function that makes a record of predictions that were made elsewhere."""
    from hsal_bench.record.external_entry import Statement

    def elsewhere(method="theirs", extra_data=(), **changes):
        stated = Statement(
            entry="unofficial",
            authors=("A. Author", "B. Author"),
            link="https://example.org/paper",
            extra_data=extra_data,
            training_compute="two days on one GPU",
        )
        unknown = dict.fromkeys(("preset", "activation", "environment", "updates", "wall_s"))
        return ok(method, **unknown | {"config": {}, "budget": {}, "stated": stated} | changes)

    return elsewhere


@pytest.fixture(scope="session")
def bad(ok):
    """Return a function that makes a record of a run that did not succeed."""

    def bad(status="failed", reason="the loss is nan", **changes):
        nothing = {"metrics": {}, "correct": None}
        return dataclasses.replace(ok(**changes), status=status, reason=reason, **nothing)

    return bad
