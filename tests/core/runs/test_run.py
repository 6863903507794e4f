"""`hsal-bench run` on a toy data set: from nothing to records, resumed, refused, failed."""

import errno
import json
import os
import shlex
import shutil
import subprocess
import sys
from functools import partial
from importlib.metadata import EntryPoint

import pytest
import torch

from hsal_bench import registry
from hsal_bench.cli import main as cli
from hsal_bench.data import locate
from hsal_bench.errors import HsalBenchError
from hsal_bench.locks import locked
from hsal_bench.record.correct import unpack_correct
from hsal_bench.record.predictions import counts_sha256, read_predictions
from hsal_bench.record.record import read_record
from hsal_bench.runs import methods
from hsal_bench.runs import request as requests
from hsal_bench.training import activations, backbones, frozen, states
from hsal_bench.training import device as devices
from hsal_bench.training import evaluate as evaluation

METHOD = '''
"""A method of a stranger's: it predicts the same multiset for every image."""
from dataclasses import dataclass
import torch
from hsal_bench.method.contract import Prediction, Unsupported

@dataclass(frozen=True)
class Config:
    label: int = 0
    diverge: bool = False
    unsupported: bool = False
    breaks: bool = False
    ends: bool = False
    large: bool = False
    note: str = ""

class Constant:
    Config = Config
    inputs = "images"
    presets = {}

    def __init__(self, task, config, setup):
        if config.unsupported:
            raise Unsupported("it has no eyes")
        self.task, self.config = task, config

    def update(self, batch):
        if self.config.ends:
            raise SystemExit("enough")
        if self.config.large:
            raise torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1.00 GiB."
            )
        return {"loss": torch.tensor(float("nan") if self.config.diverge else 1.0)}

    def predict(self, batch, *, trace=False):
        if self.config.breaks:
            raise RuntimeError("out of memory")
        assert batch.labels is None and batch.counts is None
        counts = torch.zeros(len(batch.inputs), self.task.num_classes, dtype=torch.int64)
        counts[:, self.config.label] = 1
        return Prediction(counts)

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass
'''


