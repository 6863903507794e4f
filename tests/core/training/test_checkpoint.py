"""Checkpoints and best states that are damaged or of a different training are not used."""

import shutil

import numpy as np
import pytest
from torch import nn

from hsal_bench.errors import UsageError
from hsal_bench.method.validate import Breach
from hsal_bench.training import checkpoint, states
from hsal_bench.training.states import DamagedState


def test_a_checkpoint_of_a_method_that_has_changed_is_refused_and_kept(toy, folder):
    class Grown(toy.Method):
        def build_network(self) -> nn.Module:
            return nn.Sequential(super().build_network(), nn.Linear(3, 3))

    toy.train()
    before = (folder / "checkpoint.pt").read_bytes()
    with pytest.raises(UsageError, match=r"does not fit the current Grown \(.*: --restart starts"):
        toy.train(toy.method(Grown))
    assert (folder / "checkpoint.pt").read_bytes() == before


def test_a_checkpoint_of_another_run_is_refused_and_kept(toy, folder):
    mine, other = ({"seed": 0, "config": {"hidden": n, "sizes": (1, 2)}} for n in (8, 9))
    toy.train(identity=mine)
    before = (folder / "checkpoint.pt").read_bytes()
    toy.train(identity=mine)
    with pytest.raises(
        UsageError, match=r"belongs to another run \(config\.hidden 8, not 9\): use another"
    ):
        toy.train(identity=other)
    assert (folder / "checkpoint.pt").read_bytes() == before


def test_a_resumed_run_adds_its_cpu_time(toy):
    first = toy.train(updates=8)
    second = toy.train(updates=12)
    assert 0 < first.cpu_seconds < second.cpu_seconds


def test_without_the_cpu_time_of_a_part_that_of_the_whole_is_unknown(toy, folder):
    toy.train(updates=8)
    state, _ = states.read(folder / "checkpoint.pt")
    del state["run"]["cpu_seconds"]
    states.write(folder / "checkpoint.pt", state)
    assert toy.train(updates=12).cpu_seconds is None


def test_restart_forgets(toy, folder):
    toy.train(identity={"seed": 1})
    checkpoint.remove(folder)
    assert len(toy.train(identity={"seed": 2}).curve) == 4
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 4


def test_a_damaged_checkpoint_is_one_clear_line(toy, folder):
    folder.mkdir()
    (folder / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(
        UsageError, match=r"checkpoint\.pt is not a torch file.*: delete the folder"
    ):
        toy.train()


def _flip(content):
    content[len(content) // 2] ^= 1


@pytest.mark.parametrize("damage", [_flip, lambda content: content.clear()])
@pytest.mark.parametrize("name", ["best.pt", "checkpoint.pt"])
def test_damaged_states_are_not_used(toy, folder, name, damage):
    toy.train()
    content = bytearray((folder / name).read_bytes())
    damage(content)
    (folder / name).write_bytes(content)
    with pytest.raises(DamagedState, match=f"{name}.*: delete the folder {folder} to train"):
        toy.train()


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"updates": 8}, {"updates": 4}], ids=["seed", "budget", "earlier state"]
)
def test_the_best_state_of_another_training_is_not_used(toy, folder, other):
    toy.train()
    toy.train(folder="other", **other, identity={"seed": 0, "other": str(other)})
    shutil.copy(folder.with_name("other") / "best.pt", folder / "best.pt")
    with pytest.raises(DamagedState, match=r"best\.pt is not the state of update \d+ that"):
        toy.train()


def test_a_state_that_cannot_be_read_back_is_found_at_the_start(toy, folder, monkeypatch):
    method = toy.method()
    plain, write, written = method.state_dict, states.write, []
    method.state_dict = lambda: plain() | {"step": np.float64(3)}
    monkeypatch.setattr(states, "write", lambda *a: written.append(sorted(a[1])) or write(*a))
    with pytest.raises(Breach, match=r"state_dict returned 'step' \(float64\), which torch.load"):
        toy.train(method)
    assert written == [["identity", "method", "score", "update"]]
    assert not (folder / "best.pt").exists()
