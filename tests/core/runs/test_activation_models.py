"""Activation models of runs: shared, one per seed, or given."""

import errno
import json
import shutil
from functools import partial

import pytest

from hsal_bench.data import locate
from hsal_bench.record.record import read_record
from hsal_bench.runs import methods
from hsal_bench.training import activations, backbones, frozen


def test_a_missing_activation_model_is_refused_before_the_data_set_is_built(bench, tmp_path):
    (tmp_path / "empty").mkdir()
    for name, missing in (("publishd", "publishd"), ("empty", "empty/model.pt")):
        code, _, err = bench("--activation-model", name, "--datasets", "new")
        assert (code, f"--activation-model {name}: no file {missing}; give" in err) == (2, True)
    assert not (tmp_path / "new").exists()


SHORT = ("--fine-tune-updates", "1")
PER_SEED = (*SHORT, "--activation-seed", "per-seed")


def test_activations_are_made_once_and_shared(bench, monkeypatch, seed_folder, recorded):
    arguments = ("--fine-tune-updates", "3", "--set", "hidden=8")
    code, _, err = bench(*arguments, model="hsal-rl")
    assert code == 0
    record = recorded("hsal-rl+hidden=8")
    assert record.activation.weak
    assert "weak activation model" in err
    assert record.activation.backbone == "small"
    assert record.activation.weights.startswith("from scratch, fine-tuned on toy")
    assert (seed_folder("hsal-rl+hidden=8") / "attention.png").read_bytes()[1:4] == b"PNG"
    assert {"attn_saliency", "coverage"} <= set(record.metrics)
    assert "valid_attn_saliency" in record.curve[0]
    monkeypatch.setattr(activations, "_train_model", None)
    monkeypatch.setattr(activations, "_write_volumes", None)
    assert bench(*arguments, model="cross-entropy")[0] == 0


def test_prepare_makes_what_a_run_needs_and_no_run(bench, tmp_path, monkeypatch):
    code, out, _ = bench(*SHORT, model="count-classifier", command="prepare")
    assert (code, out) == (0, "")
    assert not list((tmp_path / "runs").rglob("record.json"))
    monkeypatch.setattr(activations, "_train_model", None)
    monkeypatch.setattr(activations, "_write_volumes", None)
    assert bench(*SHORT, model="count-classifier")[0] == 0


def test_another_fine_tuning_is_refused_before_it_is_done(bench, monkeypatch):
    assert bench("--fine-tune-updates", "1", "--set", "hidden=8", model="hsal-rl")[0] == 0
    monkeypatch.setattr(activations, "_train_model", None)
    code, _, err = bench("--fine-tune-updates", "2", "--set", "hidden=8", model="hsal-rl")
    assert code == 2
    assert "checkpoint.pt belongs to another run (activation model toy--small--" in err
    assert "use another --out, or --restart" in err


def test_another_activation_model_names_the_folder(bench, monkeypatch, recorded):
    monkeypatch.setitem(backbones.BACKBONES, "tiny", backbones.BACKBONES["small"])
    arguments = ("--fine-tune-updates", "1", "--set", "hidden=8", "--backbone", "tiny")
    assert bench(*arguments, model="hsal-rl")[0] == 0
    record = recorded("hsal-rl+backbone=tiny+hidden=8")
    assert record.activation.backbone == "tiny"
    assert record.settings == {"backbone": "tiny", "hidden": "8"}


def test_the_activation_model_can_be_a_variant_s_own(bench, monkeypatch, recorded):
    monkeypatch.setitem(backbones.BACKBONES, "tiny", backbones.BACKBONES["small"])
    models = "count-classifier,count-classifier+backbone=tiny"
    assert bench("--fine-tune-updates", "1", model=models)[0] == 0
    found = [recorded(label).activation.backbone for label in models.split(",")]
    assert found == ["small", "tiny"]


def test_the_input_size_names_the_folder_and_is_in_the_record(bench, monkeypatch, recorded):
    # One stage of ResNet-34 from scratch: fast on a CPU.
    build = partial(backbones._resnet34_stages, stages=1)
    monkeypatch.setitem(backbones.BACKBONES, "resnet34-layer1", build)
    small = ("--fine-tune-updates", "1", "--backbone", "resnet34-layer1")
    small += ("--backbone-weights", "none")
    assert bench(*small, model="count-classifier+input_size=64")[0] == 0
    label = "count-classifier+backbone=resnet34-layer1+input_size=64"
    record = recorded(label)
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


def test_seeds_share_the_activation_model_unless_each_is_to_have_its_own(bench, tmp_path, recorded):
    code, out, _ = bench(*SHORT, "--seeds", "0,1", model="count-classifier")
    assert code == 0
    assert "one activation model for all seeds" in out
    shared = [recorded("count-classifier", seed).activation for seed in (0, 1)]
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
    assert "run (--activation-seed same in the existing run, per-seed in this one): use" in err


@pytest.mark.parametrize("arguments", [SHORT, PER_SEED])
def test_runs_on_activations_go_on_and_are_not_made_again(bench, arguments, seed_folder, recorded):
    bench(*arguments, "--seeds", "1", model="count-classifier")
    first = recorded("count-classifier", 1)
    assert "seed 1: done before" in bench(*arguments, "--seeds", "1", model="count-classifier")[2]
    (seed_folder("count-classifier", 1) / "record.json").unlink()
    _, _, err = bench(*arguments, "--seeds", "1", model="count-classifier")
    assert "resuming from update 4" in err
    assert recorded("count-classifier", 1).activation == first.activation
    assert recorded("count-classifier", 1).metrics == first.metrics


def test_a_record_from_before_seeds_of_activation_models_is_still_done(bench, seed_folder):
    bench(*SHORT, model="count-classifier")
    path = seed_folder("count-classifier") / "record.json"
    record = json.loads(path.read_text())
    del record["activation"]["seed"], record["activation"]["recipe_sha256"]
    path.write_text(json.dumps(record))
    assert read_record(path).activation.seed is None
    assert "done before" in bench(*SHORT, model="count-classifier")[2]


def test_a_given_activation_model_is_used_and_nothing_is_fine_tuned(
    bench, tmp_path, monkeypatch, recorded
):
    bench(*SHORT, model="count-classifier")
    fine_tuned = recorded("count-classifier")
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
    monkeypatch.setattr("hsal_bench.training.published.PACKAGE", tmp_path / "package")
    shutil.copytree(tmp_path / "data" / "activation-models", tmp_path / "activation-models")
    (path,) = (tmp_path / "activation-models").glob("*/model.json")
    updates = json.loads(path.read_text())["updates"]
    published = ("--activation-model", "published", "--out", "new", "--fine-tune-updates")
    code, _, err = bench(*published, str(updates + 1), model="count-classifier")
    assert code == 2
    assert f"the published model has {updates} updates" in err
    assert bench(*published, str(updates), model="count-classifier")[0] == 0


def test_a_given_activation_model_is_checked_before_any_work(bench, tmp_path):
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


def test_a_given_model_needs_no_writable_datasets(bench, tmp_path, monkeypatch):
    assert bench("--fine-tune-updates", "1", "--cache", "cache", model="hsal-rl")[0] == 0
    (model,) = (tmp_path / "cache" / "activation-models").glob("*/model.pt")

    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(frozen, "keep", refuse)
    code, _, err = bench("--activation-model", model, "--out", "other", model="hsal-rl")
    assert code == 0
    assert f"cannot keep a copy of {model} in data/activation-models (Read-only file" in err