@pytest.fixture
def bench(tmp_path, toy_file, known_generators, monkeypatch, capsys):
    """Return a function that runs `hsal-bench run` on the toy data set: (code, out, err)."""
    (tmp_path / "constant.py").write_text(METHOD)
    monkeypatch.chdir(tmp_path)

    def run(*arguments, model="constant.py:Constant"):
        line = ["hsal-bench", "run", "--model", model, "--dataset", str(toy_file)]
        line += ["--device", "cpu", "--preset", "quick", "--updates", "4", "--batch-size", "8"]
        monkeypatch.setattr("sys.argv", [*line, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


def _folder(tmp_path, label="Constant", seed=0):
    (folder,) = (tmp_path / "runs").glob(f"*/{label}/quick/seed-{seed}")
    return folder


def test_a_method_from_a_file_leaves_a_record_predictions_and_tables(bench, tmp_path):
    code, out, _ = bench("--seeds", "0,1")
    assert code == 0
    assert "Constant" in out
    record = read_record(_folder(tmp_path) / "record.json")
    assert record.status == "ok"
    assert record.activation is None
    assert record.updates == 4
    lines = (_folder(tmp_path, seed=1) / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["labels"] for line in lines] == [[0]] * 60
    share = float(unpack_correct(record.correct).mean())
    assert record.metrics["exact_match"] == share > 0
    predicted, _ = read_predictions(_folder(tmp_path) / "predictions.jsonl", 60, 3)
    assert record.predictions_sha256 == counts_sha256(predicted)
    assert "Constant" in (tmp_path / "runs" / "table.md").read_text()
    assert "cardinality_bias" in (tmp_path / "runs" / "table.csv").read_text()


def test_a_method_named_in_two_ways_runs_once(bench, tmp_path):
    code, out, err = bench(model="constant.py:Constant,./constant.py:Constant")
    assert code == 0
    assert "done before" not in err
    assert "more than once" not in out
    # A constant is never better than it was at the start, and the table says so.
    assert "tested at update 0" in out
    assert read_record(_folder(tmp_path) / "record.json").selected_update == 0


def test_threads_are_those_asked_for_and_recorded(bench, tmp_path):
    before = torch.get_num_threads()
    try:
        bench("--threads", "3")
    finally:
        torch.set_num_threads(before)
    assert read_record(_folder(tmp_path) / "record.json").device == "cpu, 3 threads"


def test_a_run_that_is_done_is_not_made_again(bench, tmp_path):
    bench()
    before = (_folder(tmp_path) / "record.json").read_text()
    code, _, err = bench()
    assert code == 0
    assert "done before" in err
    assert (_folder(tmp_path) / "record.json").read_text() == before


def test_an_edited_method_is_run_again(bench, tmp_path):
    bench()
    (tmp_path / "constant.py").write_text(METHOD.replace("label: int = 0", "label: int = 2"))
    code, _, err = bench("--restart")
    assert code == 0
    assert "done before" not in err
    assert read_record(_folder(tmp_path) / "record.json").config["label"] == 2


def test_an_edited_method_does_not_pass_for_the_old_one(bench, tmp_path):
    bench()
    (tmp_path / "constant.py").write_text(METHOD + "EDITED = True\n")
    code, _, err = bench()
    assert code == 2
    assert "belongs to another run (an earlier version of Constant): use" in err


def test_a_comment_does_not_change_a_method(bench, tmp_path):
    bench()
    (tmp_path / "constant.py").write_text("# edited\n" + METHOD)
    code, _, err = bench()
    assert code == 0
    assert "done before" in err


def test_a_method_that_breaks_does_not_keep_the_others_from_running(bench, tmp_path):
    (tmp_path / "fine.py").write_text(METHOD)
    code, out, err = bench("--model", "fine.py:Constant", "--set", "breaks=true", "--seeds", "0,1")
    assert code == 1
    for seed in (0, 1):
        folder = _folder(tmp_path, "Constant+breaks=yes", seed)
        record = read_record(folder / "record.json")
        assert (record.status, record.reason) == ("failed", "RuntimeError: out of memory")
        assert "in predict" in (folder / "error.txt").read_text()
    assert "out of memory" in out + err


def test_too_little_memory_is_one_line_with_a_remedy_and_the_next_method_runs(bench, tmp_path):
    (tmp_path / "large.py").write_text(METHOD.replace("Constant", "Large"))
    models = "large.py:Large+large=yes,constant.py:Constant"
    code, _, err = bench(model=models)
    assert code == 1
    record = read_record(_folder(tmp_path, "Large+large=yes") / "record.json")
    assert record.status == "failed"
    assert record.reason == (
        "training with batches of 8: CUDA out of memory. Tried to allocate 2.00 GiB; use a smaller "
        "--batch-size, with --restart"
    )
    assert "traceback" not in err
    assert read_record(_folder(tmp_path) / "record.json").status == "ok"


def test_a_gpu_that_no_longer_works_ends_the_command_and_loses_nothing(
    bench, tmp_path, monkeypatch
):
    def broken(device, who):
        raise HsalBenchError(f"{who} left cuda unusable")

    monkeypatch.setattr(devices, "require_working", broken)
    code, _, err = bench("--set", "breaks=yes", "--seeds", "0,1")
    assert code == 1
    assert "error: Constant+breaks=yes seed 0 left cuda unusable" in err
    assert read_record(_folder(tmp_path, "Constant+breaks=yes") / "record.json").status == "failed"
    assert not list((tmp_path / "runs").glob("**/seed-1/record.json"))


def test_a_method_that_ends_the_program_ends_its_own_run_alone(bench, tmp_path):
    code, _, _ = bench("--model", "constant.py:Constant+ends=yes")
    assert code == 1
    assert read_record(_folder(tmp_path) / "record.json").status == "ok"
    record = read_record(_folder(tmp_path, "Constant+ends=yes") / "record.json")
    assert (record.status, record.reason) == ("failed", "SystemExit: enough")


def test_it_says_what_it_does(bench):
    _, _, err = bench()
    assert "dataset" in err
    assert "1,200 / 40 / 60 images" in err
    assert "preset quick on cpu" in err
    assert "Constant seed 0: 4 updates, batches of 8" in err


def test_every_run_ends_with_its_place_and_its_scores(bench, tmp_path):
    _, _, err = bench("--seeds", "0,1", "--model", "constant.py:Constant+diverge=yes")
    metrics = read_record(_folder(tmp_path, seed=1) / "record.json").metrics
    told = f"exact match {metrics['exact_match']:.3f}, macro F1 {metrics['macro_f1']:.3f}, trained"
    assert f"Constant seed 1 (2 of 4): {told} in 0 s" in err.splitlines()
    assert "Constant+diverge=yes seed 0 (3 of 4): failed: loss is nan" in err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("def update", "def renamed"), "is not a method: Constant lacks `update` (hsal_ben"),
        (
            ('inputs = "images"', 'inputs = "image"'),
            "Constant.inputs is 'image'; expected 'images' or 'acti",
        ),
        (("Config = Config", "Config = dict"), "Config is <class 'dict'>, not a dataclass"),
        (("int = 0", "dict = None"), "Constant.Config.label = None: --set cannot set a dict; use"),
    ],
)
def test_a_class_that_is_no_method_is_refused(bench, tmp_path, change, message):
    (tmp_path / "constant.py").write_text(METHOD.replace(*change))
    code, _, err = bench()
    assert code == 2
    assert message in err


