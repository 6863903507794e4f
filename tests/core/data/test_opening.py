"""Files that other programs wrote, rewrote or hold open: read right, or refused with the cause."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from hsal_bench.data.content import open_intact, require_intact
from hsal_bench.data.file import open_data
from hsal_bench.errors import UsageError

Change = Callable[[h5py.File], None]


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught, open_data(path):
        pass
    return str(caught.value)


def replaced(file: h5py.File, name: str, **options: object) -> h5py.Dataset:
    array = file[name][...]
    del file[name]
    return file.create_dataset(name, data=array, **options)


def test_an_edited_file_is_not_opened_intact(toy_file: Path) -> None:
    with open_intact(toy_file):
        pass
    with h5py.File(toy_file, "r+") as file:
        file["test/counts"][0, 0] ^= 1
    with pytest.raises(UsageError, match="its content has the hash"), open_intact(toy_file):
        pass


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (7, 1, 12, 12), "compression": "lzf"},
        {"chunks": (7, 1, 5, 12), "compression": "gzip"},
        {"chunks": (2000, 1, 12, 12), "maxshape": (None, 1, 12, 12), "compression": "gzip"},
        {"chunks": (100, 1, 12, 12), "compression": "gzip", "fletcher32": True},
        {"chunks": (100, 1, 12, 12), "compression": "gzip", "shuffle": True},
        {"chunks": (100, 1, 12, 12), "compression": "gzip", "scaleoffset": 0},
        {"chunks": (100, 1, 12, 12)},
    ],
)
def test_rewritten_arrays_have_the_same_content(toy_file: Path, options: dict) -> None:
    with h5py.File(toy_file, "r+") as file:
        replaced(file, "train/images", **options)
    with open_intact(toy_file) as data:
        rows = np.array([1199, 0, 100])
        whole = data.read("train", "images")
        np.testing.assert_array_equal(data.rows("train", "images", rows), whole[rows])


def test_a_chunk_stored_without_its_filter(toy_file: Path) -> None:
    with h5py.File(toy_file, "r+") as file:
        images = file["train/images"]
        first = images[: images.chunks[0]]
        images.id.write_direct_chunk((0, 0, 0, 0), first.tobytes(), filter_mask=0b11)
    with open_data(toy_file) as data:
        require_intact(data)
        np.testing.assert_array_equal(data.read("train", "images")[: len(first)], first)


def test_a_chunk_that_unpacks_to_more_than_it_declares(toy_file: Path) -> None:
    with h5py.File(toy_file, "r+") as file:
        bomb = zlib.compress(bytes(10**7))
        file["train/images"].id.write_direct_chunk((0, 0, 0, 0), bomb)
    with open_data(toy_file) as data, pytest.raises(UsageError, match="cannot be decoded"):
        data.read("train", "images")


def soft(file: h5py.File) -> None:
    del file["test/labels"]
    file["test/labels"] = h5py.SoftLink("/valid/labels")


def external_link(file: h5py.File) -> None:
    del file["test"]
    file["test"] = h5py.ExternalLink("other.h5", "/test")


def external_storage(file: h5py.File) -> None:
    array = file["test/labels"][...]
    del file["test/labels"]
    external = [("/etc/hostname", 0, h5py.h5f.UNLIMITED)]
    file.create_dataset("test/labels", array.shape, array.dtype, external=external)


def virtual(file: h5py.File) -> None:
    array = file["test/labels"]
    layout = h5py.VirtualLayout(array.shape, array.dtype)
    layout[:] = h5py.VirtualSource("other.h5", "test/labels", array.shape)
    del file["test/labels"]
    file.create_virtual_dataset("test/labels", layout)


def rows_without_data(file: h5py.File) -> None:
    for name in list(file["test"]):
        row, dtype = file["test"][name].shape[1:], file["test"][name].dtype
        del file["test"][name]
        file["test"].create_dataset(name, (10**9, *row), dtype, chunks=(512, *row))


def large_chunks(file: h5py.File) -> None:
    array = file["test/labels"]
    stored = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    stored.set_chunk((2**29, 3))
    space = h5py.h5s.create_simple(array.shape, (h5py.h5s.UNLIMITED, 3))
    del file["test/labels"]
    h5py.h5d.create(file["test"].id, b"labels", h5py.h5t.NATIVE_INT8, space, stored)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (soft, "test/labels is a link to another place"),
        (external_link, "test is a link to another place"),
        (external_storage, "test/labels is stored in other files"),
        (virtual, "test/labels is stored in other files"),
        (rows_without_data, "declares 3,000,000,000 bytes, but the file stores 0 of it"),
        (large_chunks, "test/labels has chunks of more than 256 MiB"),
    ],
)
def test_what_is_refused_before_it_is_read(toy_file: Path, change: Change, reason: str) -> None:
    with h5py.File(toy_file, "r+") as file:
        change(file)
    assert reason in refusal(toy_file)


@pytest.mark.parametrize("name", ["../../evil", "/any/where", ".hidden", "a b", "x" * 101, ""])
def test_a_name_that_is_no_part_of_a_path(toy_file: Path, name: str) -> None:
    with h5py.File(toy_file, "r+") as file:
        file.attrs["name"] = name
    assert "has a damaged header (name is" in refusal(toy_file)


@pytest.mark.parametrize("name", ["license", "config", "notes", "source", "class_names"])
def test_texts_of_the_header_are_bounded(toy_file: Path, name: str) -> None:
    with h5py.File(toy_file, "r+") as file:
        file.attrs[name] = '"' + "x" * 2**16 + '"'
    assert f"{name} has 65,538 characters" in refusal(toy_file)


def test_a_file_that_another_program_has_open_is_read(
    toy_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, calls = h5py.File, []

    def locked_file(path: Path, mode: str, locking: bool | None = None) -> h5py.File:
        calls.append(locking)
        if locking is None:
            raise BlockingIOError("unable to lock file, errno = 37, 'No locks available'")
        return opened(path, mode)

    monkeypatch.setattr(h5py, "File", locked_file)
    with open_intact(toy_file):
        assert calls == [None, False]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("unable to lock file, errno = 11", "is locked (unable to lock file, errno = 11): close"),
        ("file is already open for write", "is open for writing in another program"),
        ("bad superblock at 0x7f", "cannot be read as HDF5 (bad superblock at ...): generate"),
    ],
)
def test_each_cause_has_its_message(
    toy_file: Path, monkeypatch: pytest.MonkeyPatch, said: str, message: str
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(said)

    monkeypatch.setattr(h5py, "File", refused)
    assert f"{toy_file} {message}" in refusal(toy_file)


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    assert "is a folder without manifest.json: name a dataset file" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe.h5")
    assert "is a pipe or a device" in refusal(tmp_path / "pipe.h5")
    assert "is a pipe or a device" in refusal(Path("/dev/zero"))


def test_a_file_that_may_not_be_read(toy_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert re.search(r"cannot read .*\(permission denied\): ask its owner", refusal(toy_file))


def test_a_dataset_with_an_empty_split_is_refused(toy_file: Path) -> None:
    with h5py.File(toy_file, "r+") as file:
        for name, array in list(file["valid"].items()):
            del file["valid"][name]
            file["valid"].create_dataset(name, (0, *array.shape[1:]), array.dtype)
    with pytest.raises(UsageError, match=r"has no image in valid: "), open_data(toy_file):
        pass
