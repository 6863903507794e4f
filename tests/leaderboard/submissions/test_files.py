"""Files that nobody vouches for: what is taken is read whole, all else is refused and harmless."""

import io
import os
import stat
import struct
import tracemalloc
import zipfile
import zlib

import pytest

from hsal_bench.errors import UsageError
from hsal_bench.leaderboard.submissions import files as submission_files
from hsal_bench.leaderboard.submissions.files import (
    LARGEST_ARCHIVE,
    MOST_FILES,
    Refused,
    open_submission,
)

LIMIT = 10**7
REMEDY = "name a zip, or the folder of submission.json"
OVERLAPPING = ("it ends early", "Overlapped entries")
"""How zipfile reports a member that reaches into the list of members: before and since Python
3.11.8, 3.12.2 and 3.13."""

GOOD = {"submission.json": b"{}", "predictions.jsonl": b'{"id": 0, "labels": [1]}\n' * 50}


@pytest.fixture
def packed(tmp_path):
    """Return a function that packs members, (name or ZipInfo, content), into a zip."""

    def packed(members, method=zipfile.ZIP_DEFLATED):
        path = tmp_path / "s.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, content in members:
                archive.writestr(name, content, compress_type=method)
        return path

    return packed


def contents(path, limit=LIMIT):
    with open_submission(path) as files:
        if files.problems:
            raise Refused(files.problems)
        return {name: files.read(name, limit) for name in files.packed}


def refusal(path, limit=LIMIT):
    """Return why a submission is not taken; nothing may have been written while reading it."""
    before = sorted(path.parent.parent.rglob("*"))
    with pytest.raises(Refused) as caught:
        contents(path, limit)
    assert sorted(path.parent.parent.rglob("*")) == before
    problems = caught.value.problems
    assert all("\n" not in problem and problem.isprintable() for problem in problems)
    return "; ".join(problems)


def peak_memory(path, limit=LIMIT):
    """Return the most bytes in use at once while a submission is refused."""
    tracemalloc.start()
    with pytest.raises(Refused):
        contents(path, limit)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_folder_and_its_zip_hold_the_same(packed, tmp_path, method):
    folder = tmp_path / "s"
    folder.mkdir()
    for name, content in GOOD.items():
        (folder / name).write_bytes(content)
    assert contents(folder) == contents(packed(GOOD.items(), method)) == GOOD


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "../submission.json",
        "/etc/passwd",
        "C:\\x",
        "a\\submission.json",
        "./submission.json",
        "Submission.json",
        "SUBMISSION.JSON",
        "submission.json ",
        "submission.json\x1b[2J",
        "sub\u202emission.json",
        "seed-01.jsonl",
        "seed-٣.jsonl",  # a digit, but none of ours
        "seed--1.jsonl",
        "predictions.jsonl.gz",
        "more.zip",
        "folder/",
    ],
)
def test_any_other_name_is_refused(packed, name):
    message = refusal(packed([*GOOD.items(), (name, b"x")]))
    assert "is not allowed: a submission contains submission.json and predictions.jso" in message


def test_a_packed_folder_is_reported_in_a_line_how_to_be_packed(packed):
    files = [("mine/", b""), *((f"mine/{name}", content) for name, content in GOOD.items())]
    assert refusal(packed(files)) == (
        "all files are in the folder mine: pack the files without their folder"
    )
    beside = refusal(packed([*files, ("__MACOSX/x", b"")]))
    assert "mine/predictions.jsonl is in a folder: pack the files without their folder" in beside
    for outside in ("../x", "/x"):
        assert f"{outside} is not allowed" in refusal(packed([(outside, b"")]))


def test_a_nul_in_a_name_does_not_cut_it(packed):
    path = packed([("predictions.jsonlZevil", b"x"), ("submission.json", b"{}")])
    path.write_bytes(path.read_bytes().replace(b"jsonlZevil", b"jsonl\0evil"))
    assert refusal(path).startswith("predictions.jsonl\\x00evil is not allowed")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(packed):
    path = packed([*GOOD.items(), ("submission.json", b'{"a": 1}')])
    assert refusal(path) == "submission.json occurs 2 times"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_a_zip_are_refused(packed, kind):
    member = zipfile.ZipInfo("submission.json")
    member.external_attr = (kind | 0o644) << 16
    message = refusal(packed([(member, b"/etc/passwd")]))
    assert message == "submission.json is a link, a folder or a device, not a file"


