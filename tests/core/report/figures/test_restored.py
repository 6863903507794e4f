"""The method and the data of a finished run, as figures read them again."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hsal_bench.data.file import open_data
from hsal_bench.record.record import Activation, read_record
from hsal_bench.training import activations, frozen
from hsal_bench.training.blocks import write_blocks
from hsal_bench.training.restore import restore_method


def test_the_dataset_is_found_where_the_run_had_it(of_toy, toy_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = of_toy(command="hsal-bench run --model looker --datasets sets")
    (tmp_path / "sets").mkdir()
    toy_file.rename(tmp_path / "sets" / toy_file.name)
    with restore_method(read_record(path), path.parent, Path(), torch.device("cpu")) as it:
        assert it.data.path == Path("sets", toy_file.name)


@pytest.mark.parametrize("cache", [".", "elsewhere"])
def test_activations_are_those_of_the_record(of_toy, tmp_path, cache):
    path = of_toy(method="act", activation=Activation("small", "w", "ef" * 32))
    model = {"backbone": "small", "precision": "float32", "weights": "w", "trained_on": "toy"}
    folder = tmp_path / cache / "activation-models" / "one"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps(model | {"accuracy": 1.0, "sha256": "ef" * 32}))
    record = read_record(path)
    content = record.data_set.content_sha256[:8]
    volumes = tmp_path / cache / "activations" / f"toy-{content}--efefefef" / "test.npy"
    volumes.parent.mkdir(parents=True)
    array = np.full((60, 4, 3, 3), 2.5, np.float16)
    with open_data(tmp_path / "toy-x.h5") as data:
        model = frozen.read(folder / "model.pt")
        identity = activations.identity(model, data, "test")
    write_blocks(volumes, 60, lambda start, stop: array[start:stop], identity)
    with restore_method(record, path.parent, tmp_path, torch.device("cpu"), tmp_path / cache) as it:
        assert it.method.learnt == 0
        assert it.method.task.input_shape == (4, 3, 3)
        assert it.test.rows(torch.tensor([3])).unique().tolist() == [2.5]
        assert it.data.header.name == "toy"
