import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hsal_bench.errors import UsageError
from hsal_bench.generators.svhn.archive import read_members

Member = tuple[str, bytes, dict[str, object]]

FILES = {"a/1": b"one" * 300, "a/2": b"", "b": bytes(range(256)) * 40}


def tar(*members: Member, form: int = tarfile.GNU_FORMAT) -> bytes:
    """Return a .tar of members (name, content, what its header says otherwise)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content, changes in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for field, value in changes.items():
                setattr(member, field, value)
            archive.addfile(member, io.BytesIO(content) if content else None)
    return buffer.getvalue()


WHOLE = tar(*((name, content, {}) for name, content in FILES.items()))
END = len(WHOLE.rstrip(b"\0")) + 511 & ~511


def header(kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo("x")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def read(path: Path, content: bytes) -> dict[str, bytes]:
    path.write_bytes(content)
    return dict(read_members(path, lambda name: 1 << 20))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.tar.gz"


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_files_come_in_their_order(path: Path, form: int) -> None:
    files = {**FILES, "d/" * 60 + "é" * 20: b"a long name"}
    content = tar(*((name, content, {}) for name, content in files.items()), form=form)
    found = read(path, gzip.compress(content))
    assert list(found.items()) == list(files.items())


def test_what_is_not_wanted_is_passed_by(path: Path) -> None:
    path.write_bytes(gzip.compress(WHOLE))
    assert [name for name, _ in read_members(path, {"b": 1 << 20}.get)] == ["b"]
    assert list(read_members(path, lambda name: None)) == []


def test_an_archive_packed_in_many_parts_and_padded_is_read(path: Path) -> None:
    parts = [gzip.compress(WHOLE[at : at + 100]) for at in range(0, len(WHOLE), 100)]
    assert read(path, b"".join(parts) + bytes(700)) == FILES


def test_a_folder_may_tell_of_a_size_and_has_no_content(path: Path) -> None:
    folder = ("a", b"", {"type": tarfile.DIRTYPE, "size": 4096})
    members = [(name, content, {}) for name, content in FILES.items()]
    assert read(path, gzip.compress(tar(folder, *members))) == FILES


def test_a_file_over_its_limit_is_refused_before_it_is_read(path: Path) -> None:
    # Were it read, its content would be missed.
    path.write_bytes(gzip.compress(header(tarfile.REGTYPE, 10**12)))
    with pytest.raises(UsageError, match=r"x has 1,000,000,000,000 bytes, more than 1,000"):
        list(read_members(path, lambda name: 1000))


NEGATIVE = header(tarfile.REGTYPE, -512)
PAX_NEGATIVE = tar(("x", b"", {"pax_headers": {"size": "-512"}}), form=tarfile.PAX_FORMAT)
LONG_NAME = header(tarfile.GNUTYPE_LONGNAME, 1 << 30)
LONG_PAX = header(tarfile.XHDTYPE, 1 << 30)
FOLDER = header(tarfile.DIRTYPE, 1 << 30)
CHAIN = (header(tarfile.XHDTYPE, 0)) * 3000
CHANGED = WHOLE[:2048] + b"?" + WHOLE[2049:]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (NEGATIVE, "claims -512 bytes"),
        (PAX_NEGATIVE, "x has -512 bytes"),
        (LONG_NAME, "kind b'L' claims 1,073,741,824 bytes"),
        (LONG_PAX, "kind b'x' claims 1,073,741,824 bytes"),
        (FOLDER, "kind b'5' claims 1,073,741,824 bytes"),
        (header(tarfile.GNUTYPE_SPARSE, 0), "a sparse file"),
        (CHAIN + WHOLE, "recursion"),
        (WHOLE[:1536], "empty header: the archive is damaged"),
        (WHOLE[:END], "empty header: the archive is damaged"),
        (WHOLE[:1700], "truncated header: the archive is damaged"),
        (WHOLE[:1024], "unexpected end of data"),
        (WHOLE[:1536] + b"garbage!" * 64 + WHOLE[1536:], "invalid header"),
        (CHANGED, "bad checksum"),
        (WHOLE + WHOLE, "data after the archive's end"),
        (WHOLE + b"garbage", "data after the archive's end"),
        (b"", "empty"),
    ],
)
def test_a_broken_archive_is_refused(path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(
        UsageError, match=r"cannot read .*some.tar.gz \(.+\): use the complete"
    ) as e:
        read(path, gzip.compress(content))
    assert reason in str(e.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda packed: packed + packed, "data after the archive's end"),
        (lambda packed: packed[:-20], "ended before"),
        (lambda packed: packed[:-8] + b"\0\0\0\0" + packed[-4:], "CRC"),
        (lambda packed: packed + b"garbage", "Not a gzipped file"),
        (lambda packed: b"plain", "Not a gzipped file"),
    ],
)
def test_a_broken_gzip_is_refused(
    path: Path, change: Callable[[bytes], bytes], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        read(path, change(gzip.compress(WHOLE)))


def test_a_consumer_that_stops_has_read_no_further(path: Path) -> None:
    path.write_bytes(gzip.compress(WHOLE)[:-20])
    members = read_members(path, lambda name: 1 << 20)
    assert next(members) == ("a/1", FILES["a/1"])
    members.close()  # type: ignore[attr-defined]


def test_an_archive_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(UsageError, match=r"some.tar.gz \(No such file or directory\)"):
        list(read_members(path, lambda name: None))
