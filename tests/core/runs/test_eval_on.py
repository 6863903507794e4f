"""`run --eval-on`: a trained method on other datasets, cached, refused, kept apart in tables."""

import dataclasses
import json
from pathlib import Path

import pytest

from hsal_bench.data.generator import Outline, load_generator
from hsal_bench.record.find import record_paths
from hsal_bench.record.record import Record, read_record
from hsal_bench.report.rows import data_set
from hsal_bench.runs import recording
from hsal_bench.training import activations, states
from hsal_bench.training import train as training

METHOD = '''
"""Methods of a stranger's: as many objects of one class as were learnt, for every image."""
from dataclasses import dataclass
import torch
from hsal_bench.method.contract import Prediction, Unsupported

@dataclass(frozen=True)
class Config:
    breaks: bool = False

class Fixed:
    Config = Config
    inputs = "images"
    presets = {}

    def __init__(self, task, config, setup):
        if task.max_objects > 6:
            raise Unsupported("six objects are the most it can see")
        self.task, self.config, self.updates = task, config, 0

    def update(self, batch):
        self.updates += 1
        return {"loss": torch.tensor(1.0)}

    def predict(self, batch, *, trace=False):
        if self.config.breaks and self.task.max_objects > 3:
            raise RuntimeError("too many")
        counts = torch.zeros(len(batch.inputs), self.task.num_classes, dtype=torch.int64)
        counts[:, 0] = min(self.updates, 1) + self.task.max_objects - 3
        return Prediction(counts)

    def state_dict(self):
        return {"updates": self.updates}

    def load_state_dict(self, state):
        self.updates = state["updates"]

class Free(Fixed):
    any_cardinality = True
'''
MODELS = "them.py:Fixed,them.py:Free"


@pytest.fixture
def bench(bench, tmp_path):
    """Return a function that runs `hsal-bench run --eval-on`: (code, out, err)."""
    (tmp_path / "them.py").write_text(METHOD)

    def run(eval_on, *arguments, model=MODELS):
        line = ["--updates", "2", "--datasets", "."] + (["--eval-on", eval_on] if eval_on else [])
        return bench(*line, *arguments, model=model)

    return run


def path_of(method: str, name: str = "", seed: int = 0) -> Path:
    folder = Path("runs/toy") / method / "quick" / f"seed-{seed}"
    return (folder / "on" / name if name else folder) / "record.json"


def record_of(method: str, name: str = "", seed: int = 0) -> Record:
    return read_record(path_of(method, name, seed))


def test_a_record_per_method_and_data_set_says_what_was_trained_on(bench, another_toy):
    another_toy("near")
    another_toy("more", objects=5)
    code, out, _ = bench("near,more", "--seeds", "0,1")
    assert code == 0
    assert len(record_paths(Path("runs"))) == 2 * 2 * 3
    own, near = (record_of("Free", name, seed=1) for name in ("", "near"))
    assert (own.data_set.name, own.trained_on) == ("toy", None)
    assert (near.data_set.name, near.trained_on) == ("near", own.data_set)
    assert (near.status, near.seed, near.curve) == ("ok", 1, ())
    assert (near.updates, near.selected_update) == (own.updates, own.selected_update)
    assert near.predictions_sha256 not in (None, own.predictions_sha256)
    folder = path_of("Free", "more").parent
    lines = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    assert len(lines) == 30
    assert (folder / "per_class.csv").exists()
    assert "near (content" in out
    assert ", trained on toy (content" in " ".join(out.split())


def test_a_method_of_any_cardinality_is_built_for_more_objects(bench, another_toy):
    another_toy("more", objects=5)
    another_toy("most", objects=7)
    code, out, err = bench("more,most")
    assert code == 0
    fixed = record_of("Fixed", "more")
    reason = "Fixed is built for at most 3 objects per image (any_cardinality is not True), and "
    reason += "more has up to 5"
    assert (fixed.status, fixed.reason) == ("unsupported", reason)
    assert f"unsupported: {reason}" in " ".join(out.split())
    assert f"Fixed seed 0 on more: unsupported: {reason}, in" in err
    assert record_of("Free", "more").status == "ok"
    line = (path_of("Free", "more").parent / "predictions.jsonl").open().readline()
    # An untrained one would predict two objects: the state that was tested has made an update.
    assert record_of("Free").selected_update == 1
    assert json.loads(line)["labels"] == [0] * 3
    assert record_of("Free", "most").reason == "six objects are the most it can see"
    # Asked again at no cost, in case the method can by now.
    assert f"Fixed seed 0 on more: unsupported: {reason}, in" in bench("more")[2]


