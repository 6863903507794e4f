"""`hsal-bench run` on a toy dataset: from nothing to records, refused, failed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hsal_bench.errors import HsalBenchError
from hsal_bench.record.correct import unpack_correct
from hsal_bench.record.predictions import counts_sha256, read_predictions
from hsal_bench.training import device as devices

METHOD = Path(__file__).with_name("constant.py").read_text()


def test_a_method_from_a_file_leaves_a_record_predictions_and_tables(
    bench, tmp_path, seed_folder, recorded
):
    code, out, _ = bench("--seeds", "0,1")
    assert code == 0
    assert "Constant" in out
    record = recorded()
    assert record.status == "ok"
    assert record.activation is None
    assert record.updates == 4
    lines = (seed_folder(seed=1) / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["labels"] for line in lines] == [[0]] * 60
    share = float(unpack_correct(record.correct).mean())
    assert record.metrics["exact_match"] == share > 0
    predicted, _ = read_predictions(seed_folder() / "predictions.jsonl", 60, 3)
    assert record.predictions_sha256 == counts_sha256(predicted)
    assert "Constant" in (tmp_path / "runs" / "table.md").read_text()
    assert "cardinality_bias" in (tmp_path / "runs" / "table.csv").read_text()


def test_a_method_named_in_two_ways_runs_once(bench, recorded):
    code, out, err = bench(model="constant.py:Constant,./constant.py:Constant")
    assert code == 0
    assert "done before" not in err
    assert "more than once" not in out
    # A constant is never better than it was at the start, and the table says so.
    assert "tested at update 0" in out
    assert recorded().selected_update == 0


def test_threads_are_those_asked_for_and_recorded(bench, recorded):
    before = torch.get_num_threads()
    try:
        bench("--threads", "3")
    finally:
        torch.set_num_threads(before)
    assert recorded().device == "cpu, 3 threads"


def test_a_run_that_is_done_is_not_made_again(bench, seed_folder):
    bench()
    before = (seed_folder() / "record.json").read_text()
    code, _, err = bench()
    assert code == 0
    assert "done before" in err
    assert (seed_folder() / "record.json").read_text() == before


def test_an_edited_method_is_run_again(bench, tmp_path, recorded):
    bench()
    (tmp_path / "constant.py").write_text(METHOD.replace("label: int = 0", "label: int = 2"))
    code, _, err = bench("--restart")
    assert code == 0
    assert "done before" not in err
    assert recorded().config["label"] == 2


def test_an_edited_method_does_not_pass_for_the_old_one(bench, tmp_path):
    bench()
    (tmp_path / "constant.py").write_text(METHOD + "EDITED = True\n")
    code, _, err = bench()
    assert code == 2
    assert "belongs to another run (another version of Constant): use" in err


def test_a_comment_does_not_change_a_method(bench, tmp_path):
    bench()
    (tmp_path / "constant.py").write_text("# edited\n" + METHOD)
    code, _, err = bench()
    assert code == 0
    assert "done before" in err


@pytest.mark.parametrize(
    ("setting", "status", "reason"),
    [
        ("breaks", "failed", "RuntimeError: out of memory (constant.py line 42)"),
        ("ends", "failed", "SystemExit: enough (constant.py line 33)"),
        ("diverge", "failed", "loss is nan between updates 0 and 1: "),
        ("large", "failed", "training with batches of 8: CUDA out of memory. Tried to allocate"),
        ("unsupported", "unsupported", "it has no eyes"),
    ],
)
def test_a_method_that_cannot_run_says_why_and_the_others_run(
    bench, recorded, setting, status, reason
):
    label = f"Constant+{setting}=yes"
    code, out, err = bench(model=f"constant.py:{label},constant.py:Constant")
    record = recorded(label)
    assert (code, record.status) == (int(status == "failed"), status)
    assert record.reason.startswith(reason)
    assert f"{label} seed 0 (1 of 2): {status}: {record.reason}" in err.splitlines()
    assert "—" in out
    assert recorded().status == "ok"


def test_too_little_memory_is_one_line_with_a_remedy(bench, recorded):
    _, _, err = bench("--set", "large=yes")
    reason = recorded("Constant+large=yes").reason
    assert reason.endswith("allocate 2.00 GiB; use a smaller --batch-size, with --restart")
    assert "traceback" not in err


def test_the_traceback_of_a_method_that_breaks_is_kept(bench, seed_folder):
    code, _, err = bench("--set", "breaks=true", "--seeds", "0,1")
    assert (code, err.count(": failed, traceback in runs")) == (1, 2)
    for seed in (0, 1):
        text = (seed_folder("Constant+breaks=yes", seed) / "error.txt").read_text()
        assert "in predict" in text


def test_a_gpu_that_no_longer_works_ends_the_command_and_loses_nothing(
    bench, tmp_path, monkeypatch, recorded
):
    def broken(device, who):
        raise HsalBenchError(f"{who} left cuda unusable")

    monkeypatch.setattr(devices, "require_working", broken)
    code, _, err = bench("--set", "breaks=yes", "--seeds", "0,1")
    assert code == 1
    assert "error: Constant+breaks=yes seed 0 left cuda unusable" in err
    assert recorded("Constant+breaks=yes").status == "failed"
    assert not list((tmp_path / "runs").glob("**/seed-1/record.json"))


def test_it_says_what_it_does(bench):
    _, _, err = bench()
    assert "dataset" in err
    assert "1,200 / 40 / 60 images" in err
    assert "preset quick on cpu" in err
    assert "Constant seed 0: 4 updates, batches of 8" in err


def test_every_run_ends_with_its_place_and_its_scores(bench, recorded):
    _, _, err = bench("--seeds", "0,1", "--model", "constant.py:Constant+diverge=yes")
    record = recorded(seed=1)
    printed = (
        f"exact match {record.metrics['exact_match']:.3f}, "
        f"macro F1 {record.metrics['macro_f1']:.3f} (of update {record.selected_update})"
    )
    assert f"Constant seed 1 (2 of 4): {printed}, trained in 0 s" in err.splitlines()
    assert "Constant+diverge=yes seed 0 (3 of 4): failed: loss is nan" in err


def test_a_renamed_data_set_is_the_same_run(bench, tmp_path, toy_file):
    bench()
    toy_file.rename(tmp_path / "other.h5")
    assert "done before" in bench("--dataset", "other.h5")[2]


def test_a_slip_in_a_name_is_reported_without_importing_torch():
    program = (
        "import sys; sys.argv = ['hsal-bench', 'run', '--model', 'hsal-rk']\n"
        "from hsal_bench.cli import main as cli\n"
        "try: cli.main()\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["2", "False"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('{"loss": torch', '{"los": torch'), "Constant.update returned 'los': it lacks \"loss\""),
        (("return Prediction(counts)", "return counts"), "predict returned a tensor int64 [40, 3]"),
        (("Prediction(counts)", "Prediction(counts[:, :2])"), "expected integers [40, 3]"),
        (("Prediction(counts)", "Prediction(-counts)"), "returned count -1 for class 0 of image 0"),
    ],
)
def test_a_breach_of_the_contract_is_one_clear_line(bench, tmp_path, change, message, recorded):
    (tmp_path / "constant.py").write_text(METHOD.replace(*change))
    code, _, err = bench()
    assert code == 1
    record = recorded()
    assert message in record.reason
    assert f"Constant seed 0 (1 of 1): failed: {record.reason}" in err.splitlines()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "quik"], "no preset 'quik': did you mean 'quick'?"),
        (["--device", "cuda"], "no CUDA device on this machine; give --device cpu"),
        (["--device", "tpu"], "--device tpu: give cpu, cuda or cuda:NUMBER"),
        (["--device", "mps"], "--device mps: Apple's GPUs have no float64, which the attention"),
        (
            ["--seeds", "0,x"],
            "--seeds has 'x': write whole numbers, such as 0,1,3 or the range 0-3",
        ),
        (["--seeds", "-1"], "--seeds -1: seeds must be from 0 to 4,294,967,295"),
        (["--set", "hsal-rl:hidden=8"], "--set hsal-rl:hidden: 'hsal-rl' is not in this run"),
        (["--model", "hsal-rk"], "no method 'hsal-rk': did you mean 'hsal-rl'?"),
        (["--model", "nothing.py:X"], "no file nothing.py"),
        (["--backbone", "resnet43"], "no activation model 'resnet43': did you mean 'resnet34'?"),
        (["--dataset", "mnist-multi"], "no dataset 'mnist-multi'"),
        (["--dataset", "missing.h5"], "no dataset file missing.h5"),
        (["--eval-on", "mnist-multi"], "no dataset 'mnist-multi'"),
        (["--eval-on", "missing.h5"], "no dataset file missing.h5"),
        (["--model", "hsal-rl+hidden"], "hsal-rl+hidden: 'hidden' is not a setting; write hsal-"),
        (["--model", "hsal-rl+hiden=3"], "hsal-rl has no option 'hiden': did you mean 'hidden'?"),
        (["--model", "hsal-rl+hidden=x"], "hsal-rl: hidden is 'x': it must be a whole number"),
        (["--model", "constant.py:Constant+note=a\tb"], "Constant.note contains unprintable cha"),
        (["--model", "hsal-rl+backbone=x"], "no activation model 'x': known: resnet34"),
        (["--dataset", "constant.py"], "constant.py is not a dataset: give a file that ends with"),
        (["--seeds", "0-9999"], "--seeds is '0-9999': at most 1,000 numbers in one range"),
        (["--seeds", "4-0"], "--seeds is '4-0', which counts down: write 0-4"),
        (["--seeds", "0-2,1"], "duplicate 1 in --seeds"),
        (["--model", "rl,cnn-rnn", "--model", "rl"], "duplicate rl in --model"),
        (["--dataset", "toy,toy-large"], "--dataset toy,toy-large: a run trains on one dataset; "),
    ],
)
def test_bad_requests_are_refused_in_one_line(bench, arguments, message):
    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    code, _, err = bench(*arguments)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_dry_run_prints_a_command_for_each_run(bench, tmp_path):
    code, out, _ = bench("--seeds", "0,1", "--set", "label=1", "--dry-run")
    first, second = out.splitlines()
    assert code == 0
    assert first.startswith("hsal-bench run --model constant.py:Constant --dataset ")
    assert first.endswith("--set label=1 --updates 4 --batch-size 8 --seeds 0")
    assert second == first.removesuffix("0") + "1"
    assert not list((tmp_path / "runs").rglob("record.json"))


@pytest.mark.parametrize("options", [["--wait"], ["--slurm", "time=5"], ["--wait", "--on", "dask"]])
def test_options_of_slurm_are_refused_elsewhere(bench, options):
    code, _, err = bench(*options)
    assert (code, err) == (2, f"error: {options[0]} needs --on slurm\n")


def test_an_out_that_cannot_be_a_folder_is_refused(no_folder, bench):
    code, _, err = bench("--out", no_folder)
    assert code == 2
    assert err.count("error: ") == err.splitlines()[-1].count("taken") == 1
    assert not no_folder.is_file() or no_folder.read_text() == "x"


def test_a_data_set_whose_content_is_not_as_stated_is_refused(bench, toy_file):
    import h5py

    with h5py.File(toy_file, "r+") as file:
        file["train/images"][5, 0, 0, 0] += 1
    code, _, err = bench()
    assert code == 2
    assert "is damaged: its content has the hash" in err
