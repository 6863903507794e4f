"""What `check-method` asks of training: updates, learning, seeds, states, odd batches."""

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
from hsal_bench.conformance.snapshot import changed, snapshot
from hsal_bench.conformance.tiny_task import CLASSES, MAX_OBJECTS
from hsal_bench.conformance.trial import MARGIN, PREDICTED, Trial
from hsal_bench.method.contract import Batch, Method, Prediction
from hsal_bench.method.validate import Breach

FEW = 3
"""Updates where the way is looked at, and not how far it leads."""

Run = tuple[list[dict[str, float]], Prediction]


def check_made(trial: Trial) -> str:
    """The class makes a method from a task, a config and a setup."""
    trial.made()
    shape = trial.tiny.task.input_shape
    return f"for {CLASSES} classes, 0 to {MAX_OBJECTS} objects, inputs {list(shape)}"


def check_update(trial: Trial) -> str:
    """An update returns finite scalars, "loss" among them, detached from the graph."""
    method = trial.made()
    (batch,) = trial.tiny.batches(1)
    scalars = trial.scalars(method, batch)
    if attached := [name for name, scalar in scalars.items() if scalar.requires_grad]:
        came = f"update returned {attached[0]!r} with its graph attached"
        trial.refuse("update", came, "detached scalars: .detach()")
    trial.updated(trial.made(), trial.tiny.batches(FEW))
    return ", ".join(scalars)


def check_training(trial: Trial) -> str:
    """Training runs through, and nothing it returns stops being finite."""
    return f"{trial.learned.updates} updates, all scalars finite, all predictions valid"


def check_learning(trial: Trial) -> str:
    """The method gets clearly better than the best constant multiset."""
    learned, chance = trial.learned, trial.tiny.chance
    came = f"multiset IoU {learned.score:.3f} after {learned.updates} updates"
    told = f"the best constant multiset has {chance:.3f}"
    if learned.score < chance + MARGIN:
        raise Failed(
            f"{came}; expected at least {chance + MARGIN:.3f}, as {told}: does the loss follow "
            f"the truth, and predict what was learnt? ({where(trial.cls, 'update')}; "
            f"{where(trial.cls, 'predict')})"
        )
    return f"{came}, {told}"


def check_seed(trial: Trial) -> str:
    """Two instances with one seed and the same batches come to the same."""
    _equal(
        trial,
        _run(trial),
        _run(trial),
        "two instances with one seed give",
        "update",
        "the same: draw from a torch.Generator seeded with Setup.seed, and nothing from the global "
        "generators of numpy or Python's random",
    )
    return f"two instances, {FEW} updates each: the same scalars and predictions"


def check_predict_aside(trial: Trial) -> str:
    """Predicting between two updates changes nothing: neither what is held nor what comes after."""

    def look(method: Method) -> None:
        before = snapshot(method, trial.state(method))
        trial.predicted(method, Batch(trial.tiny.inputs(PREDICTED)), trace=True)
        if name := changed(before, snapshot(method, trial.state(method))):
            remedy = trial.advice or "only update changes what a method holds"
            trial.refuse("predict", f"predict changed {name}", f"that it stays: {remedy}")

    told = "without and with a prediction after every update, the runs give"
    _equal(trial, _run(trial), _run(trial, between=look), told, "predict")
    return "what is held stays, and updates after a prediction are those without it"


def check_randomness(trial: Trial) -> str:
    """Torch's global random state is neither read nor moved."""
    _equal(
        trial,
        _run(trial, global_seed=1),
        _run(trial, global_seed=2),
        "with another state of torch's global generator, the run gives",
        "update",
        "the same: draw from a torch.Generator of the method's own",
    )
    torch.manual_seed(1)
    before = torch.get_rng_state()
    for call, part in _calls(trial):
        part()
        if not torch.equal(before, torch.get_rng_state()):
            came = f"{call} moved torch's global random state"
            advice = trial.advice if call == "predict" else ""
            remedy = advice or "draw from a torch.Generator of its own"
            trial.refuse(call, came, f"that it stays: {remedy}")
    return "torch's global state is neither read nor moved"


