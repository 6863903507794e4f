"""The queue does what is missing, resumes where it was stopped, and runs only once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from hsal_bench.cluster import grid
from hsal_bench.errors import HsalBenchError
from hsal_bench.locks import locked
from hsal_bench.record.record import write_record

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "reproduce.py"


class Here:
    """In place of other processes: each job runs in this one when its result is due."""

    def __init__(self, number, *, background):
        assert background

    def start(self, prepare, jobs):
        assert prepare is None
        return [SimpleNamespace(done=lambda: True, result=job) for job in jobs]

    def stop(self):
        pass


@pytest.fixture
def script(scripts, monkeypatch):
    monkeypatch.setattr(scripts.reproduce, "Local", Here)
    return scripts.reproduce


@pytest.fixture
def items(scripts):
    """hsal-rl on mnist-multiset and mnist-set, then cross-entropy."""
    return scripts.reproduction.plan("S", ["1"], ["mnist-multiset", "mnist-set"], seeds=(0,))


@pytest.fixture
def runs(items, record, monkeypatch):
    """In place of the runs: `asked` lists their requests, `of` says how one ends, by method."""
    runs = SimpleNamespace(asked=[], of={})

    def run(request):
        runs.asked.append(request)
        (item,) = [
            item for item in items if (item.variant,) == request.models
            if item.dataset == request.dataset
        ]  # fmt: skip
        fields = runs.of.get(item.method, {})
        if isinstance(fields, Exception):
            raise fields
        made = record(item, **fields)
        write_record(made, item.folder(request.out) / "record.json")
        return [made]

    monkeypatch.setattr(grid.work, "run", run)
    return runs


@pytest.fixture
def options(tmp_path):
    return [
        *("--preset", "S", "--part", "1", "--seeds", "0", "--out", str(tmp_path / "out")),
        *("--data-dir", str(tmp_path)),
    ]


def test_everything_is_done_in_order_and_then_nothing(
    script, items, runs, options, tmp_path, capsys
):
    assert script.reproduce(options) == 0
    printed, errors = capsys.readouterr()
    assert f"skipped: 2 runs on svhn-multiset: no {tmp_path}/svhn/train.tar.gz\n" in errors
    assert [(*r.models, r.dataset) for r in runs.asked] == [(i.variant, i.dataset) for i in items]
    assert {request.threads for request in runs.asked} == {1}
    assert "4 of 4 runs done" in printed
    assert "| 4 of 4 |" in (tmp_path / "out" / "summary.md").read_text()
    assert script.reproduce(options) == 0
    assert len(runs.asked) == 4


def test_svhn_is_run_where_its_archives_are(script, options, tmp_path, capsys):
    (tmp_path / "svhn").mkdir()
    (tmp_path / "svhn" / "train.tar.gz").touch()
    assert script.reproduce([*options, "--list"]) == 0
    printed, errors = capsys.readouterr()
    assert "| svhn-multiset | hsal-rl | 1 | 0 | missing | 0 of 6,000 |  |" in printed
    assert errors == ""


def test_matching_records_need_no_run_and_new_ones_are_copied(
    script, items, runs, options, record, tmp_path
):
    records = tmp_path / "records"
    write_record(record(items[0]), records / "earlier.json")
    on_the_same_dataset = items[2]
    write_record(record(on_the_same_dataset, model="ee" * 32), records / "another-model.json")
    assert script.reproduce([*options, "--records", str(records)]) == 0
    assert len(runs.asked) == 3
    names = {path.stem for path in records.iterdir()}
    assert names == {"earlier", "another-model", *(item.name for item in items[1:])}


def test_a_run_that_cannot_be_made_does_not_stop_the_others(script, runs, options, capsys):
    runs.of["hsal-rl"] = OSError("no space left")
    with pytest.raises(HsalBenchError, match="not done: 2 runs, see above"):
        script.reproduce(options)
    printed, errors = capsys.readouterr()
    assert errors.count("quick/seed-0: OSError: no space left\n") == 2
    assert "2 of 4 runs done" in printed
    runs.of.clear()
    assert script.reproduce(options) == 0
    assert len(runs.asked) == 6


def test_a_failed_run_is_tried_again(script, runs, options, capsys):
    runs.of["hsal-rl"] = {"status": "failed", "reason": "NaN", "metrics": {}, "correct": None}
    assert script.reproduce(options) == 1
    assert "seed-0: failed; the same command tries again" in capsys.readouterr().err
    assert script.reproduce([*options, "--list"]) == 0
    assert "| failed | 0 of 6,000 | failed: NaN |" in capsys.readouterr().out
    runs.of.clear()
    assert script.reproduce(options) == 0


def test_a_run_whose_record_is_on_another_model_has_failed(script, runs, options, capsys):
    assert script.reproduce([*options, "--methods", "hsal-rl"]) == 0
    runs.of["cross-entropy"] = {"model": "ee" * 32}
    assert script.reproduce(options) == 1
    assert "seed-0: there is a record, on another activation model" in capsys.readouterr().err


def test_a_second_queue_is_refused(script, runs, options, tmp_path):
    with (
        locked(tmp_path / "out", "running the plan"),
        pytest.raises(HsalBenchError, match=r"another process is running the plan \(host .*wait"),
    ):
        script.reproduce(options)
    assert runs.asked == []


def test_a_slice_ends_in_time(script, runs, options, monkeypatch, capsys):
    waiting = SimpleNamespace(done=lambda: False)
    monkeypatch.setattr(Here, "start", lambda _, prepare, jobs: [waiting for _ in jobs])
    assert script.reproduce([*options, "--budget-minutes", "0.001"]) == 0
    assert "0 of 4 runs done" in capsys.readouterr().out


def test_a_run_that_ends_while_the_queue_stops_is_copied(
    script, items, runs, options, monkeypatch, tmp_path
):
    jobs = []
    waiting = SimpleNamespace(done=lambda: False)
    monkeypatch.setattr(Here, "start", lambda _, prepare, every: jobs.extend(every) or [waiting])
    monkeypatch.setattr(Here, "stop", lambda _: jobs[0](None))
    options += ["--methods", "hsal-rl", "--dataset", items[0].dataset]
    records = tmp_path / "records"
    assert script.reproduce([*options, "--budget-minutes", "0.001", "--records", str(records)]) == 0
    assert [path.stem for path in records.iterdir()] == [items[0].name]


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


def test_the_threads_of_the_runs_do_not_spin(script, monkeypatch, capsys):
    monkeypatch.setenv("GOMP_SPINCOUNT", "")  # so that it is restored
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setattr(script, "terminate_like_ctrl_c", lambda: None)
    monkeypatch.setattr(script.sys, "argv", ["reproduce.py", "--preset", "S", "--part", "0"])
    monkeypatch.setattr(script.signal, "signal", lambda *_: None)
    assert script.main() == 2
    assert os.environ["GOMP_SPINCOUNT"] == "1000"
    assert "error: --part 0: " in capsys.readouterr().err


@pytest.mark.slow
def test_a_stopped_queue_resumes(options, tmp_path):
    options = [*options, "--preset", "toy", "--methods", "hsal-rl", "--dataset", "synthetic-set"]
    # As a shell starts it in the background.
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, str(SCRIPT), *options]
    queue = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    run = tmp_path / "out/runs/synthetic-set/hsal-rl/quick/seed-0"
    while not (run / "checkpoint.pt").exists():
        assert queue.poll() is None
        time.sleep(0.05)
    queue.send_signal(signal.SIGINT)
    printed, _ = queue.communicate()
    assert queue.returncode == 130, printed
    assert not (run / "record.json").exists()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "1 of 1 runs done" in again.stdout
    log = tmp_path / "out/runs/.grid/logs/synthetic-set/hsal-rl/quick/seed-0.log"
    assert "resuming from update" in log.read_text()
    summary = (tmp_path / "out/summary.md").read_text()
    assert "| mnist-set | hsal-rl | 1 of 1 |" in summary
    assert "| synthetic-set | hsal-rl | 1 | 0 | done | 120 of 120 |  |" in summary