def test_what_is_done_is_not_done_again_and_only_what_is_missing_is(
    bench, another_toy, monkeypatch
):
    for name in ("near", "far"):
        another_toy(name, seed=len(name))
    bench("near")
    before = path_of("Free", "near").read_text()
    monkeypatch.setattr(training, "train", None)
    code, _, err = bench("near,far")
    assert code == 0
    assert path_of("Free", "near").read_text() == before
    assert f"Free seed 0 on near: done before, {path_of('Free', 'near')}" in err
    assert "Free seed 0 on far: exact match " in err
    assert f", in {path_of('Free', 'far').parent}" in err


def test_other_content_under_the_same_name_is_evaluated_anew(bench, another_toy):
    another_toy("near")
    bench("near")
    before = record_of("Free", "near")
    another_toy("near", seed=2)
    assert "near: done before" not in bench("near")[2]
    after = record_of("Free", "near")
    assert after.data_set.content_sha256 != before.data_set.content_sha256


def test_training_anew_forgets_what_the_old_state_was_evaluated_on(bench, another_toy):
    another_toy("near")
    another_toy("far", seed=2)
    bench("near,far")
    assert "seed 0 on near: exact match " in bench("near", "--restart")[2]
    assert not path_of("Free", "far").exists()


def test_a_lost_state_ends_its_own_run_alone(bench, another_toy):
    another_toy("near")
    bench(None)
    path_of("Fixed").with_name("best.pt").unlink()
    code, _, err = bench("near")
    assert code == 2
    folder = path_of("Fixed").parent
    assert err.splitlines()[-1] == (
        f"error: Fixed seed 0: {folder}/best.pt cannot be read (No such file or directory): delete "
        f"the folder {folder} to train this run again"
    )
    assert not path_of("Fixed", "near").exists()
    assert record_of("Free", "near").status == "ok"


def test_a_state_of_another_training_is_not_taken_for_it(bench, another_toy):
    another_toy("near")
    bench(None, model="them.py:Free")
    state = path_of("Free").with_name("best.pt")
    states.write(state, {"update": 7, "score": 1.0, "method": {"updates": 7}})
    code, _, err = bench("near", model="them.py:Free")
    assert code == 2
    assert f"{state} is not the state of update 1 that this run selected" in err
    state.with_name("checkpoint.pt").unlink()
    code, _, err = bench("near", model="them.py:Free")
    assert code == 2
    assert f"{state} is of update 7, but {path_of('Free')} tested update 1" in err


def test_an_evaluation_that_breaks_keeps_nothing_else_from_being_done(bench, another_toy):
    another_toy("more", objects=5)
    another_toy("near")
    code, _, err = bench("more,near", model="them.py:Free+breaks=yes")
    assert code == 1
    record = record_of("Free+breaks=yes", "more")
    assert record.reason.startswith("RuntimeError: too many (")
    assert "Free+breaks=yes seed 0 on more: failed: RuntimeError: too many" in err
    assert "in predict" in (path_of("Free+breaks=yes", "more").parent / "error.txt").read_text()
    assert record_of("Free+breaks=yes", "near").status == "ok"


CLASSES = "the classes a, b, z, but training uses a, b, c: remove it"


def test_a_dataset_of_the_same_classes_goes_with_it(bench, another_toy):
    another_toy("twin", seed=0)
    assert bench("twin")[0] == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [("words", CLASSES), ("toy-x.h5", "--eval-on toy-x.h5 is the training dataset")],
)
def test_what_does_not_go_together_is_refused_before_any_work(
    bench, another_toy, monkeypatch, name, message
):
    monkeypatch.setattr(training, "train", None)
    another_toy("words", class_names=("a", "b", "z"))
    code, _, err = bench(name)
    assert code == 2
    assert message in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("outline", "said"),
    [
        (Outline((3, 12, 12)), "3 x 12 x 12 images, but training uses 1 x 12 x 12: remove it"),
        (Outline((1, 12, 12), ("a", "b", "z")), CLASSES),
    ],
    ids=["images", "classes"],
)
def test_what_a_source_need_not_tell_is_refused_before_it_is_read(
    bench, tmp_path, monkeypatch, outline, said
):
    large, toy = (load_generator(name) for name in ("toy-large", "toy"))
    monkeypatch.setattr(large, "outline", lambda spec: outline, raising=False)
    for generator in (large, toy):
        monkeypatch.setattr(generator, "recipe", lambda *_: pytest.fail("a source was read"))
    before = set(tmp_path.iterdir())
    code, _, err = bench("toy,toy-large")
    assert (code, err.splitlines()[-1]) == (2, f"error: --eval-on toy-large has {said}")
    assert {path.name for path in set(tmp_path.iterdir()) - before} <= {"runs"}


