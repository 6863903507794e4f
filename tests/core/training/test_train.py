"""Training: exact resume, selection on the validation split, failures that keep what was good."""

import dataclasses
import json
import math
import os
import shutil
import signal
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hsal_bench.errors import UsageError
from hsal_bench.interrupts import SIGNALS, terminate_like_ctrl_c
from hsal_bench.method.contract import Batch, Prediction, Setup, Task
from hsal_bench.method.gradient import GradientConfig, GradientMethod, cosine
from hsal_bench.method.validate import Breach
from hsal_bench.options import option
from hsal_bench.training import checkpoint, states
from hsal_bench.training import evaluate as evaluation
from hsal_bench.training import train as training
from hsal_bench.training.batches import ExampleSet, training_batches
from hsal_bench.training.presets import Budget
from hsal_bench.training.states import DamagedState

CLASSES = 3
BUDGET = Budget(updates=12, batch_size=8, eval_every=4)
IDENTITY = {"seed": 0}


@dataclass(frozen=True)
class ToyConfig(GradientConfig):
    learning_rate: float = option(0.05, "step size")
    noise: float = option(0.1, "noise on the inputs")
    diverge_at: int | None = option(None, "update whose loss is not a number")


class Toy(GradientMethod):
    """Counts from the mean of each channel, by least squares; its loss draws random numbers."""

    Config = ToyConfig

    def build_network(self) -> nn.Module:
        return nn.Linear(self.task.input_shape[0], self.task.num_classes)

    def loss(self, batch: Batch) -> dict[str, torch.Tensor]:
        counts, _ = batch.truth()
        x = batch.inputs.mean((2, 3))
        x = x + self.config.noise * torch.randn(x.shape, generator=self.generator)
        loss = (self.network(x) - counts).square().mean()
        return {"loss": loss * (torch.nan if self.updates_done == self.config.diverge_at else 1.0)}

    def predict(self, batch: Batch, *, trace: bool = False) -> Prediction:
        with torch.no_grad():
            counts = self.network(batch.inputs.mean((2, 3))).round().clamp_min(0)
        return Prediction(counts.long())


def _set(n: int, seed: int) -> ExampleSet:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (n, 2), generator=generator)
    counts = nn.functional.one_hot(labels, CLASSES).sum(1)
    inputs = counts.view(n, CLASSES, 1, 1).half()
    return ExampleSet(inputs, counts, labels, torch.zeros(n, 2, 4, dtype=int), (8, 8))


DATA = {"train": _set(40, 0), "valid": _set(20, 1), "test": _set(20, 2)}


def _toy(**settings: Any) -> Toy:
    setup = Setup(torch.device("cpu"), 0, BUDGET.updates)
    return Toy(Task(CLASSES, 2, (CLASSES, 1, 1)), ToyConfig(**settings), setup)


def _weights(method: Toy) -> list[float]:
    return torch.cat([p.flatten() for p in method.network.parameters()]).tolist()


class KilledError(Exception):
    """Stands for the signal that ends a process."""


def _kill_at(update: int):
    def report(done: int, status: str, validated: bool) -> None:
        if done == update:
            raise KilledError

    return report


@pytest.mark.parametrize("killed_at", [2, 4, 7, 11, 12])
def test_a_killed_run_ends_bit_for_bit_as_an_uninterrupted_one(tmp_path, killed_at):
    whole = _toy()
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    expected = training.train(whole, DATA, BUDGET, 0, tmp_path / "whole", IDENTITY)
    with pytest.raises(KilledError):
        training.train(_toy(), DATA, BUDGET, 0, tmp_path / "killed", IDENTITY, _kill_at(killed_at))
    resumed = _toy()
    got = training.train(resumed, DATA, BUDGET, 0, tmp_path / "killed", IDENTITY)
    assert _weights(resumed) == _weights(whole)
    assert got.curve == expected.curve
    logs = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "killed")]
    assert logs[0] == logs[1]


