"""A small dataset, a slow method, and `hsal-bench` as a process."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

METHOD = '''
"""A linear classifier of the counts. From its 12th update on, a test can slow it down."""
import os
import time
from contextlib import contextmanager
from pathlib import Path
import torch
from torch import nn
from hsal_bench.method.contract import Prediction
from hsal_bench.method.gradient import GradientMethod

SLOW = Path(__file__).with_name("slow")

class Slow(GradientMethod):
    inputs = "images"
    calls = 0

    def build_network(self):
        pixels = torch.Size(self.task.input_shape).numel()
        outputs = self.task.num_classes * (self.task.max_objects + 1)
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(pixels, outputs))

    def loss(self, batch):
        self.calls += 1
        if self.calls >= 12 and SLOW.exists():
            SLOW.with_name(f"process-{os.getpid()}").touch()
            time.sleep(0.5)
        counts, _ = batch.truth()
        return {"loss": nn.functional.cross_entropy(self.scores(batch).transpose(1, 2), counts)}

    def predict(self, batch, *, trace=False):
        self.network.eval()
        with torch.no_grad():
            return Prediction(self.scores(batch).argmax(-1))

    def scores(self, batch):
        return self.network(batch.inputs.float()).unflatten(1, (self.task.num_classes, -1))

class Killing(Slow):
    def loss(self, batch):
        os.kill(os.getpid(), 9)

class Failing(Slow):
    def loss(self, batch):
        raise RuntimeError("it fails")
'''
SPLITS = ["--train", "96", "--valid", "16", "--test", "32"]
RUN = ["run", "--dataset", "synthetic-multiset", "--preset", "quick", "--device", "cpu"]
RUN += ["--updates", "30", "--eval-every", "10", "--batch-size", "8", "--threads", "1"]


class Bench:
    """A folder with a dataset and methods, and the command there."""

    def __init__(self, folder):
        self.folder = folder

    def start(self, *arguments, models="slow.py:Slow", seeds="0,1", out="runs", **environment):
        command = [sys.executable, "-m", "hsal_bench", *RUN, "--model", models, "--seeds", seeds]
        return subprocess.Popen(
            [*command, "--out", out, *map(str, arguments)],
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            # Started from a shell's background job, the tests ignore SIGINT, and so would it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *arguments, code=0, **options):
        process = self.start(*arguments, **options)
        text, _ = process.communicate(timeout=600)
        assert process.returncode == code, text
        return text

    def results(self, out="runs"):
        """The numbers of each run, without times."""
        numbers = {}
        for path in sorted((self.folder / out).glob("*/*/*/*/record.json")):
            record = json.loads(path.read_text())
            kept = ("status", "metrics", "curve", "predictions_sha256", "selected_update")
            numbers[str(path.relative_to(self.folder / out))] = {
                name: record[name] for name in kept
            }
        return numbers

    def resumed(self):
        """Whether a run was resumed, by the logs."""
        logs = (self.folder / "runs/.grid/logs").rglob("seed-*.log")
        return any("resuming from update" in log.read_text() for log in logs)

    @contextmanager
    def slowed(self, *arguments):
        """Start the command; yield it and a process of it that is past its first checkpoint.

        The runs have seconds left until the block ends.
        """
        (self.folder / "slow").touch()
        command = self.start(*arguments)
        while not (found := list(self.folder.glob("process-*"))):
            assert command.poll() is None, command.communicate()[0]
            time.sleep(0.05)
        yield command, int(found[0].name.removeprefix("process-"))
        (self.folder / "slow").unlink()


@pytest.fixture
def slurm():
    """The options of a job; skips the test without a Slurm that has a working node."""
    command = ["sinfo", "--noheader", "--states=idle,mixed,allocated,completing"]
    if shutil.which("sinfo") is None or not subprocess.run(command, capture_output=True).stdout:
        pytest.skip("needs Slurm with a working node")
    return ["--on", "slurm", "--slurm", "time=30"]


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    command = [sys.executable, "-m", "hsal_bench", "generate", "synthetic-multiset", *SPLITS]
    subprocess.run([*command, "--out", str(folder), "--workers", "1"], check=True)
    return folder / "synthetic-multiset.h5"


@pytest.fixture
def bench(tmp_path, data):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / data.name).symlink_to(data)
    (tmp_path / "slow.py").write_text(METHOD)
    return Bench(Path(tmp_path))


@pytest.fixture(scope="session")
def alone(tmp_path_factory, data):
    """The results of two seeds, run one after the other."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "data").mkdir()
    (folder / "data" / data.name).symlink_to(data)
    (folder / "slow.py").write_text(METHOD)
    bench = Bench(folder)
    bench.run()
    return bench.results()
