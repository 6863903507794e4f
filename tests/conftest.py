"""Shape and type annotations are checked while the tests run (jaxtyping with beartype)."""

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
