"""The activation stage: fine-tuned once, resumed, its volumes kept and shared."""

import json
import time
from contextlib import ExitStack

import h5py
import numpy as np
import pytest
import torch

from hsal_bench.data.file import open_data
from hsal_bench.errors import UsageError
from hsal_bench.locks import locked
from hsal_bench.method.contract import Batch, Setup, Task
from hsal_bench.training import activations, backbones, frozen
from hsal_bench.training.activations import Tuning
from hsal_bench.training.presets import Budget
from hsal_bench.training.single_object import SingleObject, SingleObjectConfig

CPU = torch.device("cpu")
CONFIG = SingleObjectConfig(backbone="small", learning_rate=0.01)
BUDGET = Budget(updates=4, batch_size=16, eval_every=2)


@pytest.fixture
def data(toy_file):
    with open_data(toy_file) as opened:
        yield opened


def _tuning(data, root, config=CONFIG, budget=BUDGET, origin="from scratch"):
    return Tuning(data, config, origin, budget, root)


def _fine_tune(data, root, **changes):
    return activations.fine_tune(_tuning(data, root, **changes), CPU)


def test_one_of_several_labels_is_drawn_as_the_target():
    method = SingleObject(Task(3, 2, (1, 12, 12)), CONFIG, Setup(CPU, 0, 1))
    images = torch.rand(4, 1, 12, 12)
    first = Batch(images, torch.ones(4, 3, dtype=int), torch.tensor([[1, 2]]).expand(4, 2))
    other = Batch(images, first.counts, first.labels.flip(1))
    assert method.loss(first)["loss"] != method.loss(other)["loss"]
    one = Batch(images, first.counts, torch.tensor([[1, -1]]).expand(4, 2))
    assert method.loss(first)["loss"] == method.loss(one)["loss"]


def test_a_prediction_is_one_object():
    method = SingleObject(Task(3, 2, (1, 12, 12)), CONFIG, Setup(CPU, 0, 1))
    prediction = method.predict(Batch(torch.rand(5, 1, 12, 12)))
    assert prediction.counts.sum(1).tolist() == [1] * 5


def test_the_model_is_fine_tuned_once(data, tmp_path, monkeypatch):
    model = _fine_tune(data, tmp_path)
    monkeypatch.setattr(activations, "_train_model", None)
    assert _fine_tune(data, tmp_path) == model
    names = {path.name for path in model.path.parent.iterdir()}
    assert {"model.json", "model.pt", "metrics.jsonl"} <= names
    assert "checkpoint.pt" not in names


def test_another_budget_is_another_model(data, tmp_path):
    one = _fine_tune(data, tmp_path)
    longer = Budget(updates=5, batch_size=16, eval_every=2)
    assert _tuning(data, tmp_path, budget=longer).done() is None
    other = _fine_tune(data, tmp_path, budget=longer)
    assert one.path != other.path
    assert _tuning(data, tmp_path).done() == one
    assert frozen.model_of(other.sha256, tmp_path) == other
    assert frozen.model_of("f" * 64, tmp_path) is None


def test_other_first_weights_or_another_version_is_another_model(data, tmp_path, monkeypatch):
    monkeypatch.setattr(activations, "_train_model", _pretend)
    paths = set()
    for content in (b"one", b"other"):
        (tmp_path / "w.pth").write_bytes(content)
        config = SingleObjectConfig(backbone="small", weights=str(tmp_path / "w.pth"))
        paths.add(_fine_tune(data, tmp_path, config=config, origin="w.pth").path)
    monkeypatch.setattr(activations.backbones, "VERSION", 99)
    paths.add(_fine_tune(data, tmp_path, config=config, origin="w.pth").path)
    assert len(paths) == 3


def _pretend(tuning, device):
    facts = {
        "backbone": "small",
        "precision": "float32",
        "weights": tuning.origin,
        "trained_on": "x",
        "accuracy": 1.0,
    }
    path = tuning.folder / "model.json"
    path.write_text(json.dumps({**facts, "sha256": frozen.sha256_of("small", "float32", {})}))
    torch.save({}, tuning.folder / "model.pt")


def test_a_damaged_single_object_set_is_refused(data, toy_file, tmp_path):
    with h5py.File(tmp_path / "copy.h5", "w") as copy, h5py.File(toy_file) as file:
        for key in file:
            file.copy(key, copy)
        copy.attrs.update(file.attrs)
        copy["train/labels"][0, 0] += 1
    with open_data(tmp_path / "copy.h5") as damaged, pytest.raises(UsageError, match="is damaged"):
        _fine_tune(damaged, tmp_path)


def test_volumes_are_half_precision_and_those_of_the_model(data, tmp_path):
    model = _fine_tune(data, tmp_path)
    volumes = activations.volumes(model, data, tmp_path / "volumes", CPU)
    network = frozen.load(model, data, CPU)
    images = torch.from_numpy(data.read("test", "images")).float() / 255.0
    with torch.no_grad():
        expected = network.volume(images)
    assert volumes["test"].dtype == torch.float16
    assert {split: len(V) for split, V in volumes.items()} == data.layout.sizes
    assert torch.allclose(volumes["test"].float(), expected, rtol=1e-2, atol=1e-2)


