"""Own IDX files as other programs write, pack and name them."""

from __future__ import annotations

import dataclasses
import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from hsal_bench.errors import SourceUnavailable, UsageError
from hsal_bench.generators.glyphs import idx
from hsal_bench.generators.glyphs.download import read_or_download
from hsal_bench.generators.glyphs.load import load_glyphs
from hsal_bench.generators.glyphs.sources import PublishedFile
from hsal_bench.generators.scenes.generator import mnist_multiset, mnist_single
from hsal_bench.generators.scenes.spec import SceneSpec
from hsal_bench.options import as_config

N = 60
LABELS = np.arange(N) % 10
IMAGES = struct.pack(">4I", 2051, N, 28, 28) + bytes(range(N)) * 784
PLAIN = struct.pack(">2I", 2049, N) + LABELS.astype("u1").tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my, data").mkdir()
    for place in (tmp_path, tmp_path / "my, data"):
        (place / "images").write_bytes(IMAGES)
        (place / "labels").write_bytes(PLAIN)
    return tmp_path


def labels_of(source: str, data_dir: Path) -> list[int]:
    glyphs = load_glyphs(source, data_dir)
    return sorted(np.concatenate([glyphs.train_labels, glyphs.test_labels]).tolist())


def test_labels_of_32_bits_in_the_first_column(folder: Path) -> None:
    table = np.zeros((N, 8), ">i4")
    table[:, 0], table[:, 1:] = LABELS, 7
    (folder / "labels").write_bytes(struct.pack(">3I", 0x0C02, N, 8) + table.tobytes())
    assert labels_of(f"{folder}/images,{folder}/labels", folder) == sorted(LABELS.tolist())


@pytest.mark.parametrize("label", [-1, 127, 256])
def test_labels_out_of_range(label: int) -> None:
    column = struct.pack(">2I", 0x0C01, 1) + struct.pack(">i", label)
    with pytest.raises(UsageError, match=rf"has label {label}: use labels from 0 to 126"):
        idx.parse_labels(column, Path("labels"))


def test_gzip_is_known_by_its_content(folder: Path) -> None:
    (folder / "images").write_bytes(gzip.compress(IMAGES))
    assert len(labels_of(f"{folder}/images,{folder}/labels", folder)) == N


def test_no_more_is_unpacked_than_the_header_declares() -> None:
    bomb = gzip.compress(IMAGES + bytes(10**7))
    assert len(idx.unpacked("x", bomb)) == len(IMAGES) + 1
    large = gzip.compress(struct.pack(">4I", 2051, 2**31, 28, 28))
    with pytest.raises(UsageError, match=r"declares .* bytes, more than 4 GiB"):
        idx.unpacked("x", large)


def test_pipes_and_devices_are_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    for path in (folder / "pipe", Path("/dev/zero")):
        with pytest.raises(UsageError, match="is a pipe or a device"):
            idx.read_file(path)


def test_paths_with_commas_and_the_home_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(labels_of(f"{folder}/my, data/images,{folder}/my, data/labels", folder)) == N
    monkeypatch.setenv("HOME", str(folder))
    assert len(labels_of("~/images,~/labels", folder)) == N


def test_relative_paths_are_found_in_the_data_folder(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert len(labels_of("images,labels", folder)) == N
    with pytest.raises(SourceUnavailable, match=r"no file images in .*elsewhere0 or .*: run the"):
        load_glyphs("images,labels", folder / "nowhere")


@pytest.mark.parametrize("name", ["a.idx3-ubyte", "a-idx3-ubyte/a.idx3-ubyte", "a.idx3-ubyte.gz"])
def test_other_spellings_of_published_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(IMAGES) if name.endswith(".gz") else IMAGES)
    found = read_or_download("", [tmp_path], PublishedFile("a-idx3-ubyte"))
    assert found == (path, IMAGES)


def test_the_classes_of_own_files_can_be_named(folder: Path) -> None:
    plain = SceneSpec(source=f"{folder / 'images'},{folder / 'labels'}")
    named = dataclasses.replace(plain, class_names=",".join("abcdefghij"))
    recipes = [mnist_multiset.recipe(spec, folder) for spec in (plain, named)]
    assert [recipe.header.class_names for recipe in recipes] == [tuple("0123456789"), named.names]
    assert mnist_multiset.outline(named).class_names == named.names
    companion = mnist_multiset.companion(named)
    assert companion is not None
    assert companion[1].names == named.names
    assert "class_names" not in recipes[0].header.config
    assert recipes[1].header.config["class_names"] == named.class_names


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("a,b", "class_names has 2 names, but the labels are 0 to 9: give 10 names"),
        ("a,b,c,d,e,f,g,h,i,a", 'class 9 has the name "a": give each class a different name'),
        ("a,b,c,d,e,f,g,h,i,", 'class 9 has the name ""'),
        ("a,b,c,d,e,f,g,h,i,\x1b", "class 9 has the name"),
    ],
)
def test_wrong_names_of_classes_are_refused(folder: Path, names: str, message: str) -> None:
    spec = SceneSpec(source=f"{folder / 'images'},{folder / 'labels'}", class_names=names)
    with pytest.raises(UsageError, match=message):
        mnist_multiset.recipe(spec, folder)


def test_published_classes_keep_their_names() -> None:
    with pytest.raises(UsageError, match="the classes of source=kmnist have names: drop"):
        SceneSpec(source="kmnist", class_names="a,b")


def test_own_files_have_the_name_that_the_user_gives(folder: Path) -> None:
    files = f"{folder}/images,{folder}/labels"
    spec = dataclasses.replace(mnist_multiset.defaults, source=files, name="kanji")
    assert mnist_multiset.data_set_name(spec) == "kanji-multiset"
    single, companion = mnist_multiset.companion(spec) or ("", None)
    assert (single, mnist_single.data_set_name(companion)) == ("mnist-single", "kanji-single")
    assert mnist_multiset.spec_of("kanji-multiset-5to8") is None
    more = mnist_multiset.spec_of("kanji-multiset-5to8", spec)
    assert more is not None
    assert (more.source, more.name, more.min_objects) == (files, "kanji", 5)
    assert "kanji-multiset-5to8" in mnist_multiset.family(spec)
    assert "name" not in as_config(mnist_multiset.defaults)
    small = dataclasses.replace(spec, train=12, valid=6, test=6)
    assert mnist_multiset.recipe(small, folder).header.name == "kanji-multiset"


@pytest.mark.parametrize(
    ("source", "name", "problem"),
    [
        ("mnist", "kanji", "name=kanji names own IDX files, but source=mnist has a name"),
        ("a,b", "kmnist", "name='kmnist': use letters"),
        ("a,b", "idx", "name='idx': use letters"),
        ("a,b", "../x", r"name='\.\./x': use letters"),
    ],
)
def test_names_that_own_files_cannot_have(source: str, name: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        SceneSpec(source=source, name=name)
