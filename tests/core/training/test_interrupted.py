"""An interrupted training resumes: bit for bit on a CPU, from the seed on a different device."""

import math
import os
import signal
from itertools import islice

import pytest
import torch

from hsal_bench.interrupts import SIGNALS, terminate_like_ctrl_c
from hsal_bench.training import checkpoint, states
from hsal_bench.training import evaluate as evaluation
from hsal_bench.training import train as training
from hsal_bench.training.batches import training_batches


class KilledError(Exception):
    """Stands for the signal that ends a process."""


@pytest.fixture
def kill_at(toy):
    """Return a function that trains until an update, and is killed there."""

    def kill_at(update):
        def report(done, status, validated):
            if done == update:
                raise KilledError

        with pytest.raises(KilledError):
            toy.train(progress=report)

    return kill_at


@pytest.fixture
def signals_as_in_the_command_line():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    terminate_like_ctrl_c()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def checkpoints_at_every_update(monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(training, "SAVE_SHARE", math.inf)


@pytest.fixture
def three_batches_an_evaluation(monkeypatch):
    """Of 8, 8 and 4 examples; each is kept."""
    monkeypatch.setattr(evaluation, "BATCH_SIZE", 8)
    monkeypatch.setattr(evaluation, "KEEP_AFTER", -1.0)


def stop_at_call(method, number):
    """Let Ctrl-C stop one call of `predict`; return the list of the sizes of the batches."""
    predict, sizes = method.predict, []

    def stopped(batch, **options):
        sizes.append(len(batch.inputs))
        if len(sizes) == number:
            raise KeyboardInterrupt
        return predict(batch, **options)

    method.predict = stopped
    return sizes


@pytest.mark.parametrize("update", [2, 4, 7, 11, 12])
def test_a_killed_run_ends_bit_for_bit_as_an_uninterrupted_one(toy, kill_at, update):
    kill_at(update)
    toy.check_that_it_resumes_exactly()


def test_a_killed_run_loses_little(toy, folder, kill_at, checkpoints_at_every_update):
    """Not even what came after the last evaluation."""
    kill_at(7)
    assert checkpoint.find(folder).update > 4
    toy.check_that_it_resumes_exactly()


def test_killed_between_the_best_state_and_the_checkpoint(toy, monkeypatch):
    save, saved = checkpoint.save, []

    def kill_at_the_second(*arguments):
        saved.append(1)
        if len(saved) == 2:
            raise KilledError
        save(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(checkpoint, "save", kill_at_the_second)
        toy.train()
    toy.check_that_it_resumes_exactly()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stop_at", [0, 1, 3, 4, 6, 12])
def test_a_signal_leaves_a_checkpoint_of_the_moment(
    toy, folder, stop_at, number, signals_as_in_the_command_line
):
    """At any update, and within the evaluations at updates 0, 4 and 12."""
    method = toy.method()
    call = "predict" if stop_at % 4 == 0 else "update"
    plain = getattr(method, call)

    def send(*arguments, **options):
        if method.updates_done == stop_at - (call == "update"):
            os.kill(os.getpid(), number)
        return plain(*arguments, **options)

    setattr(method, call, send)
    with pytest.raises(KeyboardInterrupt):
        toy.train(method)
    found = checkpoint.find(folder)
    assert (found.update if found else 0) == method.updates_done == stop_at
    toy.check_that_it_resumes_exactly()


def test_a_second_signal_does_not_save_half_an_update(toy, folder, signals_as_in_the_command_line):
    method = toy.method()
    plain = method.loss

    def send_twice(batch):
        if method.updates_done == 6:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(batch)

    method.loss = send_twice
    with pytest.raises(KeyboardInterrupt):
        toy.train(method)
    assert checkpoint.find(folder).update == 4
    toy.check_that_it_resumes_exactly()


def test_a_stop_stays_a_stop_if_nothing_can_be_saved(
    toy, monkeypatch, capsys, signals_as_in_the_command_line
):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    def stop(done, status, validated):
        if done == 6:
            monkeypatch.setattr(checkpoint, "save", fail)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        toy.train(progress=stop)
    assert "no checkpoint of update 6: [Errno 28] No space left" in capsys.readouterr().err


def test_slices_that_end_within_every_evaluation_get_to_the_end(
    toy, folder, three_batches_an_evaluation
):
    """Each has time for one batch of an evaluation, and is stopped within the next."""
    for _ in range(3 * 4 - 1):
        method = toy.method()
        stop_at_call(method, 2)
        with pytest.raises(KeyboardInterrupt):
            toy.train(method)
    method = toy.method()
    assert stop_at_call(method, 2) == []
    toy.train(method)  # the last slice has the last batch alone
    toy.check_that_it_resumes_exactly()
    assert not (folder / "evaluation.pt").exists()


@pytest.mark.parametrize(("update", "predicted"), [(1, [4]), (2, [8, 8, 4])])
def test_batches_of_another_evaluation_are_predicted_again(
    toy, tmp_path, three_batches_an_evaluation, update, predicted
):
    stopped, resumed = toy.method(), toy.method()
    stop_at_call(stopped, 3)
    with pytest.raises(KeyboardInterrupt):
        evaluation.evaluate(stopped, toy.data["valid"], tmp_path, {"update": 1})
    sizes = stop_at_call(resumed, None)
    evaluation.evaluate(resumed, toy.data["valid"], tmp_path, {"update": update})
    assert sizes == predicted


def test_a_state_of_another_kind_of_device_resumes_from_the_seed_and_the_update(toy):
    """A generator's state has another size there, and the optimizer was captured."""

    def updates(method, done):
        batches = islice(training_batches(toy.data["train"], 8, 0, done), 3)
        return [method.update(batch)["loss"].item() for batch in batches]

    def resumed(change):
        method, other = toy.method(), toy.method()
        updates(method, 0)
        state = method.state_dict()
        change(state)
        other.load_state_dict(state)
        return updates(other, 3), other

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


def test_a_checkpoint_knows_its_kinds_of_device(toy, folder):
    assert toy.train(updates=4).devices == ["cpu"]
    found = checkpoint.find(folder)
    assert found.resuming(torch.device("cpu")) == "resuming from update 4"
    assert "from update 4 (trained on cpu): random numbers are reseeded" in found.resuming(
        torch.device("cuda")
    )
    assert toy.train(updates=8).devices == ["cpu"]


def test_a_checkpoint_without_a_device_resumes(toy, folder):
    """As older versions wrote it."""
    toy.train(updates=4)
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    del state["run"]["devices"]
    states.write(folder / "checkpoint.pt", state)
    assert checkpoint.find(folder).resuming(torch.device("cpu")) == "resuming from update 4"
    run = toy.train(updates=8)
    assert (run.update, run.devices) == (8, ["cpu"])