def test_settings_name_the_folder_and_are_checked(bench, tmp_path):
    assert bench("--set", "label=2")[0] == 0
    assert read_record(_folder(tmp_path, "Constant+label=2") / "record.json").config["label"] == 2
    code, _, err = bench("--set", "lable=2")
    assert code == 2
    assert "Constant has no option 'lable': did you mean 'label'?" in err


def test_a_setting_can_be_for_one_of_several_methods(bench, tmp_path):
    (tmp_path / "other.py").write_text(METHOD.replace("class Constant:", "class Other:"))
    settings = ("--set", "Other:label=2", "--set", "Constant:label=1")
    assert bench("--model", "other.py:Other", *settings)[0] == 0
    for label, value in (("Constant+label=1", "1"), ("Other+label=2", "2")):
        record = read_record(_folder(tmp_path, label) / "record.json")
        assert (record.settings, record.config["label"]) == ({"label": value}, int(value))


def test_a_method_s_own_setting_goes_before_the_general_one_whatever_the_order():
    for settings in ({"a:x": "1", "x": "2"}, {"x": "2", "a:x": "1"}):
        assert requests.settings_of("a", settings) == {"x": "1"}
        assert requests.settings_of("b", settings) == {"x": "2"}


def test_variants_of_one_method_go_in_one_command(bench, tmp_path):
    source = "constant.py:Constant"
    models = f"{source},{source}+label=1,{source}+label=2+diverge=no,{source}+label=0"
    assert bench("--set", "Constant:label=2", model=models)[0] == 0
    found = {path.name for path in (tmp_path / "runs" / "toy").iterdir()}
    assert found == {"Constant", "Constant+label=1", "Constant+label=2"}
    record = read_record(_folder(tmp_path, "Constant+label=1") / "record.json")
    assert (record.settings, record.config["label"]) == ({"label": "1"}, 1)