@pytest.fixture
def signals_as_in_the_command_line():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    terminate_like_ctrl_c()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stop_at", [0, 1, 3, 4, 6, 12])
def test_a_signal_leaves_a_checkpoint_of_the_moment(
    tmp_path, stop_at, number, signals_as_in_the_command_line
):
    """At any update, and within the evaluations at updates 0, 4 and 12."""
    whole, stopped, resumed = _toy(), _toy(), _toy()
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()
    expected = training.train(whole, DATA, BUDGET, 0, tmp_path / "whole", IDENTITY)
    call = "predict" if stop_at % 4 == 0 else "update"
    plain = getattr(stopped, call)

    def send(*arguments, **options):
        if stopped.updates_done == stop_at - (call == "update"):
            os.kill(os.getpid(), number)
        return plain(*arguments, **options)

    setattr(stopped, call, send)
    with pytest.raises(KeyboardInterrupt):
        training.train(stopped, DATA, BUDGET, 0, tmp_path / "stopped", IDENTITY)
    found = checkpoint.find(tmp_path / "stopped")
    assert (found.update if found else 0) == stopped.updates_done == stop_at
    got = training.train(resumed, DATA, BUDGET, 0, tmp_path / "stopped", IDENTITY)
    assert _weights(resumed) == _weights(whole)
    assert got.curve == expected.curve


