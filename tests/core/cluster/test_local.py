"""`--on local:N`: the same records as one after another, whatever is killed."""

import os
import signal
import subprocess
import sys

import pytest

from hsal_bench.cluster.jobs import Job
from hsal_bench.cluster.local import Local, Process

pytestmark = pytest.mark.slow


def test_processes_give_the_records_of_a_serial_run(bench, alone):
    text = bench.run("--on", "local:2")
    assert "2 of 2:" in text
    assert bench.results() == alone
    assert "2 done before, 0 to do" in bench.run("--on", "local:2")


def test_a_killed_process_is_replaced(bench, alone):
    with bench.slowed("--on", "local:2") as (command, process):
        os.kill(process, signal.SIGKILL)
    text, _ = command.communicate(timeout=600)
    assert command.returncode == 0, text
    assert bench.results() == alone


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_same_command_resumes_after_a_signal(bench, alone, number):
    with bench.slowed("--on", "local:2") as (command, _):
        command.send_signal(number)
        text, _ = command.communicate(timeout=600)
    assert "Traceback" not in text
    assert command.returncode == (-9 if number == signal.SIGKILL else 130), text
    bench.run("--on", "local:2")
    assert bench.resumed()
    assert bench.results() == alone


def test_a_process_in_the_background_has_low_priority_in_a_session_of_its_own():
    place = Local(1, background=True)
    try:
        work = Job(lambda _: (os.nice(0), os.getsid(0) == os.getpid()), None, "priority")
        (result,) = place.start(None, [work])
        assert result.result() == (19, True)
    finally:
        place.stop()


def test_processes_take_the_visible_gpus_in_turn(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    job = Job(lambda _: os.environ["CUDA_VISIBLE_DEVICES"], None, "devices")
    gpus = []
    for index in range(3):
        process = Process(index, background=False)
        gpus.append(process.run(job))
        process.stop()
    assert gpus == ["3", "5", "3"]


def test_a_failing_method_does_not_stop_the_others(bench, alone):
    text = bench.run("--on", "local:2", models="slow.py:Failing,slow.py:Slow", code=1)
    assert "RuntimeError: it fails" in text
    results = bench.results()
    assert alone.items() <= results.items()
    assert {results[name]["status"] for name in results if "Failing" in name} == {"failed"}


def test_a_method_that_kills_its_process_costs_only_its_own_runs(bench, alone):
    models = "slow.py:Killing,slow.py:Slow"
    text = bench.run("--on", "local:2", models=models, code=1)
    assert text.count("its process was killed 3 times") == 2
    assert bench.results() == alone


def test_a_restart_discards_the_earlier_run_once(bench, alone):
    bench.run()
    with bench.slowed("--on", "local:2", "--restart") as (command, process):
        os.kill(process, signal.SIGKILL)
    text, _ = command.communicate(timeout=600)
    assert command.returncode == 0, text
    assert bench.resumed()
    assert bench.results() == alone


def test_classes_of_a_script_run_in_other_processes(bench, alone):
    method = (bench.folder / "slow.py").read_text()
    (bench.folder / "script.py").write_text(
        f"{method}\n"
        "if __name__ == '__main__':\n"
        "    import hsal_bench as hb\n"
        "    choices = dict(preset='quick', device='cpu', threads=1, on='local:2')\n"
        "    choices |= dict(updates=30, eval_every=10, batch_size=8)\n"
        "    hb.run(Slow, 'synthetic-multiset', seeds=[0, 1], **choices)\n"
    )
    subprocess.run([sys.executable, "script.py"], cwd=bench.folder, check=True)
    assert bench.results() == alone


def test_a_script_without_the_guard_fails_with_one_line(bench):
    call = "hb.run('count-classifier', 'synthetic-multiset', preset='quick', on='local:2')"
    (bench.folder / "script.py").write_text(f"import hsal_bench as hb\n{call}\n")
    command = [sys.executable, "script.py"]
    result = subprocess.run(command, cwd=bench.folder, capture_output=True, text=True, check=False)
    *_, last = result.stderr.splitlines()
    assert (result.returncode, 'write `if __name__ == "__main__":`' in last) == (1, True)
    assert "bootstrapping" not in result.stderr
    assert result.stderr.count("Traceback") == 1


def test_what_is_done_is_known_without_the_dataset_of_the_activation_model(bench):
    options = {"models": "count-classifier", "seeds": "0"}
    bench.run("--fine-tune-updates", "4", **options)
    single = bench.folder / "data/synthetic-single.h5"
    single.unlink()
    text = bench.run("--fine-tune-updates", "4", "--on", "local:2", **options)
    assert "1 done before, 0 to do" in text
    assert not single.exists()