def test_the_command_of_a_record_makes_it_again(bench, tmp_path, monkeypatch):
    bench(model="constant.py:Constant+label=1")
    path = _folder(tmp_path, "Constant+label=1") / "record.json"
    words = shlex.split(read_record(path).command)
    assert "constant.py:Constant+label=1" in words
    monkeypatch.setattr("sys.argv", [*words, "--restart"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert read_record(path).config["label"] == 1


def test_two_methods_of_one_label_are_refused(bench, tmp_path):
    (tmp_path / "other.py").write_text(METHOD + "ANOTHER = True")
    code, _, err = bench(model="constant.py:Constant,other.py:Constant")
    assert code == 2
    assert "--model constant.py:Constant and other.py:Constant would share the folder Const" in err


def test_models_are_split_at_commas_but_for_those_of_numbers():
    assert requests.models(["a,b+x=1,2", "c+y=-.5,1e-3+z=u"]) == (
        *("a", "b+x=1,2"),
        *("c+y=-.5,1e-3+z=u",),
    )
    every = tuple(registry.names(registry.METHODS))
    assert requests.expanded(requests.models(["all"])) == every
    assert requests.expanded(requests.models(["x.py:X,all"])) == ("x.py:X", *every)
    assert requests.expanded([every[-1], "all"]) == (every[-1], *every[:-1])


def test_of_all_methods_one_that_its_package_broke_is_left_out(monkeypatch, capsys):
    broken = EntryPoint("a-broken", "no_such_module:X", registry.METHODS)
    found = dict(registry._points(registry.METHODS))
    some = {"a-broken": [broken], "rl": found["rl"]}
    monkeypatch.setattr(registry, "_points", lambda group: some)
    entries = methods.method_runs(requests.Request(("all",)), "quick")
    assert [entry.name for entry in entries] == ["rl"]
    assert (
        "left out: method 'a-broken' of no_such_module:X cannot be imp" in capsys.readouterr().err
    )
    with pytest.raises(registry.Broken, match="a-broken"):
        methods.method_runs(requests.Request(("a-broken", "all")), "quick")


def test_a_label_is_split_into_what_it_was_made_of():
    assert requests.split("a-b+x=1,2+y_z=p/q") == ("a-b", {"x": "1,2", "y_z": "p/q"})
    assert requests.split("a+x=1e+16") == ("a", {"x": "1e+16"})
    assert requests.split("f+g/m.py:M+learning-rate=3") == ("f+g/m.py:M", {"learning_rate": "3"})


def test_a_default_that_is_spelt_out_is_no_variant(bench, tmp_path):
    assert bench("--set", "label=0")[0] == 0
    assert read_record(_folder(tmp_path) / "record.json").settings == {}


def test_a_renamed_data_set_is_the_same_run(bench, tmp_path, toy_file):
    bench()
    toy_file.rename(tmp_path / "other.h5")
    assert "done before" in bench("--dataset", "other.h5")[2]


def test_a_slip_in_a_name_is_told_without_importing_torch(tmp_path):
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
def test_a_breach_of_the_contract_is_one_clear_line(bench, tmp_path, change, message):
    (tmp_path / "constant.py").write_text(METHOD.replace(*change))
    code, _, err = bench()
    assert code == 1
    record = read_record(_folder(tmp_path) / "record.json")
    assert message in record.reason
    assert f"Constant seed 0 (1 of 1): failed: {record.reason}" in err.splitlines()


def test_a_checkpoint_of_another_budget_is_refused_until_restart(bench):
    bench()
    code, _, err = bench("--updates", "6")
    assert code == 2
    assert (
        "belongs to another run (budget.updates 4, not 6): use another --out, or --restart" in err
    )
    assert bench("--updates", "6", "--restart")[0] == 0


def test_all_that_is_of_other_runs_is_refused_at_once_and_before_any_work(bench, tmp_path):
    bench("--seeds", "1,2")
    code, _, err = bench("--updates", "6", "--seeds", "0-2")
    assert code == 2
    paths = [str(_folder(tmp_path, seed=seed).relative_to(tmp_path)) for seed in (1, 2)]
    assert err.splitlines()[-1] == (
        f"error: {paths[0]}/checkpoint.pt, {paths[1]}/checkpoint.pt belong to other "
        "runs (budget.updates 4, not 6): use another --out, or --restart to start over"
    )
    assert not list((tmp_path / "runs").glob("*/*/*/seed-0"))


def test_a_stopped_run_says_from_where_it_goes_on(bench, tmp_path):
    bench()
    (_folder(tmp_path) / "record.json").unlink()
    assert "Constant seed 0: 4 updates, batches of 8, in " in (err := bench()[2])
    assert f"{_folder(tmp_path).name}, resuming from update 4\n" in err


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


def test_a_run_resumed_on_another_kind_of_device_says_so_and_is_marked(bench, tmp_path):
    bench()
    folder = _folder(tmp_path)

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


def test_the_precision_of_the_activation_model_is_printed_and_recorded(bench, tmp_path):
    arguments = ("--fine-tune-updates", "1", "--set", "hidden=8", "--precision", "bfloat16")
    code, _, err = bench(*arguments, model="hsal-rl")
    assert code == 0
    assert "activation model small in bfloat16 (from scratch" in err
    record = read_record(_folder(tmp_path, "hsal-rl+hidden=8") / "record.json")
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


def test_a_loss_that_is_not_a_number_leaves_a_failed_record(bench, tmp_path):
    code, out, err = bench("--set", "diverge=true")
    assert code == 1
    assert "loss is nan" in err
    record = read_record(_folder(tmp_path, "Constant+diverge=yes") / "record.json")
    assert record.status == "failed"
    assert "loss is nan" in record.reason
    assert "—" in out


def test_a_method_that_cannot_run_says_why(bench, tmp_path):
    code, out, _ = bench("--set", "unsupported=true")
    assert code == 0
    assert "it has no eyes" in out
    record = read_record(_folder(tmp_path, "Constant+unsupported=yes") / "record.json")
    assert record.status == "unsupported"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "quik"], "no preset 'quik': did you mean 'quick'?"),
        (["--device", "cuda"], "no CUDA device on this machine; give --device cpu"),
        (["--device", "tpu"], "--device tpu: give cpu, cuda or cuda:NUMBER"),
        (["--device", "mps"], "--device mps: Apple's GPUs have no float64, which the attention"),
        (
            ["--seeds", "0,x"],
            "--seeds is 'x': it must be a whole number; separate values with commas",
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
        (
            ["--model", "hsal-rl+hidden"],
            "hsal-rl+hidden: 'hidden' is not a setting; write hsal-rl+",
        ),
        (["--model", "hsal-rl+hiden=3"], "hsal-rl has no option 'hiden': did you mean 'hidden'?"),
        (["--model", "hsal-rl+hidden=x"], "hsal-rl: hidden is 'x': it must be a whole number"),
        (
            ["--model", "constant.py:Constant+note=a\tb"],
            "Constant.note contains unprintable charac",
        ),
        (["--model", "hsal-rl+backbone=x"], "no activation model 'x': known: resnet34"),
        (["--dataset", "constant.py"], "constant.py is not a dataset: give a file that ends with"),
        (["--seeds", "0-9999"], "--seeds is '0-9999': at most 1,000 numbers in one range"),
        (["--seeds", "4-0"], "--seeds is '4-0', which counts down: write 0-4"),
        (["--seeds", "0-2,1"], "duplicate 1 in --seeds"),
        (["--model", "rl,cnn-rnn", "--model", "rl"], "duplicate rl in --model"),
        (
            ["--dataset", "toy,toy-large"],
            "--dataset toy,toy-large: a run trains on one dataset; use one command for each, or "
            "--eval-on",
        ),
    ],
)
def test_bad_requests_are_refused_in_one_line(bench, tmp_path, arguments, message):
    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    code, _, err = bench(*arguments)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("place", ["file", "FIFO", "link to nothing", "loop"])
