"""`--on slurm` on a real Slurm of one node; skipped without one."""

import json
import os
import pickle
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from hsal_bench.cluster.slurm import JobResult, minutes
from hsal_bench.errors import HsalBenchError, UsageError


def _jobs(bench):
    """The numbers of the runs' jobs; the cluster may have jobs of others."""
    numbers = json.loads((bench.folder / "runs/.grid/slurm/jobs.json").read_text())
    return [number for title, number in numbers.items() if title != "preparation"]


def _queued(bench):
    command = ["squeue", "--noheader", "--array", "--format=%i"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(_jobs(bench)).intersection(listed.stdout.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("90:30", 90), ("2:00:00", 120), ("1-12", 2160), ("1-12:30", 2190)],
)
def test_time_limits_as_slurm_writes_them(text, expected):
    assert minutes(text) == expected


@pytest.mark.parametrize("text", ["2h", "", "0", "1:2:3:4"])
def test_other_time_limits_are_refused(text):
    with pytest.raises(UsageError, match=f"^--slurm time={text}: "):
        minutes(text)


ENDED = {
    "raised": ("error", "Traceback:\n  ...\nhsal_bench.errors.UsageError: no MNIST: add it\n"),
    "failed": ("error", "Traceback:\n  ...\nKeyError: 'a'\n"),
    "succeeded": ("success", None),
}


@pytest.mark.parametrize(
    ("preparation", "run", "kind", "message"),
    [
        ("succeeded", "raised", UsageError, "job 2_0: no MNIST: add it"),
        ("succeeded", "failed", HsalBenchError, "job 2_0: KeyError: 'a'"),
        ("raised", None, UsageError, "job 1: no MNIST: add it"),
        ("failed", None, HsalBenchError, "job 1: KeyError: 'a'"),
        ("succeeded", None, HsalBenchError, "job 2_0 was cancelled before it began"),
        ("succeeded", "killed", HsalBenchError, r"job 2_0 ended .* see .*/2_0_0_log\.out"),
    ],
)
def test_a_job_without_a_result_says_why(tmp_path, preparation, run, kind, message):
    for number, end in (("1_0", preparation), ("2_0_0", run)):
        if end is not None:
            (tmp_path / f"{number}_log.out").touch()
        if end in ENDED:
            (tmp_path / f"{number}_result.pkl").write_bytes(pickle.dumps(ENDED[end]))
    with pytest.raises(kind, match=f"^{message}$") as raised:
        JobResult(tmp_path, "2_0", "1").result()
    assert type(raised.value) is kind


@pytest.mark.slow
def test_a_job_array_gives_the_records_of_a_serial_run(slurm, bench, alone):
    text = bench.run(*slurm, "--wait")
    assert "submitted job" in text
    assert bench.results() == alone


@pytest.mark.slow
def test_options_that_slurm_refuses_are_named(slurm, bench):
    text = bench.run(*slurm, "--slurm", "time=30,partition=none", code=2)
    assert "error: sbatch refuses --slurm time=30,partition=none: " in text
    assert text.count("sbatch") == 1


@pytest.mark.slow
def test_the_same_command_continues_what_is_missing(slurm, bench, alone):
    assert "submitted job" in bench.run(*slurm)
    numbers = [*_jobs(bench)]
    again = bench.run(*slurm)
    assert "submitted job" not in again and f"queued before: {numbers[0]} and" in again
    assert [*_jobs(bench)] == numbers
    bench.run(*slurm, "--wait")
    assert bench.results() == alone
    assert "2 done before, 0 to do" in bench.run(*slurm)


@pytest.mark.slow
def test_a_requeued_job_resumes_from_its_checkpoint(slurm, bench, alone):
    with bench.slowed(*slurm, "--wait") as (command, process):
        os.kill(process, signal.SIGUSR2)  # as Slurm does before the time limit
    text, _ = command.communicate(timeout=900)
    assert command.returncode == 0, text
    assert bench.resumed()
    assert bench.results() == alone


@pytest.mark.slow
def test_a_preempted_job_resumes_from_its_checkpoint(slurm, bench, alone):
    with bench.slowed(*slurm, "--wait") as (command, _):
        urgent = [
            "sbatch",
            "--partition=urgent",
            "--exclusive",
            "--wrap=true",
            "--output=/dev/null",
        ]
        subprocess.run([*urgent, "--wait"], check=True)
    text, _ = command.communicate(timeout=900)
    assert command.returncode == 0, text
    assert bench.resumed()
    assert bench.results() == alone


@pytest.mark.slow
def test_a_cancelled_job_is_reported_and_submitted_again(slurm, bench, alone):
    with bench.slowed(*slurm, "--wait") as (command, _):
        subprocess.run(["scancel", *_jobs(bench)], check=True)
        text, _ = command.communicate(timeout=900)
    assert command.returncode == 1
    logs = re.findall(r"ended without a result, see (\S+_log.out)", text)
    assert any(Path(log).is_file() for log in logs)
    while _queued(bench):
        time.sleep(1)
    bench.run(*slurm, "--wait")
    assert bench.results() == alone
