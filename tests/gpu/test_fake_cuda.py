"""The project on a GPU that does not exist (fake_cuda.py), each part in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
UNSUPPORTED = 77  # as check_fake.py says


def _python(script: str, *arguments: object, cwd: Path = HERE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    # Without a GPU that is there, so that the fake one is what is tried everywhere.
    variables = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True)


@pytest.fixture(scope="module", autouse=True)
def _working_fake():
    done = _python("check_fake.py")
    if done.returncode == UNSUPPORTED:
        pytest.skip(f"the fake GPU does not work with this torch: {done.stdout.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_every_method_and_activation_model_runs_on_a_gpu(device):
    done = _python("check_methods.py", device)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_whole_command_runs_on_a_gpu(tmp_path):
    sizes = ("--train", 64, "--valid", 16, "--test", 16, "--out", tmp_path)
    for name in ("synthetic-single", "synthetic-multiset", "synthetic-multiset-empty"):
        command = [sys.executable, "-m", "hsal_bench", "generate", name, *map(str, sizes)]
        subprocess.run(command, check=True)
    done = _python(
        "check_run.py",
        *("run", "--model", "all", "--preset", "paper", "--device", "cuda:1"),
        *("--dataset", "synthetic-multiset.h5", "--eval-on", "synthetic-multiset-empty.h5"),
        *("--datasets", tmp_path, "--backbone-weights", "none", "--batch-size", 16),
        *("--fine-tune-updates", 6, "--updates", 6, "--eval-every", 3, "--debug"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    runs = tmp_path / "runs" / "synthetic-multiset"
    paths = ["*/paper/seed-0/record.json", "*/paper/seed-0/on/synthetic-multiset-empty/record.json"]
    for path in paths:
        records = [json.loads(file.read_text()) for file in runs.glob(path)]
        assert [record["status"] for record in records] == ["ok"] * 15
