"""Arrays written block by block: the same file however often the work was stopped."""

import numpy as np
import pytest

from hsal_bench.training.blocks import ROWS, write_blocks

ROWS_IN_ALL = 3 * ROWS + 5
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
        write_blocks(path, rows, compute)
    except StoppedError:
        assert not path.exists()
    return computed


def test_the_file_is_the_array(path):
    assert _write(path) == [0, 1, 2, 3]
    assert np.array_equal(np.load(path), ARRAY)
    assert list(path.parent.iterdir()) == [path]


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
    write_blocks(path, ROWS_IN_ALL, lambda start, stop: ARRAY[start:stop], done.append)
    assert done == [ROWS, 2 * ROWS, 3 * ROWS, ROWS_IN_ALL]
