"""Callbacks follow runs; they change no result and end no run."""

import json
import random
import sys
import time
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import hsal_bench as hb
from hsal_bench.errors import UsageError
from hsal_bench.method.contract import Prediction
from hsal_bench.runs import callbacks


@dataclass(frozen=True)
class Config:
    fails: bool = False


class Dice:
    """Throws its labels with the global generators, so that whatever moves these is seen."""

    Config, inputs = Config, "images"

    def __init__(self, task, config, setup):
        self.classes, self.config, self.seen = task.num_classes, config, torch.zeros(())
        torch.manual_seed(setup.seed)
        random.seed(setup.seed)
        np.random.seed(setup.seed)  # noqa: NPY002

    def update(self, batch):
        if self.config.fails:
            raise ValueError("no luck")
        self.seen = torch.rand(()) + random.random() + np.random.rand()  # noqa: NPY002
        return {"loss": self.seen.detach().clone()}

    def predict(self, batch, *, trace=False):
        generator = torch.Generator().manual_seed(int(self.seen * 1e6))
        counts = torch.randint(0, 2, (len(batch.inputs), self.classes), generator=generator)
        return Prediction(counts=counts)

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]


class Meddler(hb.Callback):
    """Tries to change everything, and records its arguments."""

    def __init__(self):
        self.calls = []

    def _meddle(self, values):
        torch.manual_seed(99)
        random.seed(99)
        np.random.seed(99)  # noqa: NPY002
        torch.set_grad_enabled(False)
        values.clear()

    def on_start(self, record, folder, update):
        self.calls.append(("start", record.seed, folder.name, update))
        self._meddle(record.data_set.sizes)

    def on_validation(self, record, line):
        self.calls.append(("validation", int(line["update"]), sorted(line)[:2]))
        self._meddle(line)

    def on_end(self, record):
        self.calls.append(("end", record.status, round(record.metrics["exact_match"], 3)))
        self._meddle(record.metrics)


class Broken(hb.Callback):
    def on_start(self, record, folder, update):
        raise OSError("disk full")


class Quits(hb.Callback):
    def on_validation(self, record, line):
        sys.exit("enough")


@pytest.fixture
def run(tmp_path, toy_file, known_generators, monkeypatch):
    """Return a function that runs Dice for 4 updates, validated after each second."""
    monkeypatch.chdir(tmp_path)

    def run(out, *following, **choices):
        small = {"preset": "quick", "device": "cpu", "updates": 4, "eval_every": 2}
        small |= {"batch_size": 8, "dataset": toy_file, "out": tmp_path / out} | choices
        return hb.run(Dice, callbacks=following, **small)

    return run


def _result(record):
    return record.predictions_sha256, record.curve, record.metrics


def test_a_callback_is_told_of_the_run_and_changes_nothing(run):
    (alone,) = run("alone")
    meddler = Meddler()
    (followed,) = run("followed", meddler)
    assert torch.is_grad_enabled()
    assert json.dumps(_result(followed)) == json.dumps(_result(alone))
    assert meddler.calls == [
        ("start", 0, "seed-0", 0),
        ("validation", 0, ["update", "valid_cardinality_accuracy"]),
        ("validation", 2, ["loss", "update"]),
        ("validation", 4, ["loss", "update"]),
        ("end", "ok", round(alone.metrics["exact_match"], 3)),
    ]
    run("followed", meddler)  # done before: nothing to follow
    assert len(meddler.calls) == 5


def test_what_fails_is_switched_off_and_the_runs_go_on(run, capsys):
    meddler = Meddler()
    records = run("runs", Broken(), Quits(), meddler, seeds=(0, 1))
    assert [record.status for record in records] == ["ok", "ok"]
    warnings = [line for line in capsys.readouterr().err.splitlines() if "switched off" in line]
    assert warnings == [
        "warning: Broken failed and is switched off: OSError: disk full",
        "warning: Quits failed and is switched off: SystemExit: enough",
    ]
    assert [call[0] for call in meddler.calls].count("end") == 2


def test_a_run_that_fails_is_told_too(run):
    class Ends(hb.Callback):
        status = ""

        def on_end(self, record):
            Ends.status = record.status

    run("runs", Ends(), settings={"fails": True})
    assert Ends.status == "failed"


def test_what_is_no_callback_is_refused(run):
    with pytest.raises(
        UsageError, match=r"callbacks: .* is no object of a class from hb\.Callback"
    ):
        run("runs", print)


def test_a_log_has_a_line_with_the_time_left_at_each_validation(run, capsys):
    run("runs", seeds=(0, 1))
    lines = [line for line in capsys.readouterr().err.splitlines() if "ETA" in line]
    assert [line.partition(" (")[0] for line in lines] == [
        f"Dice seed {seed}: {update}/4" for seed in (0, 1) for update in (2, 4)
    ]
    assert "valid exact match" in lines[0]
    assert "; all 2 runs: 25 %, ETA 0:00:0" in lines[0]


def test_tensorboard_has_the_curve_and_the_test_metrics(run, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (alone,) = run("alone")
    run("runs", hb.TensorBoard())
    (record,) = run("runs", hb.TensorBoard(), restart=True)
    assert _result(record)[:2] == _result(alone)[:2]
    (folder,) = (tmp_path / "runs").rglob("tensorboard")
    assert len(list(folder.iterdir())) == 1  # that of the discarded run is gone
    events = EventAccumulator(str(folder))
    events.Reload()
    points = {point.step: point.value for point in events.Scalars("valid_macro_f1")}
    for line in record.curve:
        assert points[line["update"]] == pytest.approx(line["valid_macro_f1"])
    (point,) = events.Scalars("test_exact_match")
    assert point.step == record.selected_update
    assert point.value == pytest.approx(record.metrics["exact_match"])


@pytest.mark.parametrize("given", ["offline", None])
def test_wandb_works_offline_and_without_a_login(run, tmp_path, monkeypatch, capsys, given):
    pytest.importorskip("wandb")
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))  # no login of the user's
    if given:
        monkeypatch.setenv("WANDB_MODE", given)
    (alone,) = run("alone")
    records = run("runs", hb.WandB(), seeds=(0, 1))
    assert "switched off" not in capsys.readouterr().err
    assert _result(records[0])[:2] == _result(alone)[:2]
    for seed in (0, 1):
        (folder,) = (tmp_path / "runs").rglob(f"seed-{seed}")
        (stored,) = folder.glob("wandb/offline-run-*/run-*.wandb")
        # wandb's own process writes the file, a moment after the run.
        deadline = time.monotonic() + 30
        while stored.stat().st_size < 1000 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert stored.stat().st_size > 1000


def test_loggers_by_name(monkeypatch):
    pytest.importorskip("tensorboard")
    (logger,) = callbacks.loggers(["tensorboard", "tensorboard"])
    assert isinstance(logger, hb.TensorBoard)
    with pytest.raises(UsageError, match=r"--log tensorbord: did you mean 'tensorboard'\?"):
        callbacks.loggers(["tensorbord"])
    monkeypatch.setattr(callbacks, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="--log wandb needs the package wandb: pip install wandb"):
        callbacks.loggers(["wandb"])


def test_the_command_line_logs(bench, seed_folder, recorded):
    pytest.importorskip("tensorboard")
    code, _, err = bench("--log", "tensorboard")
    assert (code, "switched off" in err) == (0, False), err
    assert recorded().command.endswith(" --log tensorboard")
    assert list(seed_folder().glob("tensorboard/events.*"))
