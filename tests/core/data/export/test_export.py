"""`hsal-bench export`: other tools read what the HDF5 file holds."""

import io
import json
import tarfile

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from hsal_bench.cli.export import export
from hsal_bench.data.export import webdataset
from hsal_bench.data.file import open_data

SPLITS = {"train": "train", "valid": "validation", "test": "test"}


@pytest.fixture
def exported(toy_file, tmp_path):
    """Return a function that exports the toy dataset and returns the folder."""

    def run(form):
        folder = tmp_path / form
        result = CliRunner().invoke(export, [form, str(toy_file), "-o", str(folder)])
        assert result.exit_code == 0, result.output
        return folder

    return run


@pytest.fixture
def stored(toy_file):
    """Return the arrays of each split."""
    with open_data(toy_file) as data:
        return {
            split: {name: data.read(split, name) for name in data.layout.arrays()}
            for split in SPLITS
        }


def assert_equal(split, row, image, labels, counts, boxes):
    assert np.array_equal(np.asarray(image), split["images"][row, 0])
    real = split["labels"][row] >= 0
    assert list(labels) == split["labels"][row][real].tolist()
    assert list(counts) == split["counts"][row].tolist()
    assert [list(box) for box in boxes] == split["boxes"][row][real].tolist()


@pytest.mark.parametrize("form", ["hf", "parquet"])
def test_load_dataset_reads_every_example(exported, stored, tmp_path, form):
    datasets = pytest.importorskip("datasets")
    folder = exported(form)
    if form == "hf":
        loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    else:
        files = {name: str(folder / f"{name}.parquet") for name in SPLITS.values()}
        loaded = datasets.load_dataset(
            "parquet", data_files=files, cache_dir=str(tmp_path / "cache")
        )
    for split, name in SPLITS.items():
        assert loaded[name]["id"] == list(range(len(stored[split]["labels"])))
        assert loaded[name].features["labels"].feature.names == ["a", "b", "c"]
        for row in range(0, len(loaded[name]), 17):
            example = loaded[name][row]
            del example["id"]
            assert_equal(stored[split], row, **example)


@pytest.mark.parametrize("form", ["hf", "parquet"])
def test_croissant_records_are_the_examples(exported, stored, form):
    mlc = pytest.importorskip("mlcroissant")
    dataset = mlc.Dataset(jsonld=str(exported(form) / "croissant.json"))
    records = list(dataset.records(record_set="valid"))
    assert len(records) == len(stored["valid"]["labels"])
    for row in (0, 7, 39):
        example = {name.removeprefix("valid/"): value for name, value in records[row].items()}
        assert example.pop("id") == row
        assert_equal(stored["valid"], row, **example)


def test_a_tar_file_has_a_picture_and_a_json_file_per_example(exported, stored, monkeypatch):
    monkeypatch.setattr(webdataset, "SHARD", 1000)
    folder = exported("webdataset")
    assert [path.name for path in sorted(folder.glob("train-*"))] == [
        "train-000000.tar",
        "train-000001.tar",
    ]
    rows = []
    for path in sorted(folder.glob("train-*")):
        with tarfile.open(path) as tar:
            names = tar.getnames()
            for png, facts in zip(names[::2], names[1::2], strict=True):
                assert (png[-4:], facts[-5:]) == (".png", ".json")
                assert png[:-4] == facts[:-5]
                rows.append(int(png[:-4]))
                if rows[-1] % 101 == 0:
                    image = Image.open(io.BytesIO(tar.extractfile(png).read()))
                    example = json.loads(tar.extractfile(facts).read())
                    assert_equal(stored["train"], rows[-1], image, **example)
    assert rows == list(range(len(stored["train"]["labels"])))


def test_colours_survive(tmp_path):
    from hsal_bench.data.export.examples import encoded

    image = np.random.default_rng(0).integers(0, 256, (3, 5, 7), np.uint8)
    decoded = np.asarray(Image.open(io.BytesIO(encoded(image))))
    assert np.array_equal(decoded.transpose(2, 0, 1), image)


def test_a_folder_with_files_is_kept_unless_forced(toy_file, tmp_path):
    other = tmp_path / "notes" / "test-000000.tar"
    other.parent.mkdir()
    other.write_text("mine")
    command = ["webdataset", str(toy_file), "-o", str(other.parent)]
    result = CliRunner().invoke(export, command)
    assert "has files already: use --force" in str(result.exception)
    assert [path.name for path in other.parent.iterdir()] == ["test-000000.tar"]
    assert other.read_text() == "mine"
    assert CliRunner().invoke(export, [*command, "--force"]).exit_code == 0
    assert len(list(other.parent.iterdir())) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["toy.h5", "parquet"], "the format comes first: write `hsal-bench export parquet toy.h5`"),
        (["parket", "toy.h5"], "no format 'parket': did you mean 'parquet'?"),
    ],
)
def test_a_wrong_order_or_format_is_refused(words, message):
    assert str(CliRunner().invoke(export, words).exception).startswith(message)
