"""A command under a clock ends when it should; what earlier attempts took says what comes."""

import json
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from hsal_bench.errors import UsageError


@pytest.fixture
def attempts(scripts):
    return scripts.attempts


@pytest.fixture
def item(scripts):
    """Two items of one method, at 1,000 updates."""
    return lambda seed, method="hsal-rl": scripts.reproduction.Item(
        1, "mnist-set", method, seed, updates=1000
    )


@pytest.fixture
def follow(attempts, tmp_path):
    """Run Python code under a clock; return its exit code, the stages and the log."""

    class Clock(attempts.Clock):
        def __init__(self, left, patience):
            super().__init__(left + 60.0)
            self.reserve = 60.0
            self.patience_given = patience

        @property
        def patience(self):
            return self.patience_given

    def run(code, left, patience=20.0):
        stages, log = attempts.Stages(time.monotonic()), tmp_path / "log"
        command = [sys.executable, "-c", code]
        return attempts.follow(command, log, stages, Clock(left, patience)), stages, log.read_text()

    return run


def attempt(attempts, item, updates, **stages):
    return attempts.Attempt(item.name, "done", updates, stages)


def test_a_command_that_ends_in_time_says_how(follow):
    code, _, log = follow("import sys; print('text'); sys.exit(3)", left=60)
    assert code == 3
    assert log.splitlines()[1:] == ["text"]


def test_a_command_is_interrupted_when_its_time_is_over(follow):
    code, _, log = follow(
        "import time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: print('stopped')", left=1.5
    )
    assert code is None
    assert "stopped" in log


def test_a_deaf_command_is_killed_with_its_workers(follow):
    worker = "import time; time.sleep(60)"
    code = f"""
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
worker = subprocess.Popen([sys.executable, "-c", {worker!r}])
print(worker.pid, flush=True)
worker.wait()
"""
    assert follow(code, left=1.5, patience=0.1)[0] is None


def test_a_worker_that_outlives_its_command_is_ended_with_it(follow):
    code = "import subprocess; subprocess.Popen(['sleep', '60']); print('gone')"
    code, _, log = follow(code, left=60)
    assert (code, log.splitlines()[1:]) == (0, ["gone"])


def test_the_stages_are_told_by_the_lines_that_end_them(attempts, capsys):
    stages = attempts.Stages(started=100.0)
    for now, line in (
        (101.0, "data/x.h5 is missing: building it"),
        (110.0, "data set data/x.h5: x, 60,000 / 5,000 / 10,000 images (train, valid, test)"),
        (111.0, "preset paper on cuda"),
        (140.0, "activation model resnet34 (from scratch, fine-tuned on y): 98.9 % of its"),
        (150.0, "hsal-rl+trajectories=1 seed 0: 18,750 updates, batches of 128, in runs"),
        (151.0, "hsal-rl+trajectories=1 seed 0: 9/20 (45 %), 1.5/s valid exact match 0.000"),
    ):
        stages.see(line, now)
    stages.end(200.0)
    expected = {"data set": 10, "activation model": 30, "activations": 10, "training": 50}
    assert stages.seconds == expected
    assert capsys.readouterr().out.splitlines()[1] == "  activation model: 30 s"


def test_a_run_still_writes_the_lines_that_end_stages():
    """The patterns are of texts that a run says: a change of those must be noticed here."""
    said = {
        "hsal_bench.run": (
            'f"data set {path}: ',
            'who = f"{entry.label} seed {stub.seed}"',
            '_say(f"{who}: {scale}',
            'scale = f"{budget.updates:,} updates',
        ),
        "hsal_bench.inputs": ('f"activation model {model.backbone} (',),
    }
    for module, texts in said.items():
        source = Path(find_spec(module).origin).read_text()
        assert [text for text in texts if text not in source] == []


def test_nothing_is_estimated_from_nothing(attempts, item, tmp_path):
    assert attempts.estimate(item(0), [], tmp_path) is None
    begun = attempt(attempts, item(0), 0, **{"data set": 9.0, "training": 5.0})
    assert attempts.estimate(item(0), [begun], tmp_path) is None


def test_an_estimate_worked_by_hand(attempts, item, tmp_path):
    first = {"data set": 60.0, "activation model": 200.0, "activations": 40.0, "training": 50.0}
    again = {"data set": 5.0, "activation model": 0.0, "activations": 1.0, "training": 30.0}
    made = [
        attempt(attempts, item(0), 500, **first),
        attempt(attempts, item(0), 500, **again),
        attempt(attempts, item(0, "cross-entropy"), 1000, **(again | {"training": 20.0})),
    ]
    # 80 s for 1,000 updates of hsal-rl, after 300 s for all that is not there.
    assert attempts.estimate(item(1), made, tmp_path) == pytest.approx(300 + 80)
    assert attempts.estimate(item(1, "cross-entropy"), made, tmp_path) == pytest.approx(300 + 20)
    # Of another method nothing is known but that others take up to 0.08 s per update.
    assert attempts.estimate(item(1, "new"), made, tmp_path) == pytest.approx(300 + 80)
    for file, expected in (
        ("activation-models/m--0a/model.json", 60 + 0 + 40),
        ("mnist-set.h5", 5 + 0 + 40),
        ("activations/mnist-set-0a--0b/test.npy", 5 + 0 + 1),
    ):
        path = tmp_path / "data" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        assert attempts.estimate(item(1), made, tmp_path) == pytest.approx(expected + 80)


def test_what_a_checkpoint_holds_need_not_be_done_again(attempts, item, tmp_path):
    made = [attempt(attempts, item(0), 1000, training=100.0)]
    folder = item(1).folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text('{"update": 0}\n{"update": 750}\n')
    assert attempts.updates_kept(item(1), tmp_path) == 0
    (folder / "checkpoint.pt").touch()
    assert attempts.updates_kept(item(1), tmp_path) == 750
    assert attempts.estimate(item(1), made, tmp_path) == pytest.approx(25)


def test_a_longer_run_has_the_pace_of_the_usual_one(attempts, scripts, tmp_path):
    usual = scripts.reproduction.PLAN[0]
    longer = max(scripts.reproduction.PLAN, key=lambda item: item.budget)
    assert longer.budget == 2 * usual.budget
    made = [
        attempt(attempts, usual, usual.budget, training=100.0),
        attempt(attempts, scripts.reproduction.PLAN[1], 10, training=100.0),
    ]
    assert attempts.estimate(longer, made, tmp_path) == pytest.approx(200)


def test_attempts_are_read_as_they_were_written(attempts, item, tmp_path):
    path = tmp_path / "attempts.json"
    assert attempts.read_attempts(path) == []
    made = [attempt(attempts, item(0), 5, training=1.5)]
    attempts.write_attempts(made, path)
    assert attempts.read_attempts(path) == made
    for content in ("no", json.dumps([{"item": "x"}])):
        path.write_text(content)
        with pytest.raises(UsageError, match=r"attempts\.json holds no attempts .*: remove it"):
            attempts.read_attempts(path)


def test_a_clock_leaves_time_to_end_and_to_wind_up(attempts):
    for budget, reserve in ((540.0, 30.0), (100.0, 10.0), (6.0, 3.0)):
        clock = attempts.Clock(budget)
        assert clock.left == pytest.approx(budget - reserve, abs=0.5)
        assert clock.patience == reserve / 2