def test_an_out_that_cannot_be_a_folder_is_refused(place, bench, tmp_path):
    out = tmp_path / "taken"
    if place == "file":
        out.write_text("x")
    elif place == "FIFO":
        os.mkfifo(out)
    else:
        out.symlink_to(out if place == "loop" else tmp_path / "nothing")
    code, _, err = bench("--out", "taken")
    assert code == 2
    assert err.count("error: ") == err.splitlines()[-1].count("taken") == 1
    assert place != "file" or out.read_text() == "x"


def test_a_data_set_whose_content_is_not_as_stated_is_refused(bench, toy_file):
    import h5py

    with h5py.File(toy_file, "r+") as file:
        file["train/images"][5, 0, 0, 0] += 1
    code, _, err = bench()
    assert code == 2
    assert "is damaged: its content has the hash" in err


def test_activations_are_made_once_and_shared(bench, tmp_path, monkeypatch):
    arguments = ("--fine-tune-updates", "3", "--set", "hidden=8")
    code, _, err = bench(*arguments, model="hsal-rl")
    assert code == 0
    record = read_record(_folder(tmp_path, "hsal-rl+hidden=8") / "record.json")
    assert record.activation.weak
    assert "weak activation model" in err
    assert record.activation.backbone == "small"
    assert record.activation.weights.startswith("from scratch, fine-tuned on toy")
    assert (_folder(tmp_path, "hsal-rl+hidden=8") / "attention.png").read_bytes()[1:4] == b"PNG"
    assert {"attn_saliency", "coverage"} <= set(record.metrics)
    assert "valid_attn_saliency" in record.curve[0]
    monkeypatch.setattr(activations, "_train_model", None)
    monkeypatch.setattr(activations, "_write_volumes", None)
    assert bench(*arguments, model="cross-entropy")[0] == 0