def test_slices_that_end_within_every_evaluation_get_to_the_end(tmp_path, monkeypatch):
    """Each has time for one batch of an evaluation, and is stopped within the next."""
    monkeypatch.setattr(evaluation, "BATCH_SIZE", 8)  # three batches
    monkeypatch.setattr(evaluation, "KEEP_AFTER", -1.0)
    whole, sliced = tmp_path / "whole", tmp_path / "sliced"
    whole.mkdir()
    sliced.mkdir()
    expected = _toy()
    run = training.train(expected, DATA, BUDGET, 0, whole, IDENTITY)
    stops = 0
    while True:
        method = _toy()
        predict, predicted = method.predict, []

        def stop_at_the_second(batch, predict=predict, predicted=predicted, **options):
            predicted.append(batch)
            if len(predicted) == 2:
                raise KeyboardInterrupt
            return predict(batch, **options)

        method.predict = stop_at_the_second
        try:
            got = training.train(method, DATA, BUDGET, 0, sliced, IDENTITY)
            break
        except KeyboardInterrupt:
            stops += 1
            assert stops < 20
    assert stops == 3 * 4 - 1  # the last slice has the last batch alone
    assert _weights(method) == _weights(expected)
    assert got.curve == run.curve
    assert (sliced / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()
    assert not (sliced / "evaluation.pt").exists()


@pytest.mark.parametrize(("update", "predicted"), [(1, [4]), (2, [8, 8, 4])])
def test_batches_of_another_evaluation_are_predicted_again(
    tmp_path, monkeypatch, update, predicted
):
    monkeypatch.setattr(evaluation, "BATCH_SIZE", 8)
    monkeypatch.setattr(evaluation, "KEEP_AFTER", -1.0)
    method = _toy()
    predict, sizes = method.predict, []

    def counted(batch, **options):
        sizes.append(len(batch.inputs))
        if len(sizes) == 3:
            raise KeyboardInterrupt
        return predict(batch, **options)

    method.predict = counted
    with pytest.raises(KeyboardInterrupt):
        evaluation.evaluate(method, DATA["valid"], tmp_path, {"update": 1})
    sizes[:] = [0, 0, 0]
    evaluation.evaluate(method, DATA["valid"], tmp_path, {"update": update})
    assert sizes[3:] == predicted


def test_a_second_signal_does_not_save_half_an_update(tmp_path, signals_as_in_the_command_line):
    whole, stopped, resumed = _toy(), _toy(), _toy()
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()
    expected = training.train(whole, DATA, BUDGET, 0, tmp_path / "whole", IDENTITY)
    plain = stopped.loss

    def send_twice(batch):
        if stopped.updates_done == 6:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(batch)

    stopped.loss = send_twice
    with pytest.raises(KeyboardInterrupt):
        training.train(stopped, DATA, BUDGET, 0, tmp_path / "stopped", IDENTITY)
    assert checkpoint.find(tmp_path / "stopped").update == 4
    got = training.train(resumed, DATA, BUDGET, 0, tmp_path / "stopped", IDENTITY)
    assert _weights(resumed) == _weights(whole)
    assert got.curve == expected.curve


def test_a_stop_stays_a_stop_if_nothing_can_be_saved(
    tmp_path, monkeypatch, capsys, signals_as_in_the_command_line
):
    method = _toy()

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    def stop(done, status, validated):
        if done == 6:
            monkeypatch.setattr(checkpoint, "save", fail)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        training.train(method, DATA, BUDGET, 0, tmp_path, IDENTITY, stop)
    assert "no checkpoint of update 6: [Errno 28] No space left" in capsys.readouterr().err


def test_a_killed_run_loses_little(tmp_path, monkeypatch):
    """Not even what came after the last evaluation."""
    whole, resumed = _toy(), _toy()
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    expected = training.train(whole, DATA, BUDGET, 0, tmp_path / "whole", IDENTITY)
    monkeypatch.setattr(training, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(training, "SAVE_SHARE", math.inf)
    with pytest.raises(KilledError):
        training.train(_toy(), DATA, BUDGET, 0, tmp_path / "killed", IDENTITY, _kill_at(7))
    assert checkpoint.find(tmp_path / "killed").update > 4
    got = training.train(resumed, DATA, BUDGET, 0, tmp_path / "killed", IDENTITY)
    assert _weights(resumed) == _weights(whole)
    assert got.curve == expected.curve


def test_a_checkpoint_is_never_of_a_diverged_state(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(training, "SAVE_SHARE", math.inf)
    with pytest.raises(training.Diverged, match="loss is nan between updates 4 and 5"):
        training.train(_toy(diverge_at=5), DATA, BUDGET, 0, tmp_path, IDENTITY)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["run"]["update"] == 4
    assert all(torch.isfinite(v).all() for v in state["method"]["network"].values())


def test_the_curve_starts_at_update_0_and_has_every_evaluation(tmp_path):
    run = training.train(_toy(), DATA, BUDGET, 0, tmp_path, IDENTITY)
    assert [line["update"] for line in run.curve] == [0, 4, 8, 12]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == run.curve


def test_the_last_updates_are_evaluated_when_the_interval_does_not_divide(tmp_path):
    run = training.train(_toy(), DATA, Budget(10, 8, 4), 0, tmp_path, IDENTITY)
    assert [line["update"] for line in run.curve] == [0, 4, 8, 10]


def test_the_best_state_on_the_validation_split_is_kept(tmp_path):
    method = _toy(learning_rate=0.3)
    run = training.train(method, DATA, BUDGET, 0, tmp_path, IDENTITY)
    scores = {line["update"]: line["valid_exact_match"] for line in run.curve}
    assert run.best_score == max(scores.values())
    assert method.updates_done == run.best_update == max(scores, key=scores.get)


def test_a_checkpoint_of_a_method_that_has_changed_is_refused_and_kept(tmp_path):
    class Grown(Toy):
        def build_network(self) -> nn.Module:
            return nn.Sequential(super().build_network(), nn.Linear(CLASSES, CLASSES))

    toy = _toy()
    training.train(toy, DATA, BUDGET, 0, tmp_path, IDENTITY)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    grown = Grown(toy.task, toy.config, toy.setup)
    with pytest.raises(UsageError, match=r"does not fit the current Grown \(.*: --restart starts"):
        training.train(grown, DATA, BUDGET, 0, tmp_path, IDENTITY)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_a_checkpoint_of_another_run_is_refused_and_kept(tmp_path):
    identity = {"seed": 0, "config": {"hidden": 8, "sizes": (1, 2)}}
    training.train(_toy(), DATA, BUDGET, 0, tmp_path, identity)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    training.train(_toy(), DATA, BUDGET, 0, tmp_path, identity)
    other = {"seed": 0, "config": {"hidden": 9, "sizes": (1, 2)}}
    with pytest.raises(
        UsageError, match=r"belongs to another run \(config\.hidden 8, not 9\): use another"
    ):
        training.train(_toy(), DATA, BUDGET, 0, tmp_path, other)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_a_damaged_checkpoint_is_one_clear_line(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(
        UsageError, match=r"checkpoint\.pt is not a torch file.*: delete the folder"
    ):
        training.train(_toy(), DATA, BUDGET, 0, tmp_path, IDENTITY)


def _flip(content):
    content[len(content) // 2] ^= 1


@pytest.mark.parametrize("damage", [_flip, lambda content: content.clear()])
@pytest.mark.parametrize("name", ["best.pt", "checkpoint.pt"])
def test_damaged_states_are_not_used(tmp_path, name, damage):
    training.train(_toy(), DATA, BUDGET, 0, tmp_path, IDENTITY)
    content = bytearray((tmp_path / name).read_bytes())
    damage(content)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DamagedState, match=f"{name}.*: delete the folder {tmp_path} to train"):
        training.train(_toy(), DATA, BUDGET, 0, tmp_path, IDENTITY)


@pytest.mark.parametrize("other", ["another seed", "another budget", "an earlier state"])
def test_the_best_state_of_another_training_is_not_used(tmp_path, other):
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    for folder in (run, elsewhere):
        folder.mkdir()
    training.train(_toy(), DATA, BUDGET, 0, run, IDENTITY)
    seed = 1 if other == "another seed" else 0
    updates = 4 if other == "an earlier state" else 8 if other == "another budget" else 12
    budget = dataclasses.replace(BUDGET, updates=updates)
    training.train(_toy(), DATA, budget, seed, elsewhere, IDENTITY | {"other": other})
    shutil.copy(elsewhere / "best.pt", run / "best.pt")
    with pytest.raises(DamagedState, match=r"best\.pt is not the state of update \d+ that"):
        training.train(_toy(), DATA, BUDGET, 0, run, IDENTITY)


def test_a_state_that_cannot_be_read_back_is_found_at_the_start(tmp_path):
    method = _toy()
    plain = method.state_dict
    method.state_dict = lambda: plain() | {"step": np.float64(3)}
    with pytest.raises(Breach, match=r"state_dict returned 'step' \(float64\), which torch.load"):
        training.train(method, DATA, BUDGET, 0, tmp_path, IDENTITY)
    assert not (tmp_path / "best.pt").exists()
    assert method.network is not None


def test_the_best_state_is_written_once_or_not_at_all(tmp_path, monkeypatch):
    method = _toy()
    plain, written = method.state_dict, []
    method.state_dict = lambda: plain() | {"step": np.float64(3)}
    write = states.write
    monkeypatch.setattr(states, "write", lambda *a: written.append(sorted(a[1])) or write(*a))
    with pytest.raises(Breach):
        training.train(method, DATA, BUDGET, 0, tmp_path, IDENTITY)
    assert written == [["identity", "method", "score", "update"]]


def test_a_loss_that_is_not_a_number_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    with pytest.raises(training.Diverged, match="loss is nan between updates 4 and 8"):
        training.train(_toy(diverge_at=5), DATA, BUDGET, 0, tmp_path, IDENTITY)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["run"]["update"] == 4
    assert all(torch.isfinite(v).all() for v in state["method"]["network"].values())


def test_restart_forgets(tmp_path):
    training.train(_toy(), DATA, BUDGET, 0, tmp_path, {"seed": 1})
    checkpoint.remove(tmp_path)
    run = training.train(_toy(), DATA, BUDGET, 0, tmp_path, {"seed": 2})
    assert len(run.curve) == 4
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 4


def test_a_state_of_another_kind_of_device_resumes_from_the_seed_and_the_update():
    """A generator's state has another size there, and the optimizer was captured."""

    def resumed(change):
        method = _toy()
        for batch in islice(training_batches(DATA["train"], 8, 0), 3):
            method.update(batch)
        state = method.state_dict()
        change(state)
        other = _toy()
        other.load_state_dict(state)
        losses = [
            other.update(batch)["loss"].item()
            for batch in islice(training_batches(DATA["train"], 8, 0, 3), 3)
        ]
        return losses, other

    def as_on_cuda(state):
        state["generator"] = torch.zeros(16, dtype=torch.uint8)
        for group in state["optimizer"]["param_groups"]:
            group["lr"], group["capturable"] = torch.tensor(group["lr"]), True

    same, _ = resumed(lambda state: None)
    moved, method = resumed(as_on_cuda)
    assert moved == resumed(as_on_cuda)[0]
    assert moved != same
    assert moved == pytest.approx(same, rel=0.2)
    assert not any(group["capturable"] for group in method.optimizer.param_groups)


def test_a_checkpoint_knows_its_kinds_of_device(tmp_path):
    run = training.train(_toy(), DATA, Budget(4, 8, 4), 0, tmp_path, IDENTITY)
    assert run.devices == ["cpu"]
    found = checkpoint.find(tmp_path)
    assert found.resuming(torch.device("cpu")) == "resuming from update 4"
    assert "from update 4 (trained on cpu): random numbers are reseeded" in found.resuming(
        torch.device("cuda")
    )
    run = training.train(_toy(), DATA, Budget(8, 8, 4), 0, tmp_path, IDENTITY)
    assert run.devices == ["cpu"]


def test_a_checkpoint_without_a_device_resumes(tmp_path):
    """As older versions wrote it."""
    training.train(_toy(), DATA, Budget(4, 8, 4), 0, tmp_path, IDENTITY)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del state["run"]["devices"]
    states.write(tmp_path / "checkpoint.pt", state)
    assert checkpoint.find(tmp_path).resuming(torch.device("cpu")) == "resuming from update 4"
    run = training.train(_toy(), DATA, Budget(8, 8, 4), 0, tmp_path, IDENTITY)
    assert (run.update, run.devices) == (8, ["cpu"])


def test_scalars_are_averaged_over_the_updates_that_have_them(tmp_path):
    class Talkative(Toy):
        def loss(self, batch):
            losses = super().loss(batch)
            return losses | {"even": torch.tensor(3)} if self.updates_done % 2 else losses

    toy = _toy()
    method = Talkative(toy.task, toy.config, toy.setup)
    run = training.train(method, DATA, Budget(4, 8, 4), 0, tmp_path, IDENTITY)
    assert run.curve[-1]["even"] == 2 * 3 / 4
    (tmp_path / "plain").mkdir()
    plain = training.train(toy, DATA, Budget(4, 8, 4), 0, tmp_path / "plain", IDENTITY)
    assert run.curve[-1]["loss"] == pytest.approx(plain.curve[-1]["loss"], abs=1e-6)


def test_dropout_is_seeded_on_a_gpu_as_on_a_cpu(monkeypatch):
    """Before every update, on the GPU of the method, from the seed and the update."""
    seeds = []
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_device", lambda index: seeds.append(("gpu", index)))
    monkeypatch.setattr(torch.cuda, "manual_seed", seeds.append)
    method = _toy()
    method.setup = dataclasses.replace(method.setup, seed=3, device=torch.device("cuda", 1))
    for batch in islice(training_batches(DATA["train"], 8, 0), 2):
        method.update(batch)
    assert seeds == [
        *(("gpu", 1), (3 << 32) + 1, ("gpu", 0)),
        *(("gpu", 1), (3 << 32) + 2, ("gpu", 0)),
    ]


def test_the_clock_covers_every_evaluation(tmp_path):
    run = training.train(_toy(), DATA, BUDGET, 0, tmp_path, IDENTITY)
    assert run.seconds >= run.validating > 0.0


def test_killed_between_the_best_state_and_the_checkpoint(tmp_path, monkeypatch):
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole = _toy()
    expected = training.train(whole, DATA, BUDGET, 0, tmp_path / "whole", IDENTITY)
    save, saved = checkpoint.save, []

    def kill_at_the_second(*arguments):
        saved.append(1)
        if len(saved) == 2:
            raise KilledError
        save(*arguments)

    monkeypatch.setattr(checkpoint, "save", kill_at_the_second)
    with pytest.raises(KilledError):
        training.train(_toy(), DATA, BUDGET, 0, tmp_path / "killed", IDENTITY)
    monkeypatch.setattr(checkpoint, "save", save)
    resumed = _toy()
    got = training.train(resumed, DATA, BUDGET, 0, tmp_path / "killed", IDENTITY)
    assert (got.best_update, got.curve) == (expected.best_update, expected.curve)
    assert _weights(resumed) == _weights(whole)


def test_a_gradient_that_is_not_finite_is_noticed(tmp_path):
    class Steep(Toy):
        def loss(self, batch):
            total = super().loss(batch)["loss"]
            # The square root's slope at zero is infinite; its value is not.
            return {"loss": total + (self.network.weight * 0.0).abs().sum().sqrt()}

    setup = Setup(torch.device("cpu"), 0, BUDGET.updates)
    method = Steep(Task(CLASSES, 2, (CLASSES, 1, 1)), ToyConfig(), setup)
    # One update, so that no loss is computed with the weights it spoils.
    with pytest.raises(training.Diverged, match="gradient_norm is nan between updates 0 and 1"):
        training.train(method, DATA, Budget(1, 8, 1), 0, tmp_path, IDENTITY)


def test_a_curve_without_a_number_stays_json(tmp_path, monkeypatch):
    scores = {"exact_match": 0.5, "macro_f1": 0.5, "attn_saliency": float("nan")}
    assert training.validation(scores) == {"valid_exact_match": 0.5, "valid_macro_f1": 0.5}


def test_cosine_falls_from_one_to_zero():
    assert cosine(0.0) == 1.0
    assert cosine(0.5) == pytest.approx(0.5)
    assert cosine(1.0) == pytest.approx(0.0)


def test_the_same_seed_gives_the_same_network_and_leaves_the_global_state_alone():
    state = torch.random.get_rng_state()
    assert _weights(_toy()) == _weights(_toy())
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_loss_too_large_for_a_record_is_reported_as_diverged(tmp_path):
    class Huge(Toy):
        def update(self, batch):
            return {"loss": torch.tensor(1e300, dtype=torch.float64)}

    setup = Setup(torch.device("cpu"), 0, BUDGET.updates)
    method = Huge(Task(CLASSES, 2, (CLASSES, 1, 1)), ToyConfig(), setup)
    with pytest.raises(training.Diverged, match=r"loss is 1e\+300 between updates 0 and 4"):
        training.train(method, DATA, BUDGET, 0, tmp_path, IDENTITY)
