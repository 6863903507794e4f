import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hsal_bench.errors import UsageError
from hsal_bench.generators.svhn import album as albums
from hsal_bench.generators.svhn.album import Album

Files = list[tuple[str, bytes]]


def picture(number: int, *, height: int = 5) -> bytes:
    rng, buffer = np.random.default_rng(number), io.BytesIO()
    pixels = rng.integers(0, 256, (height, 3 + number, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


PICTURES = {number: picture(number) for number in (2, 10, 1)}
FILES: Files = [
    *((f"train/{number}.png", content) for number, content in PICTURES.items()),
    ("train/see_bboxes.m", b"% not ours" * 400),
    ("train/digitStruct.mat", b"structs" * 300),
    ("train/._1.png", b"left by a file manager"),
]


def tar(files: Files, **changes: object) -> bytes:
    """Return a .tar; `changes`: of the header of the last file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for index, (name, content) in enumerate(files):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            if index == len(files) - 1:
                for field, value in changes.items():
                    setattr(member, field, value)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def packed(folder: Path, files: Files = FILES, **changes: object) -> Album:
    (folder / "train.tar.gz").write_bytes(gzip.compress(tar(files, **changes)))
    album = Album.find(folder, "train")
    assert album
    return album


def unpacked(folder: Path, files: Files = FILES) -> Album:
    (folder / "train").mkdir()
    for name, content in files:
        (folder / name).write_bytes(content)
    album = Album.find(folder, "train")
    assert album
    return album


def test_an_archive_and_its_folder_hold_the_same(tmp_path: Path) -> None:
    folder = unpacked(tmp_path)
    archive = packed(tmp_path)
    assert (folder.path, archive.path) == (tmp_path / "train", tmp_path / "train.tar.gz")
    for one, other in zip(
        vars(folder.index()).values(), vars(archive.index()).values(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert dict(folder.pictures(PICTURES)) == dict(archive.pictures(PICTURES)) == PICTURES


def test_the_index_says_what_the_pictures_are(tmp_path: Path) -> None:
    index = packed(tmp_path).index()
    assert index.digit_struct == b"structs" * 300
    assert index.number.tolist() == [1, 2, 10]
    assert index.size.tolist() == [[4, 5], [5, 5], [13, 5]]
    assert [row.tobytes() for row in index.sha256] == [
        hashlib.sha256(PICTURES[number]).digest() for number in (1, 2, 10)
    ]


@pytest.mark.parametrize("make", [packed, unpacked])
def test_only_the_wanted_pictures_come(make: Callable[[Path], Album], tmp_path: Path) -> None:
    album = make(tmp_path)
    assert [number for number, _ in album.pictures([10, 2])] == [2, 10]
    assert [number for number, _ in album.pictures([])] == []
    with pytest.raises(UsageError, match=r"has no train/3.png: use the published pictures"):
        list(album.pictures([1, 3]))


def test_an_archive_is_read_in_its_order_and_no_further(tmp_path: Path) -> None:
    album = packed(tmp_path)
    content = album.path.read_bytes()
    album.path.write_bytes(content[: len(content) - 40])
    assert [number for number, _ in album.pictures({1, 10, 2})] == [2, 10, 1]
    with pytest.raises(UsageError, match="cannot read"):
        album.index()


def test_nothing_there_is_no_album(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    assert Album.find(tmp_path, "train") is None
    assert Album.find(tmp_path / "nowhere", "train") is None


@pytest.mark.parametrize("damage", [b"", b"\x89PNG", PICTURES[1][:-30]])
def test_a_picture_that_cannot_be_read_has_no_size(damage: bytes, tmp_path: Path) -> None:
    index = packed(tmp_path, [*FILES, ("train/3.png", damage)]).index()
    assert index.number.tolist() == [1, 2, 3, 10]
    assert index.size.tolist() == [[4, 5], [5, 5], [0, 0], [13, 5]]


@pytest.mark.parametrize(
    ("name", "changes", "fault"),
    [
        ("/etc/1.png", {}, "is outside the archive's folder"),
        ("train/../../1.png", {}, "is outside the archive's folder"),
        ("..\\1.png", {}, "is outside the archive's folder"),
        ("train/3.png", {"type": tarfile.SYMTYPE, "linkname": "2.png"}, "neither a file nor"),
        ("train/3.png", {"type": tarfile.LNKTYPE, "linkname": "train/2.png"}, "neither a file"),
        ("train/3.png", {"type": tarfile.CHRTYPE}, "neither a file nor a folder"),
        ("train/3.png", {"type": tarfile.FIFOTYPE}, "neither a file nor a folder"),
    ],
)
def test_odd_members_are_refused(
    name: str, changes: dict[str, object], fault: str, tmp_path: Path
) -> None:
    album = packed(tmp_path, [*FILES, (name, b"")], **changes)
    with pytest.raises(UsageError, match=fault) as caught:
        album.index()
    assert f"member {name!r}" in str(caught.value)
    assert str(album.path) in str(caught.value)


def test_a_doubled_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"train.tar.gz has 2.png twice"):
        packed(tmp_path, [*FILES, ("./train/2.png", PICTURES[2])]).index()


@pytest.mark.parametrize(
    ("files", "missing"), [(FILES[:3], "digitStruct.mat"), (FILES[3:], "NUMBER.png")]
)
def test_what_is_missing_is_named(files: Files, missing: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"train.tar.gz has no train/{missing}"):
        packed(tmp_path, files).index()


@pytest.mark.parametrize("make", [packed, unpacked])
def test_a_file_too_large_is_refused(
    make: Callable[[Path], Album], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    album = make(tmp_path)
    most = max(len(content) for content in PICTURES.values()) - 1
    monkeypatch.setattr(albums, "MOST_PICTURE_BYTES", most)
    with pytest.raises(UsageError, match=rf"10.png has {most + 1:,} bytes, more than {most:,}"):
        album.index()


def test_a_picture_of_too_many_pixels_is_refused(tmp_path: Path) -> None:
    header = b"IHDR" + (10_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    checked = header + zlib.crc32(header).to_bytes(4, "big")
    large = PICTURES[1][:16].replace(b"IHDR", checked) + PICTURES[1][33:]
    album = packed(tmp_path, [*FILES, ("train/3.png", large)])
    message = r"train.tar.gz: 3.png has 10,000 x 10,000 pixels, more than 50,000,000"
    with pytest.raises(UsageError, match=message):
        album.index()


def test_an_archive_cut_anywhere_is_refused(tmp_path: Path) -> None:
    album = packed(tmp_path)
    content = album.path.read_bytes()
    for size in range(0, len(content), 37):
        album.path.write_bytes(content[:size])
        with pytest.raises(
            UsageError, match=r"cannot read .*train.tar.gz \(.+\): use the complete"
        ):
            album.index()


def test_a_tar_cut_before_it_was_packed_is_refused(tmp_path: Path) -> None:
    album, content = packed(tmp_path), tar(FILES)
    for size in (300, 512, 900, 1600, 4000):
        album.path.write_bytes(gzip.compress(content[:size]))
        with pytest.raises(UsageError, match=r"train.tar.gz"):
            album.index()


def test_changed_bytes_of_an_archive_are_refused(tmp_path: Path) -> None:
    album = packed(tmp_path)
    content = album.path.read_bytes()
    for at in range(10, len(content), 97):  # the ten bytes before hold the time of packing
        damaged = bytearray(content)
        damaged[at] ^= 0x55
        album.path.write_bytes(damaged)
        with pytest.raises(UsageError, match=r"train.tar.gz"):
            album.index()


def test_an_archive_packed_in_parts_or_padded_is_read(tmp_path: Path) -> None:
    album, content = packed(tmp_path), tar(FILES)
    whole = album.index()
    parts = gzip.compress(content[:1000]) + gzip.compress(content[1000:]) + bytes(700)
    album.path.write_bytes(parts)
    for one, other in zip(vars(whole).values(), vars(album.index()).values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_long_names_and_large_files_in_between_do_no_harm(tmp_path: Path) -> None:
    other: Files = [("train/" + "x" * 200, bytes(3_000_000)), ("notes", b"1")]
    index = packed(tmp_path, [*other, *FILES]).index()
    assert index.number.tolist() == [1, 2, 10]