def test_volumes_are_computed_once_and_split_by_split(data, tmp_path, monkeypatch):
    model = _fine_tune(data, tmp_path)
    first = activations.volumes(model, data, tmp_path / "volumes", CPU)
    (tmp_path / "volumes").glob("*/test.npy").__next__().unlink()
    made = []
    write = activations._write_volumes
    monkeypatch.setattr(activations, "_write_volumes", lambda *a: made.append(a[3]) or write(*a))
    again = activations.volumes(model, data, tmp_path / "volumes", CPU)
    assert made == ["test"]
    assert torch.equal(first["test"], again["test"])


def test_an_intact_split_is_checked_once(data, tmp_path, monkeypatch):
    model = _fine_tune(data, tmp_path)
    activations.volumes(model, data, tmp_path / "volumes", CPU)
    (tmp_path / "volumes").glob("*/test.npy").__next__().unlink()
    checked, check = [], activations.is_intact
    monkeypatch.setattr(
        activations, "is_intact", lambda p, *a: checked.append(p.stem) or check(p, *a)
    )
    activations.volumes(model, data, tmp_path / "volumes", CPU)
    assert checked == ["train", "valid", "test", "test"]


def test_only_the_wanted_splits_are_computed(data, tmp_path):
    model = _fine_tune(data, tmp_path)
    volumes = activations.volumes(model, data, tmp_path / "volumes", CPU, ["test"])
    assert list(volumes) == ["test"]
    assert [path.name for path in (tmp_path / "volumes").glob("*/*.npy")] == ["test.npy"]


def test_volumes_resume_block_by_block(data, tmp_path, monkeypatch):
    model = _fine_tune(data, tmp_path)
    whole = activations.volumes(model, data, tmp_path / "whole", CPU, ["train"])["train"]
    volume, blocks = backbones.ActivationModel.volume, []

    def fail_at_the_third(self, images):
        blocks.append(len(images))
        if len(blocks) == 3:
            raise OSError(28, "No space left on device")
        return volume(self, images)

    monkeypatch.setattr(backbones.ActivationModel, "volume", fail_at_the_third)
    with pytest.raises(OSError, match="No space left"):
        activations.volumes(model, data, tmp_path / "volumes", CPU, ["train"])
    assert not list((tmp_path / "volumes").glob("*/*.npy"))
    resumed = activations.volumes(model, data, tmp_path / "volumes", CPU, ["train"])["train"]
    assert sum(blocks) == len(whole) + 256  # the failed block alone is computed again
    assert torch.equal(whole, resumed)


def test_a_process_waits_for_the_one_that_computes(data, tmp_path, monkeypatch, capsys):
    model = _fine_tune(data, tmp_path)
    first = activations.volumes(model, data, tmp_path / "volumes", CPU, ["test"])["test"]
    (path,) = (tmp_path / "volumes").glob("*/test.npy")
    path.rename(path.with_suffix(".away"))
    with ExitStack() as other:
        other.enter_context(locked(path.parent, "busy"))

        def finish(seconds):
            path.with_suffix(".away").rename(path)
            other.close()

        monkeypatch.setattr(time, "sleep", finish)
        second = activations.volumes(model, data, tmp_path / "volumes", CPU, ["test"])["test"]
    assert torch.equal(first, second)
    assert "waiting: another process is busy (host" in capsys.readouterr().err


def test_first_weights_say_where_they_come_from(monkeypatch, capsys):
    assert activations.first_weights("small", None) == ("from scratch", None)
    assert activations.first_weights("resnet34", "none") == ("from scratch", None)
    assert activations.first_weights("resnet34", "a/b.pth") == ("b.pth", "a/b.pth")

    def unreachable():
        raise OSError("no network")

    monkeypatch.setattr(activations.backbones, "imagenet_weights", unreachable)
    assert activations.first_weights("resnet34", None) == ("from scratch", None)
    assert "ImageNet weights are unavailable (no network)" in capsys.readouterr().err


def test_a_fine_tuning_that_goes_on_from_a_model_says_from_which(data, tmp_path):
    """At 64 px from scratch, then larger; the one weights are those of the other."""
    config = SingleObjectConfig(backbone="resnet34-layer3", input_size=64)
    first = _fine_tune(data, tmp_path, config=config, budget=Budget(1, 2, 1))
    origin, weights = activations.first_weights("resnet34-layer3", str(first.path))
    assert origin == "from scratch, fine-tuned on toy at 64 px for 1 updates"
    config = SingleObjectConfig(backbone="resnet34-layer3", weights=weights, input_size=80)
    task = Task(3, 3, (1, 12, 12))
    network = SingleObject(task, config, Setup(CPU, 0, 1)).network
    state = torch.load(first.path, weights_only=True)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    second = _fine_tune(data, tmp_path, config=config, budget=Budget(1, 2, 1), origin=origin)
    assert second.path.parent != first.path.parent
    assert second.as_record().weights == f"{origin}, fine-tuned on toy"


def test_the_stored_array_is_an_ordinary_npy_file(data, tmp_path):
    model = _fine_tune(data, tmp_path)
    volumes = activations.volumes(model, data, tmp_path / "volumes", CPU)
    (path,) = (tmp_path / "volumes").glob("*/valid.npy")
    assert np.array_equal(np.load(path), volumes["valid"].numpy())
