"""The script does the plan item by item, within its budget, and goes on where it stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hsal_bench.cli_run import run as run_command
from hsal_bench.errors import UsageError
from hsal_bench.record import write_record

HERE, BENCHMARKS = Path(__file__).parent, Path(__file__).parents[2] / "benchmarks"
FAKE = (sys.executable, str(HERE / "fake_hsal_bench.py"))
DRIVER = f"""
import sys
sys.path.insert(0, {str(BENCHMARKS)!r})
import reproduce
reproduce.HSAL_BENCH = {FAKE!r}
reproduce.SCALES["toy"] = reproduce.SCALES["toy"][:3]
sys.exit(reproduce.main())
"""


@pytest.fixture
def script(scripts):
    return scripts.reproduce


@pytest.fixture
def plan(scripts, monkeypatch):
    """The first three items of the plan, made by the stand-in for hsal-bench."""
    items = scripts.reproduction.SCALES["toy"][:3]
    monkeypatch.setitem(scripts.reproduce.SCALES, "toy", items)
    monkeypatch.setattr(scripts.reproduce, "HSAL_BENCH", FAKE)
    return items


@pytest.fixture
def options(tmp_path):
    (tmp_path / "records").mkdir()
    return [
        *("--scale", "toy", "--out", str(tmp_path / "out")),
        *("--records", str(tmp_path / "records"), "--budget-minutes", "1"),
    ]


def record_of(scripts, item):
    return scripts.fake_hsal_bench.record(
        item.data_set,
        item.method,
        item.preset,
        item.budget,
        item.seed,
        dict(text.split("=") for text in item.settings.split()),
    )


def log_of(item, tmp_path):
    return (tmp_path / "out" / "log" / f"{item.name}.log").read_text()


def test_the_whole_plan_is_done_and_then_nothing(script, plan, options, tmp_path, capsys):
    assert script.reproduce(options) == 0
    assert "3 of 3 done, 3 of them now; 0 missing, 0 failed now" in capsys.readouterr().out
    out = tmp_path / "out"
    files = {path.name for path in out.iterdir() if path.is_file()}
    assert files == {"attempts.json", "records.tar.gz", "summary.md"}
    summary = (out / "summary.md").read_text()
    assert "| set | hsal-rl | 1 | 0.950 (0.990) | 1.000 (0.960) |" in summary
    assert "| set | cross-entropy | 0 | — (0.735) | — (0.478) |" in summary
    assert "Plan: 3 of 3 done" in summary
    assert script.reproduce(options) == 0
    assert "3 of 3 done, 0 of them now" in capsys.readouterr().out


def test_what_is_committed_is_not_done_again(scripts, script, plan, options, tmp_path, capsys):
    write_record(record_of(scripts, plan[0]), tmp_path / "records" / f"{plan[0].name}.json")
    assert script.reproduce(options) == 0
    assert "3 of 3 done, 2 of them now" in capsys.readouterr().out
    assert f"{plan[0].name}.json" not in scripts.reproduction.unpack(
        tmp_path / "out" / "records.tar.gz"
    )


@pytest.mark.parametrize("lost", ["out", "work"])
def test_it_goes_on_from_whichever_folder_is_left(script, plan, options, tmp_path, capsys, lost):
    options += ["--work", str(tmp_path / "work")]
    assert script.reproduce(options) == 0
    archive = tmp_path / "out" / "records.tar.gz"
    before = archive.read_bytes()
    (tmp_path / lost).rename(tmp_path / "lost")
    assert script.reproduce(options) == 0
    assert "3 of 3 done, 0 of them now" in capsys.readouterr().out
    assert len(archive.read_bytes()) == len(before)
    assert "Plan: 3 of 3 done" in (tmp_path / "out" / "summary.md").read_text()


def test_what_was_packed_is_collected(script, plan, options, tmp_path, capsys):
    assert script.reproduce(options) == 0
    archive, folder = tmp_path / "out" / "records.tar.gz", tmp_path / "committed"
    assert script.reproduce(["--collect", str(archive), "--records", str(folder)]) == 0
    assert f"3 records from {archive} into {folder}" in capsys.readouterr().out
    assert {path.stem for path in folder.iterdir()} == {item.name for item in plan}


def slow(scripts, plan, out):
    """Leave attempts that say that each item takes 400 s."""
    out.mkdir()
    attempt = scripts.attempts.Attempt(plan[0].name, "interrupted", 1, {"training": 100.0})
    assert plan[0].budget == 4
    scripts.attempts.write_attempts([attempt], out / "attempts.json")


def test_after_the_first_only_what_fits_is_begun(scripts, script, plan, options, tmp_path, capsys):
    slow(scripts, plan, tmp_path / "out")
    assert script.reproduce(options) == 0
    printed = capsys.readouterr().out
    assert f"{plan[0].name}: about 400 s, " in printed
    assert "nothing missing fits the " in printed
    assert "1 of 3 done, 1 of them now; 2 missing" in printed


def test_partial_begins_what_does_not_fit_too(scripts, script, plan, options, tmp_path, capsys):
    slow(scripts, plan, tmp_path / "out")
    assert script.reproduce([*options, "--partial"]) == 0
    assert "3 of 3 done, 3 of them now" in capsys.readouterr().out


def test_a_failure_is_told_and_tried_again_last(
    script, plan, options, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("FAKE_FAILS", "cross-entropy")
    assert script.reproduce(options) == 1
    printed = capsys.readouterr().out
    assert "  failed: error: it does not work (" in printed
    assert "2 of 3 done, 2 of them now; 1 missing, 1 failed now" in printed
    monkeypatch.setenv("FAKE_FAILS", "hsal-rl")
    for path in (tmp_path / "out").rglob("record*"):
        path.unlink()
    assert script.reproduce(options) == 1
    begun = [line for line in capsys.readouterr().out.splitlines() if line[0] != " "][:-1]
    assert [line.split(":")[0] for line in begun] == [plan[i].name for i in (0, 2, 1)]


def test_failures_in_a_row_end_the_call(script, plan, options, monkeypatch, capsys):
    monkeypatch.setenv("FAKE_FAILS", "-")
    monkeypatch.setattr(script, "FAILURES", 2)
    assert script.reproduce(options) == 1
    printed = capsys.readouterr().out
    assert "2 items in a row failed: the rest is not tried" in printed
    assert "3 missing, 2 failed now" in printed


def drive(options, **fields):
    """Start the script as a process of its own, as a shell starts one in the background."""
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", DRIVER, *options]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **fields
    )


def test_at_the_end_of_the_budget_a_run_stops_and_the_next_call_goes_on(plan, options, tmp_path):
    options += ["--budget-minutes", "0.1"]
    with drive(options, env={**os.environ, "FAKE_HANGS_AT": "2"}) as process:
        printed, _ = process.communicate(timeout=50)
    assert process.returncode == 0, printed
    assert "  interrupted at update 2 of 4" in printed
    assert "0 of 3 done" in printed
    assert "interrupted: told to stop" in log_of(plan[0], tmp_path)
    with drive([*options, "--budget-minutes", "1"]) as process:
        printed, _ = process.communicate(timeout=50)
    assert process.returncode == 0, printed
    assert "4 updates from 2" in log_of(plan[0], tmp_path)
    assert "3 of 3 done" in printed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_the_script_stops_the_run(plan, options, tmp_path, number):
    with drive(options, env={**os.environ, "FAKE_HANGS_AT": "2"}) as process:
        log = tmp_path / "out" / "log" / f"{plan[0].name}.log"
        until = time.monotonic() + 30
        while time.monotonic() < until and not (log.exists() and "hanging" in log.read_text()):
            time.sleep(0.05)
        process.send_signal(number)
        printed, _ = process.communicate(timeout=50)
    assert process.returncode == 130
    assert "interrupted: run the same command to resume" in printed
    assert "Traceback" not in printed
    assert "interrupted: told to stop" in log.read_text()


def test_every_command_is_one_that_hsal_bench_takes(scripts, script, tmp_path):
    out = ["--out", str(tmp_path / "out"), "--records", str(tmp_path)]
    for scale in ("paper", "toy"):
        here = script.Reproduction(script._arguments([*out, "--scale", scale, "--device", "cpu"]))
        here.options = ["--device", "cpu"]
        for item in here.plan:
            *_, command = here.commands(item)
            asked = run_command.make_context("run", command[1:]).params
            assert asked["models"] == (item.method,)
            assert asked["settings"] == tuple(item.settings.split())
            assert (asked["dataset"], asked["seeds"]) == (item.data_set, str(item.seed))
            assert asked["updates"] in (item.updates, item.budget)
            assert asked["out"] == item.out(tmp_path / "out" / "work")


def weights(script, monkeypatch, home, *more):
    monkeypatch.setenv("TORCH_HOME", str(home))
    return script._options(script._arguments(["--out", "x", *more]))


def test_without_weights_on_this_machine_no_run_waits_for_them(
    script, monkeypatch, tmp_path, capsys
):
    assert weights(script, monkeypatch, tmp_path) == ["--backbone-weights", "none"]
    assert "trained from scratch; --backbone-weights FILE gives them" in capsys.readouterr().out
    given = weights(script, monkeypatch, tmp_path, "--backbone-weights", "w.pth")
    assert given == ["--backbone-weights", "w.pth"]
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / "resnet34-b627a593.pth").touch()
    assert weights(script, monkeypatch, tmp_path, "--device", "cuda") == ["--device", "cuda"]


def test_the_list_shows_what_is_missing(script, plan, options, tmp_path, capsys):
    assert script.reproduce([*options, "--list"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("**Plan: 0 of 3 done**")
    assert "| 1 | synthetic-multiset | hsal-rl | 0 | 4 | missing | — |  |" in printed
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--out is missing: name the folder where records and summary go"),
        (["--out", "x", "--budget-minutes", "0"], "--budget-minutes is 0.0: it takes a number"),
        (["--out", "x", "--budget-minutes", "nan"], "--budget-minutes is nan: it takes a number"),
    ],
)
def test_wrong_use_is_told(script, capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        script.reproduce(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_folder_of_records_that_is_not_there_is_told(script, tmp_path):
    with pytest.raises(UsageError, match="no folder or record"):
        script.reproduce(["--out", str(tmp_path), "--records", str(tmp_path / "none")])


@pytest.mark.slow
def test_the_first_items_for_real(scripts, script, options, tmp_path, monkeypatch, capsys):
    items = scripts.reproduction.SCALES["toy"]
    longer = max(items, key=lambda item: item.budget)
    monkeypatch.setitem(script.SCALES, "toy", (items[0], longer))
    assert script.reproduce([*options, "--device", "cpu", "--budget-minutes", "8"]) == 0
    assert "2 of 2 done, 2 of them now" in capsys.readouterr().out
    assert longer.budget == 2 * items[0].budget
    members = scripts.reproduction.unpack(tmp_path / "out" / "records.tar.gz")
    assert set(members) == {
        *(f"{item.name}.json" for item in (items[0], longer)),
        f"{items[0].name}{scripts.reproduction.PICTURE}",
    }
    (curves,) = (tmp_path / "out").glob("curves-synthetic-multiset-*.png")
    assert curves.read_bytes().startswith(b"\x89PNG")
    stages = scripts.attempts.read_attempts(tmp_path / "out" / "attempts.json")[0].stages
    assert list(stages) == ["data set", "activation model", "activations", "training"]
