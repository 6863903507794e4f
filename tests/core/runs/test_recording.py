"""What goes into a record of what happened: one line, whatever a method or a user wrote."""

import json

import pytest
import torch

from hsal_bench.data.file import open_data
from hsal_bench.method.contract import Unsupported
from hsal_bench.method.validate import Breach
from hsal_bench.runs import recording
from hsal_bench.training.train import Diverged


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (Unsupported("4 objects\n  at most"), "unsupported", "4 objects at most"),
        (Unsupported(""), "unsupported", "Unsupported"),
        (Diverged("the loss\nis nan"), "failed", "the loss is nan"),
        (Breach("counts are\n[1]"), "failed", "counts are [1]"),
        (RuntimeError("\x1b[31mout of\nmemory"), "failed", "RuntimeError: \\x1b[31mout of memory"),
    ],
)
def test_a_reason_is_one_line_that_prints(bad, error, status, reason, tmp_path):
    def work():
        raise error

    record = recording.attempt(work, bad(), tmp_path, "it")
    assert (record.status, record.reason) == (status, reason)


def test_a_data_set_file_of_any_name_is_recorded(bad, toy_file):
    odd = toy_file.rename(toy_file.with_name("to\u00a0y\\x.h5"))
    with open_data(odd) as data:
        record = recording.stub_elsewhere(bad(), data)
    assert record.data_set.file == "to_y_x.h5"
    assert record.data_set.content_sha256 == data.header.content_sha256


def test_a_command_is_one_line_that_prints(bad):
    stub = recording.surrounded(bad(), torch.device("cpu"), "run --set 'a=\n\x1b[2J'", None)
    assert stub.command == "run --set 'a=\\n\\x1b[2J'"


def test_a_curve_that_no_record_takes_leaves_the_reason(bad, tmp_path):
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"update": 7, "loss": 1e300}) + "\n")

    def work():
        raise Breach("counts are odd")

    record = recording.attempt(work, bad(), tmp_path, "it")
    assert (record.status, record.reason, record.updates) == ("failed", "counts are odd", 7)
    assert record.curve == ()