def test_another_fine_tuning_is_refused_before_it_is_done(bench, tmp_path, monkeypatch):
    assert bench("--fine-tune-updates", "1", "--set", "hidden=8", model="hsal-rl")[0] == 0
    monkeypatch.setattr(activations, "_train_model", None)
    code, _, err = bench("--fine-tune-updates", "2", "--set", "hidden=8", model="hsal-rl")
    assert code == 2
    assert "checkpoint.pt belongs to another run (activation model toy--small--" in err
    assert "use another --out, or --restart" in err


def test_another_activation_model_names_the_folder(bench, tmp_path, monkeypatch):
    monkeypatch.setitem(backbones.BACKBONES, "tiny", backbones.BACKBONES["small"])
    arguments = ("--fine-tune-updates", "1", "--set", "hidden=8", "--backbone", "tiny")
    assert bench(*arguments, model="hsal-rl")[0] == 0
    record = read_record(_folder(tmp_path, "hsal-rl+backbone=tiny+hidden=8") / "record.json")
    assert record.activation.backbone == "tiny"
    assert record.settings == {"backbone": "tiny", "hidden": "8"}


def test_the_activation_model_can_be_a_variant_s_own(bench, tmp_path, monkeypatch):
    monkeypatch.setitem(backbones.BACKBONES, "tiny", backbones.BACKBONES["small"])
    models = "count-classifier,count-classifier+backbone=tiny"
    assert bench("--fine-tune-updates", "1", model=models)[0] == 0
    found = [
        read_record(_folder(tmp_path, label) / "record.json").activation.backbone
        for label in models.split(",")
    ]
    assert found == ["small", "tiny"]


def test_the_input_size_names_the_folder_and_is_in_the_record(bench, tmp_path, monkeypatch):
    # One stage of ResNet-34 from scratch: fast on a CPU.
    build = partial(backbones._resnet34_stages, stages=1)
    monkeypatch.setitem(backbones.BACKBONES, "resnet34-layer1", build)
    small = ("--fine-tune-updates", "1", "--backbone", "resnet34-layer1")
    small += ("--backbone-weights", "none")
    assert bench(*small, model="count-classifier+input_size=64")[0] == 0
    label = "count-classifier+backbone=resnet34-layer1+input_size=64"
    record = read_record(_folder(tmp_path, label) / "record.json")
    assert record.activation.input_size == 64
    assert record.settings == {"backbone": "resnet34-layer1", "input_size": "64"}
    err = bench(*small, "--input-size", "64", model="count-classifier")[2]
    assert f"{label} seed 0: done before" in err


