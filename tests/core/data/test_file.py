from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from hsal_bench.data.file import open_data
from hsal_bench.data.schema import SPLITS
from hsal_bench.errors import HsalBenchError, UsageError


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught, open_data(path):
        pass
    return str(caught.value)


def test_header_layout_and_whole_arrays(toy_file: Path) -> None:
    with open_data(toy_file) as data, h5py.File(toy_file) as file:
        assert (data.path, data.header.name, data.header.class_names) == (
            toy_file,
            "toy",
            ("a", "b", "c"),
        )
        assert data.layout.image_shape == (1, 12, 12)
        assert data.layout.sizes == {"train": 1200, "valid": 40, "test": 60}
        for split in SPLITS:
            for name in data.layout.arrays():
                np.testing.assert_array_equal(data.read(split, name), file[split][name][...])


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    assert (
        refusal(path)
        == f"no dataset file {path}: give a dataset file, or a name of `hsal-bench list`"
    )


def test_a_truncated_file(toy_file: Path) -> None:
    whole = toy_file.read_bytes()
    toy_file.write_bytes(whole[: len(whole) // 2])
    assert refusal(toy_file).startswith(f"{toy_file} is truncated: generate it again")


@pytest.mark.parametrize("content", [b"", b"not HDF5 at all" * 100])
def test_a_file_that_is_not_hdf5(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(content)
    assert f"{path} cannot be read as HDF5" in refusal(path)


def test_an_hdf5_file_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    h5py.File(path, "w").close()
    assert f"{path} is HDF5 but not an hsal-bench dataset" in refusal(path)


def test_another_schema_version(toy_file: Path) -> None:
    with h5py.File(toy_file, "r+") as file:
        file.attrs["schema_version"] = 99
    assert "has schema version 99, this hsal-bench reads 1" in refusal(toy_file)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("config", "{"),
        ("config", 3),
        ("class_names", "[]"),
        ("citation", None),
        ("content_sha256", "ab"),
        ("content_sha256", 3),
        ("name", "toy\u200b"),
    ],
)
def test_a_damaged_header(toy_file: Path, name: str, value: object) -> None:
    with h5py.File(toy_file, "r+") as file:
        if value is None:
            del file.attrs[name]
        else:
            file.attrs[name] = value
    assert "has a damaged header" in refusal(toy_file)


def test_an_array_of_another_type(toy_file: Path) -> None:
    with h5py.File(toy_file, "r+") as file:
        labels = file["test/labels"][...]
        del file["test/labels"]
        file["test/labels"] = labels.astype(np.int64)
    assert "test/labels is int64 (60, 3), expected int8 (60, 3)" in refusal(toy_file)


def test_an_array_of_another_length(toy_file: Path) -> None:
    with h5py.File(toy_file, "r+") as file:
        boxes = file["valid/boxes"][:39]
        del file["valid/boxes"]
        file["valid/boxes"] = boxes
    assert "valid/boxes is int16 (39, 3, 4), expected int16 (40, 3, 4)" in refusal(toy_file)


@pytest.mark.parametrize("name", ["valid", "train/images", "test/counts"])
def test_a_missing_group_or_array(toy_file: Path, name: str) -> None:
    with h5py.File(toy_file, "r+") as file:
        del file[name]
    assert f"{toy_file} lacks an array" in refusal(toy_file)


@pytest.mark.parametrize("name", ["train/images", "train/labels"])
def test_a_group_where_an_array_should_be(toy_file: Path, name: str) -> None:
    with h5py.File(toy_file, "r+") as file:
        del file[name]
        file.create_group(name)
    assert f"{toy_file} lacks an array" in refusal(toy_file)


@pytest.mark.parametrize("name", ["images", "labels", "boxes"])
def test_rows_are_those_of_the_whole_array(toy_file: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    with open_data(toy_file) as data:
        whole = data.read("train", name)
        for size in (0, 1, 7, 300):
            indices = rng.integers(0, len(whole), size)
            np.testing.assert_array_equal(data.rows("train", name, indices), whole[indices])


def test_rows_of_all_arrays(toy_file: Path) -> None:
    indices = np.array([59, 0, 59])
    with open_data(toy_file) as data:
        examples = data.examples("test", indices)
        assert list(examples) == list(data.layout.arrays())
        for name, rows in examples.items():
            np.testing.assert_array_equal(rows, data.read("test", name)[indices])


@pytest.mark.parametrize("rows", [1, 100, 256, 512, 5000])
def test_runs_put_together_are_the_whole_array(toy_file: Path, rows: int) -> None:
    with open_data(toy_file) as data:
        for name in ("images", "labels"):
            runs = list(data.runs("train", name, rows))
            assert [start for start, _ in runs] == list(range(0, 1200, rows))
            whole = np.concatenate([run for _, run in runs])
            np.testing.assert_array_equal(whole, data.read("train", name))


def test_a_batch_touches_only_its_chunks(
    toy_file: Path, damage: Callable[[str, int], None]
) -> None:
    damage("train", 256)
    with open_data(toy_file) as data:
        images = data.rows("train", "images", np.array([0, 255, 512, 1199, 512]))
        assert images.max(axis=(1, 2, 3)).tolist() == [100, 155, 112, 199, 112]
        with pytest.raises(HsalBenchError, match="train/images cannot be decoded"):
            data.rows("train", "images", np.array([0, 300]))


def test_each_chunk_is_read_once(toy_file: Path) -> None:
    class Watched:
        def __init__(self, dataset: h5py.Dataset) -> None:
            self.dataset, self.slices = dataset, []

        def __getattr__(self, name: str) -> object:
            return getattr(self.dataset, name)

        def __len__(self) -> int:
            return len(self.dataset)

        def __getitem__(self, where: slice) -> np.ndarray:
            self.slices.append(where)
            return self.dataset[where]

    with open_data(toy_file) as data:
        watched = Watched(data.file["train/images"])
        data.file = {"train": {"images": watched}}
        data.rows("train", "images", np.array([700, 3, 701, 2, 3]))
        assert watched.slices == [slice(0, 256), slice(512, 768)]


def test_what_cannot_be_decoded_is_reported(
    toy_file: Path, damage: Callable[[str, int], None]
) -> None:
    damage("test", 0)
    with (
        open_data(toy_file) as data,
        pytest.raises(HsalBenchError, match=r"test/images cannot be decoded .*: generate it again"),
    ):
        data.read("test", "images")


def test_other_compressions_are_read_too(toy_file: Path) -> None:
    with h5py.File(toy_file, "r+") as file:
        images = file["test/images"][...]
        del file["test/images"]
        file.create_dataset("test/images", data=images, chunks=(7, 1, 12, 12), compression="lzf")
    with open_data(toy_file) as data:
        np.testing.assert_array_equal(data.read("test", "images"), images)
        np.testing.assert_array_equal(
            data.rows("test", "images", np.array([59, 1])), images[[59, 1]]
        )
