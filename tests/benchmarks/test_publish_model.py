"""Publishing an activation model: rounded weights, their own hash and accuracy."""

import json
import subprocess
import sys

import pytest
import torch

from hsal_bench.data.file import open_data
from hsal_bench.training import activations, frozen, published
from hsal_bench.training.activations import Tuning
from hsal_bench.training.presets import Budget
from hsal_bench.training.single_object import SingleObjectConfig

CPU = torch.device("cpu")
SIZES = ("--train", "64", "--valid", "20", "--test", "50")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A dataset and a small model that was fine-tuned on it for a moment."""
    root = tmp_path_factory.mktemp("data")
    command = ["generate", "mnist-single", "--source", "synthetic", *SIZES, "--out", str(root)]
    subprocess.run([sys.executable, "-m", "hsal_bench", *command], check=True)
    config = SingleObjectConfig(backbone="small", learning_rate=0.01)
    with open_data(root / "synthetic-single.h5") as data:
        tuning = Tuning(data, config, "from scratch", Budget(6, 16, 3), root / "activation-models")
        return activations.fine_tune(tuning, CPU)


@pytest.fixture
def publish(scripts, made, tmp_path, monkeypatch, capsys):
    """Publish the model with some facts of model.json changed: (code, output, error)."""

    def run(*arguments, **changes):
        source = made.path.with_name("model.json")
        text = source.read_text()
        facts = json.loads(text)
        del facts["description_sha256"]  # as an older version wrote it: a change is not noticed
        source.write_text(json.dumps(facts | changes))
        line = ["publish_model.py", str(source.parent), str(tmp_path / "published"), *arguments]
        monkeypatch.setattr(sys, "argv", line)
        code = scripts.publish_model.main()
        source.write_text(text)
        return code, *capsys.readouterr()

    return run


def test_a_published_model_states_the_hash_and_accuracy_of_its_rounded_weights(
    publish, made, tmp_path
):
    code, out, _ = publish("--command", "hsal-bench run")
    (folder,) = (tmp_path / "published").iterdir()
    assert (code, str(folder) in out) == (0, True)
    half = torch.load(folder / "model.pt", weights_only=True)
    state = torch.load(made.path, weights_only=True)
    for name, value in state.items():
        rounded = value.half() if value.is_floating_point() else value
        assert (half[name].dtype, torch.equal(half[name], rounded)) == (rounded.dtype, True)
    size, whole = (path.stat().st_size for path in (folder / "model.pt", made.path))
    assert 0.45 * whole < size < 0.55 * whole
    with open_data(made.path.parents[2] / "synthetic-single.h5") as data:
        model = published.find(str(folder), "small", data)
        network = frozen.load(model, data, CPU)
        images = torch.from_numpy(data.read("test", "images")).float() / 255.0
        labels = torch.from_numpy(data.read("test", "labels"))[:, 0]
    with torch.no_grad():
        right = network(images).argmax(1) == labels
    assert model.accuracy == pytest.approx(float(right.float().mean()))
    assert model.sha256 != made.sha256
    assert folder.name == f"synthetic-single--small--{model.sha256[:8]}"
    assert model.command == "hsal-bench run"
    assert (model.weights, model.updates, model.seed) == ("from scratch", 6, 0)


@pytest.mark.parametrize(
    ("arguments", "changes", "message"),
    [
        ((), {}, "give the --command that created the model"),
        (("--command", "x"), {"sha256": "ef" * 32}, "but model.json states efefefef"),
        (("--command", "x"), {"backbone": "resnet34"}, "but model.json states"),
        (("--command", "x"), {"trained_on": "other-single"}, "other-single.h5"),
        (("--command", "x"), {"source_sha256": "ef" * 32}, "is another dataset: name its file"),
    ],
)
def test_a_model_that_is_not_what_it_states_is_refused(
    publish, tmp_path, arguments, changes, message
):
    code, _, err = publish(*arguments, **changes)
    assert (code, message in err) == (2, True)
    assert not (tmp_path / "published").exists()


def test_weights_beyond_half_precision_are_refused(publish, scripts):
    with pytest.raises(scripts.publish_model.UsageError, match=r"a\.b has values beyond half"):
        scripts.publish_model._half("a.b", torch.tensor([1e6]))