def test_the_usual_input_size_is_no_variant():
    settings = {"preset": "paper", "settings": {}}
    usual = methods.method_run("count-classifier", **settings)
    for size, model in ((224, "count-classifier"), (112, "count-classifier+input_size=224")):
        assert methods.method_run(model, **settings, input_size=size) == usual
    assert methods.method_run("count-classifier", **settings, input_size=112).input_size == 112


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--input-size 112", "input size 112: the backbone 'small' does not resize images"),
        ("--input-size 32 --backbone resnet34", "input size 32: resnet34 needs 64 or more"),
        ("--input-size 112 --activation-model a-file", "--input-size applies to fine-tuning, but"),
    ],
)
def test_an_input_size_that_does_not_fit_is_refused_before_any_work(
    bench, tmp_path, arguments, message
):
    code, _, err = bench(*arguments.split(), model="count-classifier")
    assert (code, message in err) == (2, True)
    assert not (tmp_path / "runs").exists()


SHORT = ("--fine-tune-updates", "1")
PER_SEED = (*SHORT, "--activation-seed", "per-seed")


def _record(tmp_path, seed=0):
    return read_record(_folder(tmp_path, "count-classifier", seed) / "record.json")


def test_seeds_share_the_activation_model_unless_each_is_to_have_its_own(bench, tmp_path):
    code, out, _ = bench(*SHORT, "--seeds", "0,1", model="count-classifier")
    assert code == 0
    assert "one activation model for all seeds" in out
    shared = [_record(tmp_path, seed).activation for seed in (0, 1)]
    assert shared[0] == shared[1]
    assert (shared[0].seed, shared[0].recipe_sha256) == (0, None)

    arguments = (*PER_SEED, "--seeds", "0,1", "--out", "runs/own")
    code, out, err = bench(*arguments, model="count-classifier")
    assert code == 0
    assert "one activation model per seed" in out
    assert "fine-tuned on toy, seed 1)" in err
    paths = (tmp_path / "runs" / "own").glob("toy/count-classifier/quick/*/record.json")
    own = [read_record(path).activation for path in sorted(paths)]
    assert [model.seed for model in own] == [0, 1]
    assert own[0].sha256 == shared[0].sha256 != own[1].sha256
    assert own[0].recipe_sha256 == own[1].recipe_sha256 is not None
    (row,) = json.loads(bench(*arguments, "--json", model="count-classifier")[1])
    assert (row["method"], row["n"]) == ("count-classifier", 2)


def test_runs_of_both_kinds_are_not_mixed_in_one_folder(bench, monkeypatch):
    assert bench(*SHORT, model="count-classifier")[0] == 0
    monkeypatch.setattr(activations, "_train_model", None)
    code, _, err = bench(*PER_SEED, "--seeds", "0,1", model="count-classifier")
    assert code == 2
    assert "belongs to another run (--activation-seed same, not per-seed): use another" in err


@pytest.mark.parametrize("arguments", [SHORT, PER_SEED])
def test_runs_on_activations_go_on_and_are_not_made_again(bench, tmp_path, arguments):
    bench(*arguments, "--seeds", "1", model="count-classifier")
    first = _record(tmp_path, 1)
    assert "seed 1: done before" in bench(*arguments, "--seeds", "1", model="count-classifier")[2]
    (_folder(tmp_path, "count-classifier", 1) / "record.json").unlink()
    _, _, err = bench(*arguments, "--seeds", "1", model="count-classifier")
    assert "resuming from update 4" in err
    assert _record(tmp_path, 1).activation == first.activation
    assert _record(tmp_path, 1).metrics == first.metrics


def test_a_record_from_before_seeds_of_activation_models_is_still_done(bench, tmp_path):
    bench(*SHORT, model="count-classifier")
    path = _folder(tmp_path, "count-classifier") / "record.json"
    record = json.loads(path.read_text())
    del record["activation"]["seed"], record["activation"]["recipe_sha256"]
    path.write_text(json.dumps(record))
    assert read_record(path).activation.seed is None
    assert "done before" in bench(*SHORT, model="count-classifier")[2]