def test_links_and_pipes_in_a_folder_are_refused(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (folder / "submission.json").symlink_to(secret)
    os.mkfifo(folder / "predictions.jsonl")
    (folder / "seed-1.jsonl").mkdir()
    message = refusal(folder)
    for name in ("submission.json", "predictions.jsonl", "seed-1.jsonl"):
        assert f"{name} is a link, a folder or a device, not a file" in message


@pytest.mark.parametrize(
    "swap", [lambda path, to: path.symlink_to(to), lambda path, _: os.mkfifo(path)]
)
def test_a_file_that_becomes_a_link_or_a_pipe_is_not_read(tmp_path, swap):
    folder = tmp_path / "s"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    path = folder / "submission.json"
    path.write_text("{}")
    with open_submission(folder) as files:
        path.unlink()
        swap(path, tmp_path / "secret")
        with pytest.raises(Refused, match=r"submission.json cannot be read \("):
            files.read("submission.json", LIMIT)


def test_an_encrypted_member_is_refused(packed):
    path = packed(GOOD.items())
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    assert refusal(path) == "submission.json is encrypted: pack it without a password"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing_are_refused(packed, method):
    message = refusal(packed(GOOD.items(), method))
    assert (
        f"submission.json is compressed with method {method}: use deflate, the default" in message
    )


def test_a_bomb_is_stopped_at_the_ratio(packed):
    path = packed([("predictions.jsonl", b" " * 50_000_000)])
    message = "predictions.jsonl has a compression ratio above 100: not accepted"
    assert refusal(path, limit=10**9) == message
    assert peak_memory(path, limit=10**9) < 20_000_000


@pytest.mark.parametrize(
    ("field", "lie", "said"),
    [
        (0, 2**31, tuple(f"predictions.jsonl cannot be read ({why}" for why in OVERLAPPING)),
        (0, 9, "predictions.jsonl cannot be read ("),
        (4, 2**31, "predictions.jsonl has a compression ratio above 100"),
        (4, 9, "predictions.jsonl cannot be read (Bad CRC-32"),
        (4, 0, "predictions.jsonl cannot be read (Bad CRC-32"),
    ],
)
def test_a_bomb_that_lies_about_its_sizes_is_refused(packed, field, lie, said):
    path = packed([("predictions.jsonl", b" " * 20_000_000)])
    data = bytearray(path.read_bytes())
    # Packed size, then unpacked size: in the member's own header and in the list of members.
    for signature, offset in ((b"PK\x03\x04", 18), (b"PK\x01\x02", 20)):
        struct.pack_into("<I", data, data.index(signature) + offset + field, lie)
    path.write_bytes(data)
    assert refusal(path).startswith(said)


def test_the_limits_hold_for_a_folder_as_well(tmp_path, monkeypatch):
    folder = tmp_path / "s"
    folder.mkdir()
    for name in ("seed-0.jsonl", "seed-1.jsonl"):
        (folder / name).write_bytes(b"x" * 70_000)
    assert "seed-0.jsonl is too large: the limit is 69,999 bytes" in refusal(
        folder, 69_999
    ).replace("-1", "-0")
    monkeypatch.setattr(submission_files, "LARGEST_TOTAL", 139_999)
    assert refusal(folder) == "the files have more than 139,999 bytes: submit fewer seeds"


@pytest.mark.parametrize("counted", [100_000 % 2**16, 1])
def test_a_hundred_thousand_members_are_refused_before_they_are_listed(packed, counted):
    data = packed([("submission.json", b"{}")]).read_bytes()
    listed, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    many = data[listed:end] * 100_000
    last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, counted, counted, len(many), listed, 0)
    path = packed([])
    path.write_bytes(data[:listed] + many + last)
    assert refusal(path) == (
        f"the file is not a readable zip (it lists far more than {MOST_FILES} files): {REMEDY}"
    )
    assert peak_memory(path) < 20_000_000  # listed, they would take more than twice as much


def test_a_few_members_too_many_are_refused(packed, tmp_path):
    names = [f"seed-{number}.jsonl" for number in range(MOST_FILES + 1)]
    message = refusal(packed([(name, b"") for name in names]))
    assert message.startswith(f"more than {MOST_FILES} files: a submission contains")
    folder = tmp_path / "s"
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    assert refusal(folder) == message


def test_what_is_reported_of_many_wrong_files_is_short(packed):
    with pytest.raises(Refused) as caught:
        contents(packed([(f"{number}.txt", b"") for number in range(50)]))
    assert len(caught.value.problems) == 21
    assert caught.value.problems[-1] == "and 30 more"


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "s.zip"
    with path.open("wb") as file:
        file.truncate(LARGEST_ARCHIVE + 1)
    assert refusal(path).startswith("the file is too large: the limit is 67,108,864 bytes")


@pytest.mark.parametrize("content", [b"", b"PK", b"hello", b"\x1f\x8b\x08" + bytes(99)])
def test_what_is_no_zip_is_refused(tmp_path, content):
    path = tmp_path / "s.zip"
    path.write_bytes(content)
    assert refusal(path) == f"the file is not a readable zip (File is not a zip file): {REMEDY}"


def test_what_is_not_there_is_wrong_use(tmp_path):
    with pytest.raises(
        UsageError, match=r"no submission .*none.zip: give a folder or zip that contains"
    ):
        contents(tmp_path / "none.zip")


def test_any_byte_changed_is_refused_or_read_within_the_limits(packed):
    path = packed(GOOD.items())
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bits in (0x01, 0x80, 0xFF):
            changed = bytearray(whole)
            changed[place] ^= bits
            path.write_bytes(changed)
            try:
                assert set(contents(path)) <= set(GOOD)
            except Refused as error:
                assert str(error).isprintable()


@pytest.mark.parametrize("length", range(0, 300, 7))
def test_a_zip_that_was_cut_is_refused(packed, length):
    path = packed(GOOD.items())
    path.write_bytes(path.read_bytes()[:-length] if length else b"")
    assert "the file is not a readable zip" in refusal(path)


def test_a_stream_that_ends_early_is_refused(packed):
    member = io.BytesIO()
    with zipfile.ZipFile(member, "w") as archive:
        archive.writestr("submission.json", zlib.compress(b"x" * 99)[2:20])
    data = bytearray(member.getvalue())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        struct.pack_into("<H", data, data.index(signature) + offset, zipfile.ZIP_DEFLATED)
    path = packed([])
    path.write_bytes(data)
    assert refusal(path).startswith("submission.json cannot be read (")