@pytest.mark.parametrize("eval_on", [",", " , ", ""])
def test_a_list_of_nothing_is_refused(bench, eval_on):
    code, _, err = bench(None, "--eval-on", eval_on)
    assert (code, err) == (
        2,
        f"error: --eval-on {eval_on!r} is empty: name datasets, separated by commas, or drop it\n",
    )


def test_two_data_sets_of_one_name_are_refused(bench, another_toy, tmp_path):
    first = another_toy("near").rename(tmp_path / "first.h5")
    another_toy("near", seed=2)
    code, _, err = bench("first.h5,near")
    assert code == 2
    assert f"{first.name} and near.h5 are both called near: use one at a time" in err


def test_all_is_what_belongs_to_the_data_set(bench, another_toy, monkeypatch):
    code, _, err = bench("all")
    message = "error: --eval-on all: toy has no known variations; name datasets"
    assert (code, err.splitlines()[-1]) == (2, message)
    another_toy("near")
    family = {"toy": "squares", "near": "other squares"}
    toy = load_generator("toy")
    monkeypatch.setattr(toy, "family", lambda spec: family, raising=False)
    assert bench("all")[0] == 0
    assert {path.parent.name for path in Path("runs").glob("*/Free/*/*/on/*/*.json")} == {"near"}


def test_what_is_missing_is_built_like_what_is_trained_on(bench, monkeypatch):
    monkeypatch.setattr("hsal_bench.data.generate.cpu_count", lambda: 1)
    toy = load_generator("toy")
    monkeypatch.setattr(
        toy,
        "spec_of",
        lambda name, like: {"bare": dataclasses.replace(like or toy.defaults, clutter=0)}.get(name),
        raising=False,
    )
    own = toy.data_set_name
    monkeypatch.setattr(toy, "data_set_name", lambda spec: own(spec) if spec.clutter else "bare")
    code, _, err = bench("bare")
    assert "bare.h5 is missing: building it" in err
    # The toy recipe makes the same images whatever the clutter, under one name.
    assert "is the training dataset" in err
    assert code == 2


def test_the_activation_model_is_that_of_the_training_data(bench, another_toy, monkeypatch):
    another_toy("more", objects=5)
    arguments = ("--fine-tune-updates", "2", "--set", "hidden=8")
    assert bench(None, *arguments, model="hsal-rl")[0] == 0
    monkeypatch.setattr(activations, "_train_model", None)
    splits = []
    write = activations._write_volumes
    monkeypatch.setattr(activations, "_write_volumes", lambda *a: splits.append(a[3]) or write(*a))
    assert bench("more", *arguments, model="hsal-rl")[0] == 0
    own, more = (record_of("hsal-rl+hidden=8", name) for name in ("", "more"))
    assert more.activation == own.activation
    assert splits == ["test"]
    assert (path_of("hsal-rl+hidden=8", "more").parent / "attention.png").exists()


def test_with_a_model_per_seed_the_other_test_split_is_seen_through_that_of_the_seed(
    bench, another_toy, tmp_path
):
    another_toy("twin", seed=0)
    arguments = ("--fine-tune-updates", "2", "--activation-seed", "per-seed", "--seeds", "0,1")
    assert bench("twin", *arguments, model="count-classifier")[0] == 0
    own = [read_record(path) for path in sorted(tmp_path.glob("runs/toy/*/quick/*/record.json"))]
    paths = tmp_path.glob("runs/toy/*/quick/*/*/twin/record.json")
    twins = [read_record(path) for path in sorted(paths)]
    assert [record.activation.seed for record in twins] == [0, 1]
    assert [record.activation for record in twins] == [record.activation for record in own]


def test_on_its_own_test_split_a_state_scores_what_the_record_says(bench, another_toy, toy_file):
    # The same test images, fewer to train on: the content is another, the test split is not.
    another_toy("twin", seed=0)
    bench("twin", "--fine-tune-updates", "2", model="count-classifier")
    own, twin = (
        path_of("count-classifier", name).with_name("predictions.jsonl").read_text().splitlines()
        for name in ("", "twin")
    )
    assert own[:30] == twin


def test_a_record_of_an_evaluation_is_no_record_of_a_run(ok):
    elsewhere = dataclasses.replace(ok(), trained_on=ok().data_set)
    assert not recording.same(ok(), elsewhere)
    assert recording.same(elsewhere, elsewhere)
    assert data_set(elsewhere) == f"{data_set(ok())}, trained on mnist-multiset (content ab12ab12)"
