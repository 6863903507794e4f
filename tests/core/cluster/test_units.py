"""A request is split into units, each a command of its own; `status` knows what is missing."""

import json
import os
import re
import shlex
import time
from types import SimpleNamespace

import pytest
import torch

from hsal_bench.cluster import grid, status, units
from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.record.record import write_record
from hsal_bench.runs import request as requests
from hsal_bench.runs import requested
from hsal_bench.runs.request import Request


def _request(tmp_path, **changes):
    fixed = {"models": ("cnn-rnn", "multiset-loss+hidden=8"), "seeds": (0, 1), "preset": "quick"}
    return Request(**{**fixed, "out": tmp_path / "runs", "datasets": tmp_path / "data", **changes})


def test_a_unit_is_a_method_and_a_seed(tmp_path):
    every = units.units(_request(tmp_path))
    assert [unit.title for unit in every] == [
        "mnist-multiset/cnn-rnn/quick/seed-0",
        "mnist-multiset/cnn-rnn/quick/seed-1",
        "mnist-multiset/multiset-loss+hidden=8/quick/seed-0",
        "mnist-multiset/multiset-loss+hidden=8/quick/seed-1",
    ]
    assert every[3].request.models == ("multiset-loss+hidden=8",)
    assert every[3].request.seeds == (1,)


def test_the_command_of_a_unit_reads_back_as_the_unit(tmp_path):
    request = _request(
        tmp_path, settings={"hidden": "4", "rl:hidden": "1,2"}, eval_on=("a", "b"), updates=5
    )
    words = shlex.split(units.command(request))
    assert words[:2] == ["hsal-bench", "run"]
    given = {}
    for option, value in zip(words[2::2], words[3::2], strict=True):
        given.setdefault(option, []).append(value)
    assert requests.models(given.pop("--model")) == request.models
    assert given == {
        "--seeds": ["0,1"],
        "--eval-on": ["a,b"],
        "--preset": ["quick"],
        "--out": [str(request.out)],
        "--datasets": [str(request.datasets)],
        "--set": ["hidden=4", "rl:hidden=1,2"],
        "--updates": ["5"],
    }


def result_of(error):
    def result():
        raise error

    return SimpleNamespace(done=lambda: True, result=result)


@pytest.mark.parametrize(
    ("errors", "code", "message"),
    [
        ([UsageError("a.pt is damaged")], 2, "not done: run 0: a.pt is damaged"),
        ([UsageError("a.pt is damaged")] * 2, 2, "not done: 2 runs, see above"),
        ([UsageError("a.pt is damaged"), HsalBenchError("killed")], 1, "not done: 2 runs, see"),
        ([KeyError("a")], 1, "not done: run 0: KeyError: 'a'"),
    ],
)
def test_the_exit_code_is_that_of_the_same_error_without_on(errors, code, message):
    results = {f"run {number}": result_of(error) for number, error in enumerate(errors)}
    with pytest.raises(HsalBenchError, match=f"^{re.escape(message)}") as raised:
        list(grid.followed(results, []))
    assert raised.value.exit_code == code
    assert raised.value.__cause__ is errors[0]  # whose traceback --debug shows


def test_a_unit_has_only_what_concerns_its_method(tmp_path):
    request = _request(
        tmp_path,
        models=("cnn-rnn", "rl"),
        settings={"hidden": "4", "rl:hidden": "8"},
        tag="rl:new",
        restart=("rl",),
    )
    first, _, other, _ = (unit.request for unit in units.units(request))
    assert (first.settings, first.tag, first.restart) == ({"hidden": "4"}, None, False)
    assert (other.settings, other.tag, other.restart) == (request.settings, "rl:new", True)


def test_the_preset_must_be_named_for_other_machines(tmp_path):
    with pytest.raises(UsageError, match=r"^name a preset .* depends on the machine"):
        units.units(_request(tmp_path, preset=None))


@pytest.mark.parametrize("where", ["local", "local:0", "slrum", "dask:8786", ""])
def test_unknown_places_are_refused(tmp_path, where):
    with pytest.raises(UsageError, match=f"^--on {where}: write local:N, slurm, dask or"):
        grid.run(_request(tmp_path), where, {})


def test_options_of_slurm_need_slurm(tmp_path):
    with pytest.raises(UsageError, match=r"^--slurm applies to --on slurm"):
        grid.run(_request(tmp_path), "local:2", {"time": "5"})


def test_runs_are_missing_running_stalled_or_stopped(tmp_path):
    folders = [unit.folder for unit in units.units(_request(tmp_path))]
    requested.add(tmp_path / "runs", folders)
    beat = {"host": "a", "process": 7, "updates": 9, "update": 4}
    for folder in folders[1:]:
        folder.mkdir(parents=True)
    for folder in folders[2:]:
        (folder / "heartbeat").write_text(json.dumps(beat))
    old = time.time() - 3600
    os.utime(folders[3] / "heartbeat", (old, old))
    state = {"identity": '{"budget": {"updates": 8}}', "run": {"update": 6, "seconds": 1.0}}
    torch.save(state, folders[1] / "checkpoint.pt")
    runs = status.statuses(tmp_path / "runs")
    assert [run.state for run in runs] == ["missing", "stopped", "running", "stalled"]
    assert (runs[1].update, runs[1].updates) == (6, 8)
    assert (runs[2].update, runs[2].updates, runs[2].detail) == (4, 9, "host a, process 7")
    assert runs[3].seconds >= 3600
    assert status.summary(runs) == ("4 runs: 1 missing, 1 stopped, 1 running (at 44 %), 1 stalled")


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no run in"):
        status.statuses(tmp_path)
    with pytest.raises(UsageError, match="no folder"):
        status.statuses(tmp_path / "other")


@pytest.mark.parametrize("name", ["/etc", "../other"])
def test_a_list_of_runs_that_leads_elsewhere_is_refused(tmp_path, name):
    (tmp_path / ".grid").mkdir()
    (tmp_path / ".grid" / "requested.json").write_text(json.dumps([name]))
    with pytest.raises(UsageError, match=r"requested.json is damaged"):
        status.statuses(tmp_path)


def test_a_method_with_its_own_budget_has_no_updates(tmp_path, ok):
    folder = tmp_path / "toy" / "Neighbours" / "quick" / "seed-0"
    folder.mkdir(parents=True)
    write_record(ok(own_budget=True, budget={}, updates=None), folder / "record.json")
    (run,) = status.statuses(tmp_path)
    assert (run.state, run.update, run.updates) == ("done", 0, None)


def test_a_done_run_is_done_while_its_job_ends(tmp_path, monkeypatch):
    folders = [unit.folder for unit in units.units(_request(tmp_path))]
    requested.add(tmp_path / "runs", folders)
    jobs = {str(folder.relative_to(tmp_path / "runs")): "7" for folder in folders}
    monkeypatch.setattr(status.slurm, "queued_runs", lambda _: jobs)
    done = status.RunStatus(folders[0], "done")
    monkeypatch.setattr(
        status,
        "status",
        lambda folder: done if folder == folders[0] else status.RunStatus(folder, "missing"),
    )
    states = [run.state for run in status.statuses(tmp_path / "runs")]
    assert states == ["done", *["queued"] * 3]
