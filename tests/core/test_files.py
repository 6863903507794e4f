from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from hsal_bench.errors import UsageError
from hsal_bench.files import remembered, replacing, writable_folder, write_text


def test_the_new_content_is_there_at_the_end_only(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "x.json"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_written_as_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "x.txt", "κ")
    assert (tmp_path / "x.txt").read_bytes() == "κ".encode()


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert writable_folder(folder) == folder
    assert writable_folder(folder) == folder
    assert list(folder.iterdir()) == []


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(UsageError, match=r"cannot write to .*a \(.*exists.*\): use another folder"):
        writable_folder(tmp_path / "a")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UsageError, match="Permission denied"):
            writable_folder(tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_a_fact_about_a_file_is_computed_again_when_the_file_changes(tmp_path: Path) -> None:
    path, computed = tmp_path / "x", []

    def size() -> int:
        computed.append(path.stat().st_size)
        return computed[-1]

    def write(text: str, changed: float) -> None:
        path.write_text(text)
        os.utime(path, (changed, changed))

    write("abc", 1_000)
    assert [remembered([path], "size", size), remembered([path], "size", size)] == [3, 3]
    assert computed == [3]
    assert remembered([path], "another fact", size) == 3
    write("abcd", 1_000)
    assert remembered([path], "size", size) == 4
    assert computed == [3, 3, 4]
    other = tmp_path / "y"
    shutil.copy2(path, other)
    other.replace(path)  # another file with the same size and time
    assert remembered([path], "size", size) == 4
    assert computed == [3, 3, 4, 4]


def test_a_fact_about_a_file_that_has_just_changed_is_not_kept(tmp_path: Path) -> None:
    path, computed = tmp_path / "x", []
    path.touch()
    os.utime(path, (2**33, 2**33))  # long after now
    for _ in range(2):
        remembered([path], "size", lambda: computed.append(path))
    assert len(computed) == 2
