"""The checks of training: updates, learning, seeds, saved states, extreme batches."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from hsal_bench.checking import Failed
from hsal_bench.conformance.messages import where
from hsal_bench.conformance.state import changed, snapshot
from hsal_bench.conformance.tiny_task import CLASSES, MAX_OBJECTS
from hsal_bench.conformance.trial import FEW, MARGIN, PREDICTED, ShortRun, Trial
from hsal_bench.method.contract import Batch, Method
from hsal_bench.method.validate import Breach

_OWN_GENERATOR = "draw from a torch.Generator seeded with Setup.seed"


def check_create(trial: Trial) -> str:
    """The class creates a method from a task, a config and a setup."""
    trial.create()
    shape = trial.tiny.task.input_shape
    return f"for {CLASSES} classes, 0 to {MAX_OBJECTS} objects, inputs {list(shape)}"


def check_update(trial: Trial) -> str:
    """An update returns finite, detached scalars, "loss" among them."""
    method = trial.create()
    (batch,) = trial.tiny.batches(1)
    scalars = trial.scalars(method, batch)
    for name, scalar in scalars.items():
        if scalar.requires_grad:
            trial.fail("update", f"update returned {name!r} attached to its graph: detach it")
    trial.train(trial.create(), trial.tiny.batches(FEW))
    return ", ".join(scalars)


def check_training(trial: Trial) -> str:
    """A longer training gives finite scalars and valid predictions."""
    return f"{trial.learned.updates} updates, all scalars finite, all predictions valid"


def check_learning(trial: Trial) -> str:
    """Training clearly beats the best constant multiset."""
    learned, chance = trial.learned, trial.tiny.chance
    after = "fit" if trial.fitted else f"{learned.updates} updates"
    detail = f"multiset IoU {learned.score:.3f} after {after}, best constant multiset {chance:.3f}"
    if learned.score < chance + MARGIN:
        places = f"{where(trial.cls, trial.call)}; {where(trial.cls, 'predict')}"
        raise Failed(f"{detail}, expected at least {chance + MARGIN:.3f} ({places})")
    return detail


def check_seed(trial: Trial) -> str:
    """Two instances with the same seed and batches give the same results."""
    message = f"two instances with the same seed differ ({_OWN_GENERATOR})"
    trial.compare(trial.run(), trial.run(), "update", message)
    return f"two instances, {FEW} updates each: same scalars and predictions"


def check_randomness(trial: Trial) -> str:
    """A method neither reads nor changes torch's global random state."""
    message = f"runs with different global torch seeds differ ({_OWN_GENERATOR})"
    trial.compare(trial.run(global_seed=1), trial.run(global_seed=2), trial.call, message)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    for call, action in _calls(trial):
        action()
        if not torch.equal(before, torch.get_rng_state()):
            trial.fail(call, f"{call} changed torch's global random state ({_OWN_GENERATOR})")
    return "torch's global random state is neither read nor changed"


def _calls(trial: Trial) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield every call that may draw random numbers, by name."""
    methods: list[Method] = []
    yield "__init__", lambda: methods.append(trial.create())
    if trial.fitted:
        yield "fit", lambda: trial.fit(methods[0])
    else:
        yield "update", lambda: trial.train(methods[0], trial.tiny.batches(1))
    yield "predict", lambda: trial.predict(methods[0], Batch(trial.tiny.inputs(PREDICTED)))


def check_resume(trial: Trial) -> str:
    """Saving, loading into a new instance and training on equals training without a break."""
    saved: list[bytes] = []

    def save(method: Method) -> None:
        saved.append(written(trial, method))
        # Draws from the global generator are the subject of `check_randomness`.
        torch.manual_seed(len(saved))

    full = trial.run(2 * FEW, between=save)
    # Something periodic may fit by chance after one break, but not after two consecutive ones.
    for done in (FEW, FEW - 1):
        rest = ShortRun(full.history[done:], full.prediction)
        message = f"training with and without a break after {done} updates differs"
        resumed = _resume(trial, saved[done - 1], done)
        trial.compare(rest, resumed, "state_dict", message, done + 1)
    return f"resumed after {FEW - 1} and {FEW} of {2 * FEW} updates: same scalars and predictions"


def written(trial: Trial, method: Method) -> bytes:
    """Return the bytes of a file with a method's state."""
    buffer = io.BytesIO()
    torch.save(trial.state(method), buffer)
    return buffer.getvalue()


def _resume(trial: Trial, saved: bytes, done: int) -> ShortRun:
    """Load the state saved after `done` updates into a new instance, train on and predict."""
    method = trial.create()
    torch.manual_seed(done)
    trial.load(method, read(trial, saved))
    history = []
    for number, batch in enumerate(trial.tiny.batches(2 * FEW - done, done), done + 1):
        history += trial.train(method, [batch], number)
        torch.manual_seed(number)
    return ShortRun(history, trial.predict(method, Batch(trial.tiny.inputs(PREDICTED))))


def read(trial: Trial, saved: bytes) -> Any:
    """Return the state in the bytes of a file."""
    try:
        return torch.load(io.BytesIO(saved), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        match = re.search(r"GLOBAL (\S+)", str(error))
        value = match[1] if match else "a value"
        message = f"state_dict holds {value}, which torch.load(weights_only=True) cannot read"
        trial.fail("state_dict", message)


def check_side_effects(trial: Trial) -> str:
    """Predicting between updates changes neither the method's state nor later updates."""

    def predict(method: Method) -> None:
        before = snapshot(method, trial.state(method))
        trial.predict(method, Batch(trial.tiny.inputs(PREDICTED)), trace=True)
        if name := changed(before, snapshot(method, trial.state(method))):
            trial.fail("predict", f"predict changed {name}")

    message = "runs with and without predictions between the updates differ"
    trial.compare(trial.run(), trial.run(between=predict), "predict", message)
    return "predictions change neither the state nor later updates"


def check_extreme_batches(trial: Trial) -> str:
    """A method learns from batches of empty or full images, and predicts single ones."""
    for name, objects in (
        ("no objects", 0),
        (f"{MAX_OBJECTS} objects each", MAX_OBJECTS),
    ):
        batch, method = trial.tiny.rows_with(objects, 8), trial.create()
        with _context(f"a batch with {name}"):
            trial.train(method, [batch] * 2)
            trial.predict(method, Batch(batch.inputs.clone()))
        with _context(f"a single image, after a batch with {name}"):
            trial.predict(method, Batch(batch.inputs[:1].clone()))
    return f"batches with 0 and with {MAX_OBJECTS} objects in every image; single images"


@contextmanager
def _context(batch: str) -> Iterator[None]:
    """Add to a failure which batch caused it."""
    try:
        yield
    except (Failed, Breach) as error:
        raise Failed(f"{batch}: {error}") from error
