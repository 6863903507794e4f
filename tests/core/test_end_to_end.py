"""Whole processes on synthetic digits: killed and taken up again, and out of disk space."""

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hsal_bench.record.record import read_record

pytestmark = pytest.mark.slow

HSAL_BENCH = [sys.executable, "-m", "hsal_bench"]
GENERATE = (
    "generate mnist-single mnist-multiset --source synthetic --train 512 --valid 64 --test 64 "
    "--workers 1"
)
RUN = (
    "run --model hsal-rl --preset quick --device cpu --dataset data/synthetic-multiset.h5 "
    "--fine-tune-updates 4 --updates 60 --eval-every 5 --batch-size 16 --set hidden=32"
)


def _heed_interrupts() -> None:
    # Started from a shell's background job, the tests ignore SIGINT, and so would the child.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _start(
    folder: Path, line: str, preexec_fn: Callable[[], None] = _heed_interrupts
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*HSAL_BENCH, *line.split()],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=preexec_fn,
    )


def _finish(process: subprocess.Popen[str], code: int = 0) -> str:
    out, err = process.communicate(timeout=600)
    assert process.returncode == code, err
    return out + err


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the datasets, the activations, and one uninterrupted run in `whole`."""
    path = tmp_path_factory.mktemp("end-to-end")
    _finish(_start(path, GENERATE))
    _finish(_start(path, f"{RUN} --out whole"))
    return path


def _seed_folder(folder: Path, out: str) -> Path:
    return folder / out / "synthetic-multiset" / "hsal-rl+hidden=32" / "quick" / "seed-0"


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_an_ended_training_goes_on_and_comes_to_the_same_result(folder, ending):
    out = f"ended-{ending.name}"
    process = _start(folder, f"{RUN} --out {out}")
    checkpoint = _seed_folder(folder, out) / "checkpoint.pt"
    deadline = time.monotonic() + 300
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(ending)
    _, err = process.communicate(timeout=60)
    assert not (_seed_folder(folder, out) / "record.json").exists()
    if ending == signal.SIGINT:
        assert process.returncode == 130
        assert "interrupted: run the same command to resume" in err
    _finish(_start(folder, f"{RUN} --out {out}"))
    for name in ("metrics.jsonl", "predictions.jsonl"):
        whole, ended = (_seed_folder(folder, run) / name for run in ("whole", out))
        assert ended.read_text() == whole.read_text()
    records = [read_record(_seed_folder(folder, run) / "record.json") for run in ("whole", out)]
    assert records[0].metrics == records[1].metrics


def test_the_trained_run_has_all_its_outputs(folder):
    names = {path.name for path in _seed_folder(folder, "whole").iterdir()}
    assert {"record.json", "predictions.jsonl", "attention.png", "metrics.jsonl"} <= names
    record = read_record(_seed_folder(folder, "whole") / "record.json")
    assert record.activation.weights == "from scratch, fine-tuned on synthetic-single"
    lines = (_seed_folder(folder, "whole") / "predictions.jsonl").read_text().splitlines()
    assert len(lines) == 64
    assert set(json.loads(lines[0])) == {"id", "labels", "confidence"}


def test_no_space_for_a_data_set_leaves_what_was_there(folder, tmp_path):
    before = (folder / "data" / "synthetic-multiset.h5").read_bytes()
    line = f"{GENERATE} --seed 3 --force"
    text = _finish(_start(folder, line, preexec_fn=_little_space), code=1)
    assert "no space left" in text
    assert (folder / "data" / "synthetic-multiset.h5").read_bytes() == before


def test_no_space_for_a_checkpoint_is_one_line_and_can_be_mended(folder):
    text = _finish(_start(folder, f"{RUN} --out full", preexec_fn=_little_space), code=1)
    assert "no space left" in text
    assert "Traceback" not in text
    assert not list(_seed_folder(folder, "full").glob("*.pt"))
    _finish(_start(folder, f"{RUN} --out full"))


def _little_space() -> None:
    """Let the process write files of at most 100 kB: to it, the disk is full beyond that."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