def check_state(trial: Trial) -> str:
    """Saved, loaded into a new instance and trained on is as trained without a break."""
    kept: list[bytes] = []

    def keep(method: Method) -> None:
        kept.append(_saved(trial, method))
        # What is drawn from the global state is another check's to tell.
        torch.manual_seed(len(kept))

    whole = _run(trial, updates=2 * FEW, between=keep)
    # What comes again every so many updates can be the same after one break by chance: of two that
    # follow each other, one is out of its step.
    for done in (FEW, FEW - 1):
        _equal(
            trial,
            (whole[0][done:], whole[1]),
            _gone_on(trial, kept[done - 1], done),
            "without and with a break, training gives",
            "state_dict",
            "the same: state_dict holds all that update changes",
            done + 1,
        )
    return f"after {FEW - 1} and {FEW} of {2 * FEW} updates: the same scalars and predictions"


def _gone_on(trial: Trial, saved: bytes, done: int) -> Run:
    """Return what a new instance, given what was saved after `done` updates, returns from there."""
    again, told = trial.made(), []
    torch.manual_seed(done)
    trial.load(again, _read(trial, saved))
    for number, batch in enumerate(trial.tiny.batches(2 * FEW - done, done), done + 1):
        told += trial.updated(again, [batch], number)
        torch.manual_seed(number)
    return told, trial.predicted(again, Batch(trial.tiny.inputs(PREDICTED)))


def check_odd_batches(trial: Trial) -> str:
    """Images without objects and images full of them can be learnt from, and predicted alone."""
    for name, objects in (
        ("no image has an object", 0),
        (f"every image has {MAX_OBJECTS} objects", MAX_OBJECTS),
    ):
        batch, method = trial.tiny.rows_with(objects, 8), trial.made()
        with _where(name):
            trial.updated(method, [batch] * 2)
            trial.predicted(method, Batch(batch.inputs.clone()))
        with _where(f"{name}, and there is one image"):
            trial.predicted(method, Batch(batch.inputs[:1].clone()))
    return "batches of no object and of the most; one image of each predicted"


@contextmanager
def _where(circumstance: str) -> Iterator[None]:
    """Have a failure tell in what circumstance it came."""
    try:
        yield
    except (Failed, Breach) as failure:
        raise Failed(f"where {circumstance}: {failure}") from failure


def _saved(trial: Trial, method: Method) -> bytes:
    buffer = io.BytesIO()
    torch.save(trial.state(method), buffer)
    return buffer.getvalue()


def _read(trial: Trial, saved: bytes) -> Any:
    try:
        return torch.load(io.BytesIO(saved), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        came = f"state_dict holds a {found[1]}" if found else str(error).splitlines()[0]
        trial.refuse(
            "state_dict",
            came,
            "what torch.load(weights_only=True) reads: tensors, numbers, texts, lists and dicts",
        )


def _calls(trial: Trial) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield all that may draw random numbers, by the name of the call."""
    made: list[Method] = []
    yield "__init__", lambda: made.append(trial.made())
    yield "update", lambda: trial.updated(made[0], trial.tiny.batches(1))
    yield "predict", lambda: trial.predicted(made[0], Batch(trial.tiny.inputs(PREDICTED)))


def _run(
    trial: Trial,
    updates: int = FEW,
    global_seed: int = 1,
    between: Callable[[Method], None] | None = None,
) -> Run:
    """Return what a new instance returns: the scalars of its updates, then predictions."""
    torch.manual_seed(global_seed)
    method, told = trial.made(), []
    for number, batch in enumerate(trial.tiny.batches(updates), 1):
        told += trial.updated(method, [batch], number)
        if between is not None:
            between(method)
    return told, trial.predicted(method, Batch(trial.tiny.inputs(PREDICTED)))


def _equal(
    trial: Trial,
    one: Run,
    other: Run,
    told: str,
    call: str,
    expected: str = "the same",
    first: int = 1,
) -> None:
    if found := trial.unequal(one[0], other[0], first):
        trial.refuse(call, f"{told} {found}", expected)
    if found := trial.difference(one[1], other[1]):
        trial.refuse(call, f"{told} {found}", "; ".join(filter(None, [expected, trial.advice])))
