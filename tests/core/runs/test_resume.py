"""Runs that were stopped, changed, or are in use: resumed or refused."""

import json
import re

import torch

from hsal_bench.locks import locked
from hsal_bench.record.record import read_record
from hsal_bench.runs import run as runs
from hsal_bench.runs.request import Request
from hsal_bench.training import activations, states
from hsal_bench.training import evaluate as evaluation


def test_a_checkpoint_of_another_budget_is_refused_until_restart(bench):
    bench()
    code, _, err = bench("--updates", "6")
    assert code == 2
    changes = "--updates 4 in the existing run, 6 in this one"
    assert f"belongs to another run ({changes}): use another --out, or --restart" in err
    code, _, err = bench("--updates", "6", "--eval-every", "3")
    assert code == 2
    assert f"({changes}; --eval-every 1 in the existing run, 3 in this one): use" in err
    assert bench("--updates", "6", "--restart")[0] == 0


def test_a_default_that_moved_with_the_updates_is_no_difference():
    changes = {"budget.updates": (80, 90), "budget.eval_every": (10, 11), "config.hidden": (8, 9)}
    texts = [runs._words(dict(changes), Request(("rl",), eval_every=n)) for n in (None, 11)]
    assert ["--eval-every" in text for text in texts] == [False, True]
    assert "config.hidden 8 in the existing run, 9 in this one" in texts[0]


def test_all_that_is_of_other_runs_is_refused_at_once_and_before_any_work(
    bench, tmp_path, seed_folder
):
    bench("--seeds", "1,2")
    code, _, err = bench("--updates", "6", "--seeds", "0-2")
    assert code == 2
    paths = [str(seed_folder(seed=seed).relative_to(tmp_path)) for seed in (1, 2)]
    assert err.splitlines()[-1] == (
        f"error: {paths[0]}/checkpoint.pt, {paths[1]}/checkpoint.pt belong to other "
        "runs (--updates 4 in the existing run, 6 in this one): use another --out, or --restart to "
        "start over"
    )
    assert not list((tmp_path / "runs").glob("*/*/*/seed-0"))


def test_a_stopped_run_says_from_where_it_goes_on(bench, seed_folder):
    bench()
    (seed_folder() / "record.json").unlink()
    assert "Constant seed 0: 4 updates, batches of 8, in " in (err := bench()[2])
    assert f"{seed_folder().name}, resuming from update 4\n" in err


def test_slices_that_end_within_every_evaluation_give_the_same_record(bench, tmp_path, monkeypatch):
    """Of the activation model and of the method, on valid and on test; one batch to a slice."""
    line = ("--updates", "2", "--eval-every", "1", "--set", "hidden=8")
    line += ("--fine-tune-updates", "1")
    for name in ("BATCH_SIZE", "IMAGES"):
        monkeypatch.setattr(evaluation, name, 20)  # two batches of valid, three of test
    monkeypatch.setattr(evaluation, "KEEP_AFTER", -1.0)
    whole, sliced = tmp_path / "whole", tmp_path / "sliced"

    def command(folder):
        return bench(*line, "--out", folder, "--datasets", folder / "data", model="hsal-rl")[0]

    assert command(whole) == 0
    predict, predicted = evaluation._predict, []

    def stop_at_the_second(*arguments):
        predicted.append(arguments)
        if len(predicted) == 2:
            raise KeyboardInterrupt
        return predict(*arguments)

    monkeypatch.setattr(evaluation, "_predict", stop_at_the_second)
    codes = []
    while 0 not in codes:
        predicted.clear()
        codes.append(command(sliced))
        assert codes[-1] in (0, 130)
        assert len(codes) < 20
    assert len(codes) == (2 * 2 + 3) + (3 * 2 + 3)
    path = "toy/hsal-rl+hidden=8/quick/seed-0"
    records = [read_record(folder / path / "record.json") for folder in (whole, sliced)]
    for field in ("activation", "metrics", "correct", "predictions_sha256", "curve", "updates"):
        assert getattr(records[0], field) == getattr(records[1], field)
    texts = [(folder / path / "predictions.jsonl").read_text() for folder in (whole, sliced)]
    assert texts[0] == texts[1]
    assert not list(sliced.rglob("evaluation.pt"))


def test_a_run_resumed_on_another_kind_of_device_says_so_and_is_marked(bench, seed_folder):
    bench()
    folder = seed_folder()

    def stopped_on_cuda(update):
        (folder / "record.json").unlink()
        state = torch.load(folder / "checkpoint.pt", weights_only=True)
        curve = [line for line in state["run"]["curve"] if line["update"] <= update]
        state["run"] |= {"devices": ["cuda"], "update": update, "curve": curve}
        states.write(folder / "checkpoint.pt", state)

    stopped_on_cuda(update=2)
    _, out, err = bench()
    assert "resuming from update 2 (trained on cuda): random numbers are reseeded, so" in err
    assert read_record(folder / "record.json").resumed_on == ("cuda", "cpu")
    assert "changed device during training (cuda, then cpu)" in " ".join(out.split())
    # Where no update is left to make, nothing was trained on the second device.
    stopped_on_cuda(update=4)
    bench()
    assert read_record(folder / "record.json").resumed_on == ()


def test_the_precision_of_the_activation_model_is_printed_and_recorded(bench, recorded):
    arguments = ("--fine-tune-updates", "1", "--set", "hidden=8", "--precision", "bfloat16")
    code, _, err = bench(*arguments, model="hsal-rl")
    assert code == 0
    assert "activation model small in bfloat16 (from scratch" in err
    assert re.search(r"\): \d+\.\d % accuracy on its test images\n", err)
    assert "warning: the activation model was tested on only 60 images" in err
    record = recorded("hsal-rl+hidden=8")
    assert record.activation.precision == "bfloat16"


def test_another_budget_is_refused_before_the_activation_model_is_made(
    bench, tmp_path, monkeypatch, toy_file
):
    monkeypatch.setattr(activations, "fine_tune", None)
    folder = tmp_path / "runs" / "toy" / "hsal-rl" / "quick" / "seed-0"
    folder.mkdir(parents=True)
    budget = {"updates": 7, "batch_size": 8, "eval_every": 1}
    state = {"identity": json.dumps({"budget": budget}), "run": {"update": 7}}
    torch.save(state, folder / "checkpoint.pt")
    code, _, err = bench(model="hsal-rl")
    assert code == 2
    assert "checkpoint.pt belongs to another run (" in err


def test_a_run_in_use_is_refused_by_no_wait(bench, seed_folder):
    assert bench()[0] == 0
    folder = seed_folder()
    with locked(folder, "training here"):
        code, _, err = bench("--restart", "--no-wait")
    assert code == 1
    assert "another process is training here (host" in err
    assert read_record(folder / "record.json").status == "ok"  # nothing was discarded


def test_a_busy_cache_is_no_failure_of_the_method(bench, tmp_path, seed_folder):
    arguments = ("--fine-tune-updates", "1", "--cache", "cache")
    assert bench(*arguments, model="hsal-rl")[0] == 0
    assert not (tmp_path / "data" / "activations").exists()
    assert not (tmp_path / "data" / "activation-models").exists()
    (volumes,) = (tmp_path / "cache" / "activations").iterdir()
    (volumes / "test.npy").unlink()
    with locked(volumes, "busy"):
        code, _, err = bench(*arguments, "--restart", "--no-wait", model="hsal-rl")
    assert (code, "another process is busy" in err) == (1, True)
    assert not (seed_folder("hsal-rl") / "record.json").exists()
