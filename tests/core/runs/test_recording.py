"""A record's way from the start of a run to its end: fields, failures, one printable line."""

import json

import pytest
import torch

from hsal_bench.data.file import open_data
from hsal_bench.errors import UsageError
from hsal_bench.method.contract import Unsupported
from hsal_bench.method.validate import Breach
from hsal_bench.record.record import read_record
from hsal_bench.runs.recording import Recorder, RunLog
from hsal_bench.training.train import Diverged


@pytest.fixture
def log(bad, tmp_path):
    return RunLog(bad(), tmp_path, "it")


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (Unsupported("4 objects\n  at most"), "unsupported", "4 objects at most"),
        (Unsupported(""), "unsupported", "Unsupported"),
        (Diverged("the loss\nis nan"), "failed", "the loss is nan"),
        (Breach("counts are\n[1]"), "failed", "counts are [1]"),
        (RuntimeError("\x1b[31mout of\nmemory"), "failed", "RuntimeError: \\x1b[31mout of memory"),
        (SystemExit(3), "failed", "SystemExit: 3"),
    ],
)
def test_the_reason_of_a_failure_is_one_printable_line(log, error, status, reason):
    with log.catching(object):
        raise error
    log.write()
    record = read_record(log.path)
    assert (record.status, record.reason) == (status, reason)


@pytest.mark.parametrize("error", [UsageError("wrong file"), OSError("disk"), KeyboardInterrupt()])
def test_an_error_that_is_not_the_methods_is_raised(log, error):
    with pytest.raises(type(error)), log.catching(object):
        raise error
    assert log.record is log.start


def test_only_an_unexpected_error_leaves_a_traceback(log, capsys):
    with log.catching(object):
        raise Breach("counts are odd")
    assert not (log.folder / "error.txt").exists()
    with log.catching(object):
        raise ZeroDivisionError
    assert "ZeroDivisionError" in (log.folder / "error.txt").read_text()
    assert capsys.readouterr().err == f"it: failed, traceback in {log.folder / 'error.txt'}\n"


def test_the_line_of_the_method_is_in_the_reason(log):
    class Mine:
        def predict(self):
            return self.truht

    line = Mine.predict.__code__.co_firstlineno + 1
    with log.catching(Mine):
        Mine().predict()
    assert log.record.reason.startswith("AttributeError: 'Mine' object has no attribute 'truht'")
    assert log.record.reason.endswith(f"(test_recording.py line {line})")


def test_a_failed_record_is_not_done_before(log, ok):
    log.write()
    assert log.done_before() is None
    log.record = ok()
    log.write()
    assert RunLog(ok(), log.folder, "it").done_before() == ok()
    assert RunLog(ok(seed=1), log.folder, "it").done_before() is None


def test_a_dataset_file_of_any_name_is_recorded(bad, toy_file):
    odd = toy_file.rename(toy_file.with_name("to\u00a0y\\x.h5"))
    recorder = Recorder(torch.device("cpu"), "run", None)
    with open_data(odd) as data:
        record = recorder.evaluation(bad(), data)
    assert record.data_set.file == "to_y_x.h5"
    assert record.data_set.content_sha256 == data.header.content_sha256


def test_a_command_is_one_printable_line(bad, toy_file):
    recorder = Recorder(torch.device("cpu"), "run --set 'a=\n\x1b[2J'", None)
    with open_data(toy_file) as data:
        record = recorder.evaluation(bad(), data)
    assert record.command == "run --set 'a=\\n\\x1b[2J'"


def test_a_curve_that_no_record_can_hold_is_left_out(log):
    curve = log.folder / "metrics.jsonl"
    curve.write_text(json.dumps({"update": 7, "loss": 1e300}) + "\n")
    with log.catching(object):
        raise Breach("counts are odd")
    record = log.record
    assert (record.status, record.reason, record.updates) == ("failed", "counts are odd", 7)
    assert record.curve == ()


def test_a_failure_keeps_the_curve_so_far(log):
    point = {"update": 7, "loss": 0.5}
    (log.folder / "metrics.jsonl").write_text(json.dumps(point) + "\n")
    log.failed("it broke")
    assert (log.record.reason, log.record.updates, log.record.curve) == ("it broke", 7, (point,))
