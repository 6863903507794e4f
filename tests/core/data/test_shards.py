"""A dataset in shards reads as the same dataset in one file does, or is refused in one line."""

import json
import os
import shutil
from itertools import chain

import h5py
import numpy as np
import pytest

from hsal_bench.data import manifest
from hsal_bench.data.build import JOB_ROWS, build_file, divide, split_jobs
from hsal_bench.data.content import content_hash, open_intact
from hsal_bench.data.file import open_data
from hsal_bench.data.generator import load_generator
from hsal_bench.data.schema import SPLITS, Layout
from hsal_bench.data.verify import verify
from hsal_bench.errors import UsageError

SHARDS = 3


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The same dataset in one file and in shards."""
    generator = load_generator("mnist-multiset")
    fields = {"source": "synthetic", "train": 7000, "valid": 300, "test": 2100, "canvas": 50}
    spec = type(generator.defaults)(**fields, max_objects=2, max_size=25)
    folder = tmp_path_factory.mktemp("built")
    recipe = generator.recipe(spec, folder)
    return (
        build_file(recipe, folder / "one.h5"),
        build_file(recipe, folder / "shards.h5", shards=SHARDS),
    )


@pytest.fixture
def one(built):
    return built[0]


@pytest.fixture
def folder(built, tmp_path):
    return shutil.copytree(built[1], tmp_path / "synthetic-multiset.h5")


def refusal(folder, open_it=open_data):
    with pytest.raises(UsageError) as caught, open_it(folder):
        pass
    return str(caught.value)


def test_arrays_header_and_hash_are_those_of_one_file(one, folder):
    names = ["manifest.json", *(f"shard-000{number}.h5" for number in range(SHARDS))]
    assert sorted(file.name for file in folder.iterdir()) == names
    with open_data(one) as expected, open_intact(folder) as data:
        assert data.path == folder
        assert data.header == expected.header
        assert data.layout == expected.layout
        for split in SPLITS:
            for name in data.layout.arrays():
                np.testing.assert_array_equal(data.read(split, name), expected.read(split, name))


@pytest.mark.parametrize("rows", [100, 512, 5000])
def test_runs_cross_from_shard_to_shard(one, folder, rows):
    with open_data(one) as expected, open_data(folder) as data:
        pairs = zip(
            data.runs("train", "labels", rows), expected.runs("train", "labels", rows), strict=True
        )
        for (start, labels), (expected_start, expected_labels) in pairs:
            assert start == expected_start
            np.testing.assert_array_equal(labels, expected_labels)


def test_rows_in_any_order(one, folder):
    indices = np.array([6999, 0, 2047, 2048, 6999, 4096])
    with open_data(one) as expected, open_data(folder) as data:
        for name, array in data.examples("train", indices).items():
            np.testing.assert_array_equal(array, expected.rows("train", name, indices))
        for beyond in (-1, 7000):
            with pytest.raises(IndexError, match="has 7,000 rows in train"):
                data.rows("train", "labels", np.array([beyond]))


def test_every_check_passes(one, folder, tmp_path):
    results = [verify(path, remake=4, data_dir=tmp_path) for path in (one, folder)]
    assert results[0] == results[1]
    assert {check.outcome for check in results[1]} == {"passed"}


def test_a_missing_shard(folder):
    (folder / "shard-0001.h5").unlink()
    assert refusal(folder).startswith(f"{folder / 'shard-0001.h5'} is missing: generate it again")
    assert refusal(folder).endswith(f"--out {folder.parent} --shards {SHARDS} --force`")


def test_a_truncated_shard(folder):
    path = folder / "shard-0001.h5"
    path.write_bytes(path.read_bytes()[:-1000])
    assert refusal(folder).startswith(f"{path} is truncated: generate it again")
    assert f"--shards {SHARDS}" in refusal(folder)


def test_a_shard_of_another_place_or_dataset(folder):
    path = folder / "shard-0001.h5"
    shutil.copy(folder / "shard-0000.h5", path)
    assert refusal(folder).startswith(f"{path} is not the shard that manifest.json describes: ")


def test_a_shard_whose_arrays_differ_from_its_header(folder):
    path = folder / "shard-0001.h5"
    for name in ("shard-0002.h5", path.name):
        with h5py.File(folder / name, "r+") as file:
            file["train/labels"][7] = 1
    assert refusal(folder, open_intact).startswith(f"{path} is damaged: its content has the hash")
    (check,) = (c for c in verify(folder, data_dir=folder) if c.name == "content hash")
    assert check.outcome == "failed"
    assert "(damaged: shard-0001.h5, shard-0002.h5)" in check.detail


def test_a_shard_that_changes_after_a_check_is_checked_again(folder):
    # Long ago, so that the check is remembered.
    for path in (folder, *folder.iterdir()):
        os.utime(path, (1_000, 1_000))
    with open_intact(folder):
        pass
    with h5py.File(folder / "shard-0001.h5", "r+") as file:
        labels = file["train/labels"]
        labels[0] = (labels[0] + 1) % 10
    assert "shard-0001.h5" in refusal(folder, open_intact)


def test_shards_of_one_dataset_in_another_order(folder):
    """Each shard is intact: the hash of all shows the order."""
    content = json.loads((folder / "manifest.json").read_text())
    content["shards"][:2] = reversed(content["shards"][:2])
    (folder / "manifest.json").write_text(json.dumps(content))
    first, second = (folder / f"shard-000{number}.h5" for number in (0, 1))
    first.rename(folder / "x")
    second.rename(first)
    (folder / "x").rename(second)
    with open_data(folder) as data:
        assert content_hash(data) != data.header.content_sha256
    assert refusal(folder, open_intact).startswith(f"{folder} is damaged")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"header": {}, "shards": []}', '{"header": 1, "shards": ["a"]}', "\udcff"],
)
def test_a_damaged_manifest(folder, text):
    (folder / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert refusal(folder).startswith(f"{folder / 'manifest.json'} is damaged (")
    assert refusal(folder).endswith(f"--out {folder.parent} --shards {SHARDS} --force`")


def test_a_shard_alone_is_refused(folder, tmp_path):
    """Its header is that of the dataset, so elsewhere it would pass for all of it."""
    path = folder / "shard-0001.h5"
    for place in (path, shutil.copy(path, tmp_path / "copy.h5")):
        assert refusal(place) == f"{place} is one shard of a dataset: name the folder of all shards"


@pytest.mark.parametrize("shards", [None, 2])
@pytest.mark.parametrize("before", ["file", "shards"])
def test_either_form_replaces_the_other(one, folder, before, shards, tmp_path, known_generators):
    path = folder if before == "shards" else shutil.copy(one, tmp_path / "x.h5")
    recipe = load_generator("toy-large")
    recipe = recipe.recipe(type(recipe.defaults)(train=4096), tmp_path)
    build_file(recipe, path, shards=shards)
    assert path.is_dir() == (shards is not None)
    with open_intact(path) as data:
        assert data.layout.sizes["train"] == 4096
        assert len(data.shards) == (shards or 0)
    assert not list(tmp_path.glob(".*"))


def test_a_folder_of_other_files_is_never_replaced(folder, tmp_path, known_generators):
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"is a folder with other files \(notes.txt\)"):
        build_file(load_generator("toy").recipe(load_generator("toy").defaults, tmp_path), folder)
    assert (folder / "notes.txt").read_text() == "mine"


def test_too_many_shards(tmp_path, known_generators):
    recipe = load_generator("toy").recipe(load_generator("toy").defaults, tmp_path)
    with pytest.raises(UsageError, match="1,200 for training, so use at most 1"):
        build_file(recipe, tmp_path / "x.h5", shards=2)


def test_each_job_is_in_one_shard_in_order():
    rng = np.random.default_rng(0)
    for _ in range(100):
        sizes = dict(zip(SPLITS, rng.integers(1, 9 * JOB_ROWS, 3).tolist(), strict=True))
        jobs = split_jobs(Layout((1, 9, 9), 2, 3, sizes))
        shards = divide(jobs, int(rng.integers(1, 9)))
        for split in SPLITS:
            own = [[job for job in shard if job.split == split] for shard in shards]
            assert [*chain(*own)] == [job for job in jobs if job.split == split]
            # A last job that is not full comes after a full one.
            assert len(own[-1]) > 1 or sizes[split] <= JOB_ROWS or len(own[-1][0]) == JOB_ROWS


def test_the_names_of_shards_are_no_part_of_the_manifest(folder):
    """So a manifest can name no file elsewhere."""
    assert "shard-" not in (folder / manifest.MANIFEST).read_text()
    assert manifest.shard_path(folder, 12) == folder / "shard-0012.h5"
