"""State files: every change of a byte is noticed, and older files are read."""

import numpy as np
import pytest
import torch

from hsal_bench.training import states
from hsal_bench.training.states import DamagedState

STATE = {"a": torch.arange(1000.0), "b": {"c": 3, "d": "text"}}


@pytest.fixture
def path(tmp_path):
    states.write(tmp_path / "state.pt", STATE)
    return tmp_path / "state.pt"


def test_a_state_is_read_back(path):
    state, sha256 = states.read(path)
    assert torch.equal(state["a"], STATE["a"])
    assert state["b"] == STATE["b"]
    assert sha256 == states.write(path, STATE)
    assert torch.equal(torch.load(path, weights_only=True)["a"], STATE["a"])


@pytest.mark.parametrize("place", np.linspace(0, 0.999, 40).tolist())
def test_a_changed_byte_is_noticed(path, place):
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedState, match=r"state\.pt"):
        states.read(path)


@pytest.mark.parametrize("size", [0, 1, 100, -1, -60])
def test_a_cut_file_is_noticed(path, size):
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DamagedState, match=r"state\.pt"):
        states.read(path)


def test_a_file_without_a_hash_is_of_an_older_version(path):
    torch.save(STATE, path)
    assert torch.equal(states.read(path)[0]["a"], STATE["a"])


def test_a_state_that_was_loaded_and_saved_again_is_refused(path):
    state = torch.load(path, weights_only=True)
    state["a"][0] = 7
    torch.save(state, path)
    with pytest.raises(DamagedState, match="was changed: its hash is missing"):
        states.read(path)
    states.write(path, {"a": torch.ones(1)}, sealed=False)
    torch.save(torch.load(path, weights_only=True), path)
    assert states.read(path)[0] == {"a": 1.0}


def test_more_than_plain_values_is_refused(path):
    torch.save({"a": np.float64(1)}, path)
    with pytest.raises(DamagedState, match="more than tensors and plain values"):
        states.read(path)
    with pytest.raises(DamagedState, match="No such file"):
        states.read(path.with_name("other.pt"))
