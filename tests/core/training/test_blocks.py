"""Arrays written block by block: the same file however often the work was stopped."""

import os

import numpy as np
import pytest

from hsal_bench.training.blocks import ROWS, is_intact, write_blocks

ROWS_IN_ALL = 3 * ROWS + 5
IDENTITY = {"split": "train"}
ARRAY = np.arange(ROWS_IN_ALL * 6, dtype=np.float16).reshape(ROWS_IN_ALL, 2, 3)


class StoppedError(Exception):
    """Stands for the end of a process."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "train.npy"


def _write(path, stop_at=None, rows=ROWS_IN_ALL, array=ARRAY):
    """Write the array, or as far as row `stop_at`; return the blocks that were computed."""
    computed = []

    def compute(start, stop):
        if start == stop_at:
            raise StoppedError
        computed.append(start // ROWS)
        return array[start:stop]

    try:
        write_blocks(path, rows, compute, IDENTITY)
    except StoppedError:
        assert not path.exists()
    return computed


def test_the_file_is_the_array(path):
    assert _write(path) == [0, 1, 2, 3]
    assert np.array_equal(np.load(path), ARRAY)
    assert sorted(path.parent.iterdir()) == [path, path.with_name("train.npy.json")]
    assert is_intact(path, ROWS_IN_ALL, IDENTITY)


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_a_stopped_write_resumes_after_the_blocks_it_has(path, blocks):
    assert _write(path, stop_at=blocks * ROWS) == list(range(blocks))
    assert _write(path) == list(range(blocks, 4))
    assert np.array_equal(np.load(path), ARRAY)


def _cut(content):
    return content[:-7]


def _flip(content):
    """Change a byte of the second block."""
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize(("damage", "intact"), [(_cut, 2), (_flip, 1), (lambda content: b"", 0)])
def test_a_damaged_block_and_those_after_it_are_computed_again(path, damage, intact):
    _write(path, stop_at=3 * ROWS)
    part = path.with_name("train.npy.part")
    part.write_bytes(damage(part.read_bytes()))
    assert _write(path) == list(range(intact, 4))
    assert np.array_equal(np.load(path), ARRAY)


def test_the_part_of_an_array_of_another_length_is_dropped(path):
    _write(path, stop_at=ROWS)
    assert _write(path, rows=ROWS + 1) == [0, 1]
    assert np.array_equal(np.load(path), ARRAY[: ROWS + 1])


def test_progress_counts_rows(path):
    done = []
    write_blocks(path, ROWS_IN_ALL, lambda start, stop: ARRAY[start:stop], IDENTITY, done.append)
    assert done == [ROWS, 2 * ROWS, 3 * ROWS, ROWS_IN_ALL]


def _swap(content):
    """Exchange the first two rows."""
    rows = content[-ROWS_IN_ALL * 12 :]
    return content[: -ROWS_IN_ALL * 12] + rows[12:24] + rows[:12] + rows[24:]


@pytest.mark.parametrize(
    ("damage", "intact"),
    [
        (_flip, 1),
        (_swap, 0),
        (lambda content: content[: -ROWS * 12] + bytes(ROWS * 12), 2),
        (_cut, 3),
        (lambda content: content + b"x", 4),
        (lambda content: content.replace(b"<f2", b"<i2"), 0),
        (lambda content: content.replace(b"2, 3)", b"3, 2)"), 0),
        (lambda content: b"", 0),
    ],
)
def test_a_damaged_array_is_noticed_and_computed_again_from_the_damage_on(path, damage, intact):
    _write(path)
    path.write_bytes(damage(path.read_bytes()))
    assert not is_intact(path, ROWS_IN_ALL, IDENTITY)
    assert _write(path) == list(range(intact, 4))
    assert is_intact(path, ROWS_IN_ALL, IDENTITY)
    assert np.array_equal(np.load(path), ARRAY)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"identity": {"split": "train"}}'])
def test_an_array_without_its_hashes_is_not_trusted(path, content):
    _write(path)
    path.with_name("train.npy.json").write_bytes(content)
    assert not is_intact(path, ROWS_IN_ALL, IDENTITY)


@pytest.mark.parametrize("name", ["train.npy", "train.npy.json", "train.npy.part"])
def test_a_pipe_in_place_of_a_file_does_not_block(path, name):
    _write(path)
    path.with_name(name).unlink(missing_ok=True)
    os.mkfifo(path.with_name(name))
    assert is_intact(path, ROWS_IN_ALL, IDENTITY) == (name == "train.npy.part")
    if name != "train.npy.part":
        write_blocks(path, ROWS_IN_ALL, lambda start, stop: ARRAY[start:stop], IDENTITY)
    assert np.array_equal(np.load(path), ARRAY)


def test_an_array_of_somebody_else_behind_a_link_stays_as_it_is(path, tmp_path):
    other = tmp_path / "other.npy"
    np.save(other, -ARRAY)
    before = other.read_bytes()
    path.symlink_to(other)
    _write(path)
    assert np.array_equal(np.load(path), ARRAY)
    assert other.read_bytes() == before


def test_an_array_of_another_identity_is_computed_again(path):
    _write(path)
    other = {"split": "valid"}
    assert not is_intact(path, ROWS_IN_ALL, other)
    write_blocks(path, ROWS_IN_ALL, lambda start, stop: -ARRAY[start:stop], other)
    assert np.array_equal(np.load(path), -ARRAY)