def test_a_given_activation_model_is_used_and_nothing_is_fine_tuned(bench, tmp_path, monkeypatch):
    bench(*SHORT, model="count-classifier")
    fine_tuned = _record(tmp_path)
    (folder,) = (tmp_path / "data" / "activation-models").iterdir()
    monkeypatch.setattr(activations, "_train_model", None)
    monkeypatch.setattr(locate, "find_or_build_single", None)
    arguments = ("--activation-model", folder / "model.pt", "--datasets", "elsewhere")
    code, _, _ = bench(*arguments, "--out", "runs/given", model="count-classifier")
    assert code == 0
    (path,) = (tmp_path / "runs" / "given").glob("toy/count-classifier/quick/seed-0/record.json")
    given = read_record(path)
    assert given.activation == fine_tuned.activation
    assert given.predictions_sha256 == fine_tuned.predictions_sha256
    assert frozen.model_of(given.activation.sha256, tmp_path / "elsewhere" / "activation-models")
    # The one and the other are the same run.
    assert "done before" in bench(*arguments, model="count-classifier")[2]


def test_fine_tune_updates_chooses_the_published_model(bench, tmp_path, monkeypatch):
    bench(*SHORT, model="count-classifier")
    monkeypatch.setattr(frozen, "PACKAGE", tmp_path / "package")
    shutil.copytree(tmp_path / "data" / "activation-models", tmp_path / "activation-models")
    (path,) = (tmp_path / "activation-models").glob("*/model.json")
    updates = json.loads(path.read_text())["updates"]
    published = ("--activation-model", "published", "--out", "new", "--fine-tune-updates")
    code, _, err = bench(*published, str(updates + 1), model="count-classifier")
    assert code == 2
    assert f"the published model has {updates} updates" in err
    assert bench(*published, str(updates), model="count-classifier")[0] == 0


def test_a_given_activation_model_is_checked_before_any_work(bench, tmp_path, monkeypatch):
    bench(*SHORT, model="count-classifier")
    (folder,) = (tmp_path / "data" / "activation-models").iterdir()
    facts = json.loads((folder / "model.json").read_text())
    del facts["description_sha256"]
    (folder / "model.json").write_text(json.dumps(facts | {"sha256": "ef" * 32}))
    code, _, err = bench("--activation-model", folder, "--out", "new", model="count-classifier")
    assert code == 2
    assert (
        f"model.pt has sha256 {facts['sha256'][:8]}, but model.json states efefefef: the files"
        in err
    )
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize("option", ["--activation-seed per-seed", "--fine-tune-updates 3"])
def test_a_given_activation_model_takes_no_options_of_a_fine_tuning(bench, option):
    code, _, err = bench("--activation-model", "a-file", *option.split())
    assert code == 2
    assert "applies to fine-tuning, but --activation-model replaces it: drop one of the two" in err


def test_a_run_in_use_is_refused_by_no_wait(bench, tmp_path):
    assert bench()[0] == 0
    folder = _folder(tmp_path)
    with locked(folder, "training here"):
        code, _, err = bench("--restart", "--no-wait")
    assert code == 1
    assert "another process is training here (host" in err
    assert read_record(folder / "record.json").status == "ok"  # nothing was discarded


def test_a_busy_cache_is_no_failure_of_the_method(bench, tmp_path):
    arguments = ("--fine-tune-updates", "1", "--cache", "cache")
    assert bench(*arguments, model="hsal-rl")[0] == 0
    assert not (tmp_path / "data" / "activations").exists()
    assert not (tmp_path / "data" / "activation-models").exists()
    (volumes,) = (tmp_path / "cache" / "activations").iterdir()
    (volumes / "test.npy").unlink()
    with locked(volumes, "busy"):
        code, _, err = bench(*arguments, "--restart", "--no-wait", model="hsal-rl")
    assert (code, "another process is busy" in err) == (1, True)
    assert not (_folder(tmp_path, "hsal-rl") / "record.json").exists()


def test_a_given_model_needs_no_writable_datasets(bench, tmp_path, monkeypatch):
    assert bench("--fine-tune-updates", "1", "--cache", "cache", model="hsal-rl")[0] == 0
    (model,) = (tmp_path / "cache" / "activation-models").glob("*/model.pt")

    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(frozen, "keep", refuse)
    code, _, err = bench("--activation-model", model, "--out", "other", model="hsal-rl")
    assert code == 0
    assert f"cannot keep a copy of {model} in data/activation-models (Read-only file" in err
