"""Activation models that are given: published ones and files, the same features or none."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from hsal_bench.data.file import open_data
from hsal_bench.errors import UsageError
from hsal_bench.training import activations, frozen, published
from hsal_bench.training.activations import Tuning
from hsal_bench.training.presets import PUBLISHED, Budget
from hsal_bench.training.single_object import SingleObjectConfig

CPU = torch.device("cpu")
BUDGET = Budget(updates=4, batch_size=16, eval_every=2)


@pytest.fixture
def data(toy_file):
    with open_data(toy_file) as opened:
        yield opened


@pytest.fixture
def model(data, tmp_path):
    """A fine-tuned model of the toy dataset."""
    config = SingleObjectConfig(backbone="small", learning_rate=0.01)
    return activations.fine_tune(Tuning(data, config, "from scratch", BUDGET, tmp_path / "m"), CPU)


@pytest.fixture
def library(tmp_path, monkeypatch):
    """An empty folder in place of the published models."""
    monkeypatch.setattr(published, "PACKAGE", tmp_path / "package")
    (tmp_path / "activation-models").mkdir()
    return tmp_path / "activation-models"


def _publish(model, library, **changes):
    folder = library / changes.pop("name", "one")
    shutil.copytree(model.path.parent, folder)
    (folder / "model.json").write_text(_described(folder / "model.json", changes))
    return folder


def _described(path, changes):
    """Return the content of model.json with changes, as a version without its hash wrote it."""
    facts = json.loads(path.read_text())
    del facts["description_sha256"]
    return json.dumps(facts | changes)


@pytest.mark.parametrize("of", ["folder", "file", "published"])
def test_a_given_model_gives_identical_volumes(of, data, model, library, tmp_path):
    folder = _publish(model, library)
    text = {"folder": str(folder), "file": str(folder / "model.pt")}.get(of, PUBLISHED)
    given = published.find(text, "small", data)
    assert given == replace(model, path=folder / "model.pt")
    made = [
        activations.volumes(one, data, tmp_path / name, CPU)
        for name, one in (("own", model), ("given", given))
    ]
    assert all(torch.equal(made[0][split], made[1][split]) for split in made[0])


def test_tampered_weights_are_refused(data, model, library):
    folder = _publish(model, library)
    state = torch.load(folder / "model.pt", weights_only=True)
    state["classifier.bias"][0] += 1
    torch.save(state, folder / "model.pt")
    for text in (str(folder), PUBLISHED):
        with pytest.raises(UsageError, match=f"but model.json states {model.sha256[:8]}: the file"):
            published.find(text, "small", data)


def test_a_model_in_half_precision_has_the_hash_of_what_it_computes_with(data, model, library):
    half = {
        name: value.half() if value.is_floating_point() else value
        for name, value in torch.load(model.path, weights_only=True).items()
    }
    whole = {
        name: value.float() if value.is_floating_point() else value for name, value in half.items()
    }
    sha256 = frozen.sha256_of("small", "float32", whole)
    assert sha256 != model.sha256
    folder = _publish(model, library, sha256=sha256)
    torch.save(half, folder / "model.pt")
    assert published.find(str(folder), "small", data).sha256 == sha256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "resnet34"}, "is a resnet34, but the run uses small: add --backbone resn"),
        ({"image_shape": [3, 8, 8]}, "is for 3 channels, but toy has images of 1 channels"),
        ({"accuracy": "high"}, "model.json: accuracy is 'high': it must be a number"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(changes, message, data, model, library):
    with pytest.raises(UsageError, match=message):
        published.find(str(_publish(model, library, **changes)), "small", data)


def test_a_model_of_other_classes_is_refused(data, model, library):
    folder = _publish(model, library)
    state = torch.load(folder / "model.pt", weights_only=True)
    state["classifier.weight"], state["classifier.bias"] = torch.zeros(7, 192), torch.zeros(7)
    torch.save(state, folder / "model.pt")
    sha256 = frozen.sha256_of("small", "float32", state)
    (folder / "model.json").write_text(
        json.dumps(json.loads((folder / "model.json").read_text()) | {"sha256": sha256})
    )
    with pytest.raises(UsageError, match=r"toy has images of 1 channels and 3 classes \(Error"):
        published.find(str(folder), "small", data)


def test_a_file_that_is_not_there_or_no_model_is_refused(data, model, library):
    folder = _publish(model, library)
    (folder / "model.pt").write_bytes(b"PK")
    with pytest.raises(UsageError, match=r"model\.pt is not a torch file"):
        published.find(str(folder), "small", data)
    (folder / "model.json").unlink()
    with pytest.raises(UsageError, match=r"no file .*one/model\.json; give a model\.pt with its"):
        published.find(str(folder), "small", data)
    with pytest.raises(UsageError, match=r"no file .*other; give a model\.pt with its"):
        published.find(str(library / "other"), "small", data)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"class_names": ["x", "y", "z"]}, "different classes"),
        ({"image_shape": [1, 9, 9]}, "different image size"),
        ({"source_sha256": "ef" * 32}, "different glyphs"),
        ({"class_names": ["x"], "image_shape": [1, 9, 9]}, "different classes and image size"),
    ],
)
def test_a_published_model_is_of_the_same_classes_image_size_and_glyphs(
    other, words, data, model, library
):
    for name in "ab":
        _publish(model, library, name=name, **other)
    _publish(model, library, name="c", **other, updates=8000)
    _publish(model, library, name="d", class_names=["x"], image_shape=[9], source_sha256="ef" * 32)
    files = r".*a/model\.pt \(of toy\), .*b/model\.pt \(of toy\)$"
    message = rf"no published activation model small for toy \(.*\): drop .* with {words}: {files}"
    with pytest.raises(UsageError, match=message):
        published.find(PUBLISHED, "small", data)


def test_without_any_published_model_one_is_fine_tuned(data, library):
    with pytest.raises(UsageError, match=r"drop --activation-model to fine-tune one$"):
        published.find(PUBLISHED, "small", data)


def test_of_several_published_models_the_preset_s_number_of_updates_decides(data, model, library):
    _publish(model, library, name="a")
    folder = _publish(model, library, name="b", updates=8)
    assert published.find(PUBLISHED, "small", data, [8]).path.parent == folder
    with pytest.raises(UsageError, match="several published models match: activation model small"):
        published.find(PUBLISHED, "small", data, [5])


def test_the_published_models_are_what_they_state(data):
    models = published.all_models()
    assert "714eea044eb455cd160f7d6b993dbbc8040871ffb7d7236ce1cd1fe12bdd504e" in {
        model.sha256 for model in models
    }
    for model in models:
        assert model.command
        shape = SimpleNamespace(image_shape=model.image_shape, num_classes=len(model.class_names))
        of = SimpleNamespace(layout=shape)
        state = frozen.load(model, of, CPU).state_dict()
        assert frozen.sha256_of(model.backbone, model.precision, state) == model.sha256


def test_the_model_of_seed_0_is_where_it_was_before_there_was_a_choice(tmp_path):
    """The folder and the identity of a model made on MNIST by an earlier version."""
    content = "caeae820e0261e30607c8ce9842e6c813a504a27e0f02a8311168f135a6c2767"
    single = SimpleNamespace(header=SimpleNamespace(content_sha256=content, name="mnist-single"))
    budget = Budget(updates=1_000, batch_size=64, eval_every=250)
    tuning = Tuning(single, SingleObjectConfig(backbone="small"), "from scratch", budget, tmp_path)
    assert tuning.folder.name == "mnist-single--small--94b1eb05"
    assert set(tuning.identity) == {"data", "budget", "origin", "version", "config"}
    other = replace(tuning, seed=3)
    assert other.identity == {**tuning.identity, "seed": 3}
    assert other.folder != tuning.folder
    assert other.recipe_sha256 == tuning.recipe_sha256


def test_an_input_size_is_in_the_identity_and_the_hash_only_where_it_is_set(tmp_path):
    header = SimpleNamespace(content_sha256="ab" * 32, name="mnist-single")
    config = SingleObjectConfig(backbone="resnet34")
    usual = Tuning(SimpleNamespace(header=header), config, "from scratch", BUDGET, tmp_path)
    small = replace(usual, config=replace(config, input_size=112))
    assert "input_size" not in usual.identity["config"]
    assert small.identity["config"] == usual.identity["config"] | {"input_size": 112}
    state = {"weight": torch.ones(1)}
    given = frozen.sha256_of("resnet34", "float32", state, 112)
    assert frozen.sha256_of("resnet34", "float32", state) == (
        "e11942be1eca884f7d825da7d76104257693e643413b82dc4b90be32c7bec5dc"
    )
    assert given != frozen.sha256_of("resnet34", "float32", state)


def test_a_model_keeps_its_input_size(data, tmp_path):
    config = SingleObjectConfig(backbone="resnet34-layer3", input_size=64)
    tuning = Tuning(data, config, "from scratch", Budget(1, 2, 1), tmp_path / "m")
    made = activations.fine_tune(tuning, CPU)
    given = published.find(str(made.path), "resnet34-layer3", data)
    assert (given.input_size, given.sha256) == (64, made.sha256)
    volumes = activations.volumes(given, data, tmp_path / "volumes", CPU, ["test"])
    assert volumes["test"].shape == (60, 256, 4, 4)
    _change(made, input_size=96)
    with pytest.raises(UsageError, match=r"but model\.json states"):
        published.find(str(made.path), "resnet34-layer3", data)


def _change(model, **changes):
    path = model.path.with_name("model.json")
    path.write_text(_described(path, changes))


def test_seeds_give_models_of_their_own(data, model, tmp_path):
    config = SingleObjectConfig(backbone="small", learning_rate=0.01)
    tuning = Tuning(data, config, "from scratch", BUDGET, tmp_path / "m", seed=1)
    other = activations.fine_tune(tuning, CPU)
    assert (model.seed, other.seed) == (0, 1)
    assert model.sha256 != other.sha256
    assert frozen.model_of(other.sha256, tmp_path / "m") == other


def test_a_model_made_by_an_earlier_version_has_seed_0(model):
    facts = json.loads((path := model.path.with_name("model.json")).read_text())
    kept = ("backbone", "precision", "weights", "trained_on", "accuracy", "sha256")
    path.write_text(json.dumps({name: facts[name] for name in kept}))
    assert frozen.read(model.path).seed == 0


def test_a_given_model_is_kept_for_what_looks_it_up_later(data, model, tmp_path):
    for _ in range(2):
        frozen.keep(model, tmp_path / "other")
    (kept,) = (tmp_path / "other").iterdir()
    found = frozen.model_of(model.sha256, tmp_path / "other")
    assert found == replace(model, path=kept / "model.pt")
    assert found.path.read_bytes() == model.path.read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.replace(b'"accuracy": ', b'"accuracy": 1'),
        lambda content: content[:-20],
        lambda content: b"",
    ],
)
def test_a_changed_description_is_noticed(damage, model):
    path = model.path.with_name("model.json")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UsageError, match=r"model\.json"):
        frozen.read_intact(model.path)
    assert frozen.model_of(model.sha256, model.path.parents[1]) is None


@pytest.mark.parametrize("name", ["model.pt", "model.json"])
def test_a_damaged_model_is_fine_tuned_again(name, data, model, tmp_path, capsys):
    path = model.path.with_name(name)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    config = SingleObjectConfig(backbone="small", learning_rate=0.01)
    again = activations.fine_tune(Tuning(data, config, "from scratch", BUDGET, tmp_path / "m"), CPU)
    assert again == model
    assert "fine-tuning again" in capsys.readouterr().err
