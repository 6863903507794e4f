"""The queue does what is missing, resumes where it was stopped or killed, and runs only once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hsal_bench.errors import HsalBenchError
from hsal_bench.record.record import write_record

HERE, BENCHMARKS = Path(__file__).parent, Path(__file__).parents[2] / "benchmarks"
FAKE = (sys.executable, str(HERE / "fake_hsal_bench.py"))
DRIVER = f"""
import json, pathlib, sys
sys.path.insert(0, {str(BENCHMARKS)!r})
import reproduce, reproduction_board, work_queue
work_queue.HSAL_BENCH = {FAKE!r}
work_queue.AUTOGROUP = pathlib.Path("/dev/null")
reproduction_board.checkpointed = lambda path: reproduction_board.Trained(
    *(json.loads(path.read_text()) if path.exists() else ())
)
sys.exit(reproduce.main())
"""


@pytest.fixture
def script(scripts, tmp_path, monkeypatch):
    monkeypatch.setattr(scripts.work_queue, "HSAL_BENCH", FAKE)
    monkeypatch.setattr(scripts.work_queue, "AUTOGROUP", tmp_path / "autogroup")
    monkeypatch.setattr(
        scripts.reproduction_board,
        "checkpointed",
        lambda path: scripts.reproduction_board.Trained(),
    )
    return scripts.reproduce


@pytest.fixture
def items(scripts, known_runs):
    """hsal-rl and cross-entropy on mnist-multiset, then on mnist-set."""
    items = scripts.reproduction.plan("S", ["1"], seeds=(0,))[:4]
    known_runs([*items, scripts.reproduction.preparation(items[0])])
    return items


@pytest.fixture
def options(tmp_path):
    return [
        *("--preset", "S", "--part", "1", "--seeds", "0", "--out", str(tmp_path / "out")),
        *("--data-dir", str(tmp_path)),
    ]


def log_of(item, tmp_path):
    path = tmp_path / "out" / "log" / f"{item.name}.log"
    return path.read_text() if path.exists() else ""


def test_everything_is_done_in_order_and_then_nothing(script, items, options, tmp_path, capsys):
    assert script.reproduce(options) == 0
    printed, errors = capsys.readouterr()
    assert errors == f"skipped: 2 runs on svhn-multiset: no {tmp_path}/svhn/train.tar.gz\n"
    started = [line.partition(":")[0] for line in printed.splitlines() if ": started" in line]
    assert started == [
        "mnist-multiset preparation",
        *(item.label for item in items[:2]),
        "mnist-set preparation",
        *(item.label for item in items[2:]),
    ]
    assert "4 of 4 runs done" in printed
    assert "threads 1, nice 19" in log_of(items[0], tmp_path)
    assert (tmp_path / "autogroup").read_text() == "19"
    assert script.reproduce(options) == 0
    assert "started" not in capsys.readouterr().out


def test_svhn_is_run_where_its_archives_are(script, options, tmp_path, capsys):
    (tmp_path / "svhn").mkdir()
    (tmp_path / "svhn" / "train.tar.gz").touch()
    assert script.reproduce([*options, "--list"]) == 0
    printed, errors = capsys.readouterr()
    assert "| svhn-multiset | hsal-rl | 1 | 0 | missing | 0 of 6,000 |  |" in printed
    assert errors == ""


def test_matching_records_need_no_run_and_new_ones_are_copied(
    script, items, options, record, tmp_path
):
    records = tmp_path / "records"
    write_record(record(items[0]), records / "earlier.json")
    write_record(record(items[1], model="ee" * 32), records / "another-model.json")
    assert script.reproduce([*options, "--records", str(records)]) == 0
    assert log_of(items[0], tmp_path) == ""
    names = {path.stem for path in records.iterdir()}
    assert names == {"earlier", "another-model", *(item.name for item in items[1:])}


def test_a_failure_is_reported_and_tried_again(script, items, options, monkeypatch, capsys):
    monkeypatch.setenv("FAKE_FAILS", "cross-entropy")
    assert script.reproduce(options) == 1
    printed = capsys.readouterr().out
    assert f"{items[1].label}: failed: error: it does not work (" in printed
    assert "2 of 4 runs done" in printed
    assert script.reproduce([*options, "--list"]) == 0
    assert "| failed | 0 of 6,000 | error: it does not work |" in capsys.readouterr().out
    monkeypatch.delenv("FAKE_FAILS")
    assert script.reproduce(options) == 0


def test_failures_in_a_row_end_the_queue(scripts, script, items, options, monkeypatch, capsys):
    monkeypatch.setenv("FAKE_FAILS", "-")
    monkeypatch.setattr(scripts.work_queue, "FAILURES", 2)
    assert script.reproduce(options) == 1
    assert "2 runs in a row failed: no more runs are started" in capsys.readouterr().out


def test_a_run_whose_record_is_on_another_model_has_failed(
    script, items, options, monkeypatch, capsys
):
    assert script.reproduce([*options, "--methods", "hsal-rl"]) == 0
    monkeypatch.setenv("FAKE_MODEL", "ee" * 32)
    assert script.reproduce(options) == 1
    assert "failed: there is a record, on another activation model" in capsys.readouterr().out


class Driven:
    """The script as a process of its own, as a shell starts one in the background."""

    def __init__(self, options, **environment):
        command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", DRIVER]
        self.process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | environment,
        )

    def wait(self):
        printed, _ = self.process.communicate(timeout=600)
        return self.process.returncode, printed


def wait_until(condition):
    until = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_it_works_once_and_resumes_when_it_was_killed(scripts, script, items, options, tmp_path):
    options += ["--jobs", "2"]
    first = Driven(options, FAKE_HANGS_AT="2000")
    wait_until(lambda: all("hanging" in log_of(item, tmp_path) for item in items[:2]))
    assert scripts.work_queue.is_working(tmp_path / "out")
    with pytest.raises(HsalBenchError, match=r"a queue is working in .*out already \(host .*, pid"):
        script.reproduce(options)
    first.process.kill()
    code, printed = Driven(options).wait()
    assert (code, first.process.wait()) == (0, -signal.SIGKILL), printed
    first.process.stdout.close()
    assert "4 of 4 runs done" in printed
    for item in items[:2]:
        log = log_of(item, tmp_path)
        assert log.index("interrupted: told to stop") < log.index("resuming from update 2000")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_the_queue_stops_its_runs(items, options, tmp_path, number):
    queue = Driven(options, FAKE_HANGS_AT="2000")
    wait_until(lambda: "hanging" in log_of(items[0], tmp_path))
    queue.process.send_signal(number)
    code, printed = queue.wait()
    assert code == 130
    assert f"{items[0].label}: stopped at 2,000 of 6,000" in printed
    assert printed.endswith("interrupted: run the same command to resume\n")
    assert "interrupted: told to stop" in log_of(items[0], tmp_path)


def test_a_slice_ends_in_time_with_a_checkpoint(items, options, tmp_path):
    options += ["--budget-minutes", "0.15"]
    code, printed = Driven(options, FAKE_HANGS_AT="2000").wait()
    assert code == 0
    assert f"{items[0].label}: stopped at 2,000 of 6,000" in printed
    assert "interrupted: told to stop" in log_of(items[0], tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: --preset"),
        (["--preset", "S", "--jobs", "0"], "--jobs is 0: give a number above 0"),
        (["--preset", "S", "--budget-minutes", "nan"], "--budget-minutes is nan: give a number"),
    ],
)
def test_wrong_use_is_refused(script, capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        script.reproduce(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_toys_for_real(scripts, options, tmp_path, capsys):
    options = [*options, "--preset", "toy", "--methods", "hsal-rl", "--dataset", "synthetic-set"]
    assert scripts.reproduce.reproduce(options) == 0
    assert "1 of 1 runs done" in capsys.readouterr().out
    summary = (tmp_path / "out" / "summary.md").read_text()
    assert "| mnist-set | hsal-rl | 1 of 1 |" in summary
    assert "| synthetic-set | hsal-rl | 1 | 0 | done | 120 of 120 |  |" in summary
