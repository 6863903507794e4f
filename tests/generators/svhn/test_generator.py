"""SVHN Multiset from made-up photographs; what their digitStruct.mat says is given as JSON."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hsal_bench.data.build import build_file
from hsal_bench.data.file import open_data
from hsal_bench.data.generator import Outline, Rows
from hsal_bench.data.schema import SPLITS
from hsal_bench.data.verify import verify
from hsal_bench.errors import SourceUnavailable, UsageError
from hsal_bench.generators.svhn import files as svhn_files
from hsal_bench.generators.svhn import generator as svhn
from hsal_bench.generators.svhn.digit_struct import Numbers
from hsal_bench.generators.svhn.generator import svhn_multiset
from hsal_bench.generators.svhn.spec import NumbersSpec

TRAIN, TEST = 40, 12
SIZE = (30, 20)

Entries = dict[int, list[tuple[int, list[float]]]]


def _entries(number: int) -> Entries:
    """Pictures 1..number with 1 to 3 digits: (label, [left, top, width, height])."""
    return {
        n: [((n + k) % 10, [2 + 8 * k, 4 + n % 3, 7, 12]) for k in range(1 + n % 3)]
        for n in range(1, number + 1)
    }


def _png(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (*SIZE[::-1], 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _read(content: bytes, origin: str) -> Numbers:
    entries = {int(key): value for key, value in json.loads(content).items()}
    digits = [digit for one in entries.values() for digit in one]
    return Numbers(
        np.array([*entries], np.int32),
        np.cumsum([0, *map(len, entries.values())]),
        np.array([label for label, _ in digits], np.int8),
        np.array([box for _, box in digits], np.float64).reshape(-1, 4),
    )


def _write(folder: Path, entries: Entries, pictures: dict[int, bytes], *, packed: bool) -> None:
    files = {f"{n}.png": content for n, content in sorted(pictures.items(), key=lambda x: -x[0])}
    files["digitStruct.mat"] = json.dumps(entries).encode()
    if not packed:
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(f"{folder}.tar.gz", "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder.name}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.fixture(autouse=True)
def _given_structs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(svhn, "read_digit_struct", _read)


@pytest.fixture
def collect(tmp_path: Path):
    """Return a function that writes a collection `doors`, changed as asked, as DATA_DIR."""

    def write(name: str = "data", *, packed: bool = True, **train: object) -> Path:
        entries = _entries(TRAIN) | train.get("entries", {})
        pictures = {n: _png(n) for n in range(1, TRAIN + 1)} | train.get("pictures", {})
        folder = tmp_path / name / "doors"
        _write(folder / "train", entries, pictures, packed=packed)
        test = {n: _png(1000 + n) for n in range(1, TEST + 1)}
        _write(folder / "test", _entries(TEST), test, packed=packed)
        return tmp_path / name

    return write


def _spec(**values: object) -> NumbersSpec:
    return NumbersSpec(collection="doors", resolution=16, **values)


def _made(recipe, split: str) -> dict[str, np.ndarray]:
    size = recipe.layout.sizes[split]
    ((_, maker),) = recipe.makers([Rows(split, 0, size)])
    return maker.make(split, 0, size)


def test_the_file_is_whole_leak_free_and_as_its_config_says(collect, tmp_path):
    data_dir = collect()
    recipe = svhn_multiset.recipe(_spec(), data_dir)
    path = build_file(recipe, tmp_path / "doors-multiset.h5", workers=1)
    outcomes = {check.name: check for check in verify(path, remake=8, data_dir=data_dir)}
    assert {name for name, one in outcomes.items() if one.outcome == "failed"} == set()
    assert outcomes["remade"].outcome == outcomes["leaks by content"].outcome == "passed"
    assert outcomes["leaks by content"].detail == "34 in train, 6 in valid, 12 in test, none shared"
    assert "the hashes of 52 glyphs" in outcomes["recipe"].detail
    with open_data(path) as data:
        assert data.header.name == "doors-multiset"
        assert data.layout.sizes == {"train": 34, "valid": 6, "test": 12}
        # Pictures of train and valid bear their numbers, those of test go on from there.
        used = [set(data.read(split, "source_index").ravel()) - {-1} for split in SPLITS]
    assert used[0] | used[1] == set(range(1, TRAIN + 1))
    assert used[2] == set(range(TRAIN + 1, TRAIN + TEST + 1))


def test_a_photograph_in_both_archives_is_found(collect, tmp_path):
    data_dir = collect(pictures={5: _png(1003)})
    path = build_file(svhn_multiset.recipe(_spec(), data_dir), tmp_path / "x.h5", workers=1)
    outcomes = {check.name: check for check in verify(path, data_dir=data_dir)}
    assert outcomes["leaks by index"].outcome == "passed"
    check = outcomes["leaks by content"]
    assert check.outcome == "failed"
    assert "(1 of 12)" in check.detail
    assert f"first glyph {TRAIN + 3} (test row 2) equals glyph 5" in check.detail


def test_labels_boxes_and_counts_are_those_of_the_picture(collect):
    test = _made(svhn_multiset.recipe(_spec(grow=0.0, max_objects=3), collect()), "test")
    # Picture 2: digits 2, 3 and 4, their boxes 7 wide and 1 apart, the union 23 x 12.
    assert test["labels"][1].tolist() == [2, 3, 4]
    assert np.flatnonzero(test["counts"][1]).tolist() == [2, 3, 4]
    assert test["boxes"][1].tolist() == [[0, 0, 5, 16], [5, 0, 11, 16], [11, 0, 16, 16]]
    assert test["source_index"][1].tolist() == [TRAIN + 2] * 3
    assert test["labels"][2].tolist() == [3, -1, -1]
    assert test["boxes"][2].tolist() == [[0, 0, 16, 16], [-1] * 4, [-1] * 4]
    whole = Image.open(io.BytesIO(_png(1000 + 3))).crop((2, 4, 9, 16))
    expected = np.asarray(whole.resize((16, 16), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    np.testing.assert_array_equal(test["images"][2], expected)


def test_archive_and_folder_give_the_same_whatever_the_order(collect, tmp_path):
    contents = []
    for name, packed, workers in (("a", True, 1), ("b", False, 1), ("a", True, 2)):
        data_dir = tmp_path / name
        if not data_dir.exists():
            collect(name, packed=packed)
        recipe = svhn_multiset.recipe(_spec(), data_dir)
        with open_data(
            build_file(recipe, tmp_path / f"{name}{workers}.h5", workers=workers)
        ) as data:
            contents.append((data.header.content_sha256, data.header.source_sha256))
    assert contents[0] == contents[1] == contents[2]


def test_pictures_that_cannot_be_used_are_left_out_and_told(collect):
    entries = {
        5: [],
        6: [(1, [200, 0, 5, 5])],
        7: [(1, [3 * k, 4, 3, 9]) for k in range(7)],
        99: [(1, [0, 0, 5, 5])],
    }
    pictures = {8: _png(8)[:200], 41: _png(41)}
    recipe = svhn_multiset.recipe(_spec(), collect(entries=entries, pictures=pictures))
    assert recipe.header.notes == (
        "train: 1 of 42 left out, no picture: 99.png",
        "train: 1 of 42 left out, an unreadable PNG: 8.png",
        "train: 2 of 42 left out, no digits: 5.png, 41.png",
        "train: 1 of 42 left out, more than 6 digits: 7.png",
        "train: 1 of 42 left out, a box without a pixel in the picture: 6.png",
    )
    assert sum(recipe.layout.sizes.values()) == 41 - 5 + TEST


def test_fewer_images_are_the_first_of_those_there_would_be(collect):
    data_dir = collect()
    whole = svhn_multiset.recipe(_spec(), data_dir)
    part = svhn_multiset.recipe(_spec(train=9, valid=2, test=5), data_dir)
    for split, size in part.layout.sizes.items():
        for name, array in _made(part, split).items():
            np.testing.assert_array_equal(array, _made(whole, split)[name][:size])


def test_the_seed_chooses_what_is_held_out(collect):
    data_dir = collect()
    held_out = [
        set(svhn_multiset.recipe(_spec(seed=seed), data_dir).splits["valid"].numbers.number)
        for seed in (0, 0, 1)
    ]
    assert held_out[0] == held_out[1] != held_out[2]


def test_what_is_held_out_does_not_depend_on_what_else_is_asked_for(collect):
    pictures = {n: _png(n)[:200] for n in range(30, TRAIN + 1)}
    entries = {n: [(1, [200, 0, 5, 5])] for n in range(1, 5)}
    asked = [
        ("a", {}, _spec()),
        ("b", {}, _spec(max_objects=1, grow=2.0)),
        ("c", {"pictures": pictures, "entries": entries}, _spec(max_objects=2)),
    ]
    split = []
    for name, changes, spec in asked:
        splits = svhn_multiset.recipe(spec, collect(name, **changes)).splits
        split.append([set(splits[one].numbers.number.tolist()) for one in ("train", "valid")])
    (train, valid), *others = split
    for fewer_train, fewer_valid in others:
        assert fewer_train < train
        assert fewer_valid <= valid
        assert fewer_valid
    assert len(valid) == 6


def test_of_a_large_archive_5000_pictures_are_held_out():
    pictures = np.arange(1, 33_403, dtype=np.int32)
    held_out = svhn._held_out(pictures, seed=0)
    assert len(set(held_out.tolist())) == 5_000
    assert set(held_out.tolist()) < set(pictures.tolist())
    assert len(svhn._held_out(pictures[:29_999], seed=0)) == 4_499


@pytest.mark.parametrize("name", ["", ".", "..", "../doors", "a/b", "/doors", "-x", "a b", "a\n"])
def test_a_collection_is_a_name(name):
    with pytest.raises(
        UsageError, match=r"is not a valid name .*: put the folder into --data-dir and give"
    ):
        NumbersSpec(collection=name)


@pytest.mark.parametrize("name", ["mnist", "synthetic"])
def test_a_collection_is_not_called_as_a_source_of_glyphs(name):
    with pytest.raises(UsageError, match=f"{name}' is also a source of glyphs"):
        NumbersSpec(collection=name)


@pytest.mark.parametrize("colour", ["rgb", "grey"])
def test_the_outline_is_that_of_the_recipe_and_reads_nothing(collect, colour):
    spec = NumbersSpec("doors", resolution=8, colour=colour)
    outline = svhn_multiset.outline(spec)
    recipe = svhn_multiset.recipe(spec, collect())
    assert outline == Outline(recipe.layout.image_shape, recipe.header.class_names)


def test_grey_images_have_one_channel(collect):
    recipe = svhn_multiset.recipe(_spec(colour="grey"), collect())
    assert _made(recipe, "valid")["images"].shape == (6, 1, 16, 16)


def test_a_split_that_would_be_too_small_is_refused(collect):
    with pytest.raises(UsageError, match="doors has 6 images for valid, not 7: lower --val"):
        svhn_multiset.recipe(_spec(valid=7), collect())


@pytest.mark.parametrize(
    ("digits", "grey", "message"),
    [
        (
            2,
            False,
            "doors has 0 images for train, not 1 .*more than 1 digit: .*: use --max-obj.* 2",
        ),
        (1, True, r"(\d+) of \1 left out, 16-bit grey, .*: convert the 16-bit pictures to 8 bits$"),
    ],
)
def test_pictures_that_are_all_left_out_come_with_a_remedy(collect, digits, grey, message):
    entries = {n: [(1, [3 * k, 4, 3, 9]) for k in range(digits)] for n in range(1, TRAIN + 1)}
    buffer = io.BytesIO()
    Image.fromarray(np.full((20, 30), 300, np.uint16)).save(buffer, "PNG")
    pictures = dict.fromkeys(entries, buffer.getvalue()) if grey else {}
    data_dir = collect(entries=entries, pictures=pictures)
    with pytest.raises(UsageError, match=message):
        svhn_multiset.recipe(_spec(max_objects=1), data_dir)


def test_a_collection_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SourceUnavailable, match=r"no collection .*doors has no train"):
        svhn_multiset.recipe(_spec(), tmp_path)


def test_svhn_that_is_not_there_is_downloaded(collect, tmp_path, monkeypatch):
    asked = []

    def download(url, path, check, most_bytes):
        asked.append((url, path, most_bytes))
        raise UsageError("train.tar.gz cannot be downloaded")

    monkeypatch.setattr(svhn_files, "download", download)
    with pytest.raises(SourceUnavailable, match="cannot be downloaded"):
        svhn_multiset.recipe(NumbersSpec(), tmp_path)
    url = "http://ufldl.stanford.edu/housenumbers/train.tar.gz"
    assert asked == [(url, tmp_path / "svhn" / "train.tar.gz", 404_141_560)]


def test_what_is_not_svhn_as_published_is_reported(collect):
    data_dir = collect()
    (data_dir / "doors").rename(data_dir / "svhn")
    notes = svhn_multiset.recipe(NumbersSpec(resolution=16), data_dir).header.notes
    assert notes[0].startswith("train: 40 pictures, 33,402 were published: this is not SVHN")


def test_an_archive_of_the_published_size_has_the_published_hash(collect, monkeypatch):
    data_dir = collect()
    size = (data_dir / "doors" / "train.tar.gz").stat().st_size
    fake = svhn_files.Published(size, "0" * 64, TRAIN)
    monkeypatch.setitem(svhn_files.PUBLISHED, "train", fake)
    with pytest.raises(UsageError, match=r"has the size of the published archive, not its content"):
        svhn_multiset.recipe(_spec(), data_dir)


def test_an_archive_is_checked_though_the_other_one_is_to_be_downloaded(
    collect, tmp_path, monkeypatch
):
    (collect() / "doors").rename(tmp_path / "svhn")
    (tmp_path / "svhn" / "test.tar.gz").rename(tmp_path / "kept.tar.gz")
    size = (tmp_path / "svhn" / "train.tar.gz").stat().st_size
    monkeypatch.setitem(svhn_files.PUBLISHED, "train", svhn_files.Published(size, "0" * 64, TRAIN))

    def download(url, path, check, most_bytes):
        (tmp_path / "kept.tar.gz").rename(path)

    monkeypatch.setattr(svhn_files, "download", download)
    with pytest.raises(UsageError, match=r"train.tar.gz has the size of the published archive"):
        svhn_multiset.recipe(NumbersSpec(), tmp_path)
