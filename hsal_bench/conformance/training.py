"""The checks of learning by updates or by `fit`: seeds, saved states, extreme batches."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from hsal_bench.checking import Failed
from hsal_bench.conformance.state import changed, modules, snapshot
from hsal_bench.conformance.tiny_task import CLASSES, MAX_OBJECTS
from hsal_bench.conformance.trial import FEW, MARGIN, Trial, answers, in_context
from hsal_bench.method.contract import Batch, Method
from hsal_bench.metrics.multiset import label_order

_UNUSUAL_SEED = 8_675_309
_ROUNDING = 1e-6  # relative difference of float32 sums over labels in another order
_OWN_GENERATOR = "draw from a generator seeded with Setup.seed"


def check_create(trial: Trial) -> str:
    """The class creates a method from a task, a config and a setup."""
    trial.create()
    shape = trial.tiny.task.input_shape
    return f"for {CLASSES} classes, 0 to {MAX_OBJECTS} objects, inputs {list(shape)}"


def check_update(trial: Trial) -> str:
    """An update returns finite, detached scalars, "loss" among them."""
    first, *_ = trial.learn(trial.create(), FEW)
    return ", ".join(name.removesuffix(" at update 1") for name in first)


def check_training(trial: Trial) -> str:
    """A longer training gives finite scalars and valid predictions."""
    _ = trial.learned
    return f"{trial.updates} updates, all scalars finite, all predictions valid"


def check_fit(trial: Trial) -> str:
    """Fitting neither raises an error nor changes the examples; predictions are valid."""
    train, valid = trial.tiny.train, trial.tiny.valid
    examples = [x for split in (train, valid) for x in vars(split).values() if torch.is_tensor(x)]
    before = [tensor.clone() for tensor in examples]
    _ = trial.learned
    if not all(map(torch.equal, before, examples)):
        trial.fail("fit", "fit changed the examples in place, work on copies")
    return f"{len(train)} images to learn from, {len(valid)} to choose on"


def check_learning(trial: Trial) -> str:
    """Training clearly beats the best constant multiset."""
    after = "fit" if trial.fitted else f"{trial.updates} updates"
    chance = trial.tiny.chance
    detail = f"multiset IoU {trial.score:.3f} after {after}, best constant multiset {chance:.3f}"
    if not trial.beats_chance:
        places = f"{trial.where(trial.call)}; {trial.where('predict')}"
        raise Failed(f"{detail}, expected at least {chance + MARGIN:.3f} ({places})")
    return detail


def check_seed(trial: Trial) -> str:
    """Two instances with the same seed and batches give the same results."""
    message = f"two instances with the same seed differ ({_OWN_GENERATOR})"
    trial.compare(trial.short, trial.run(), trial.call, message)
    if trial.fitted:
        return "two instances: same predictions"
    return f"two instances, {FEW} updates each: same scalars and predictions"


def check_randomness(trial: Trial) -> str:
    """A method neither reads nor changes torch's global random state."""
    message = f"runs with different global torch seeds differ ({_OWN_GENERATOR})"
    trial.compare(trial.short, trial.run(global_seed=2), trial.call, message)
    with _unchanged_randomness(trial, "__init__"):
        method = trial.create()
    with _unchanged_randomness(trial, trial.call):
        trial.learn(method, 1)
    with _unchanged_randomness(trial, "predict"):
        trial.predict(method)
    return "torch's global random state is neither read nor changed"


@contextmanager
def _unchanged_randomness(trial: Trial, call: str) -> Iterator[None]:
    torch.manual_seed(_UNUSUAL_SEED)  # seeding is a change too
    before = torch.get_rng_state()
    yield
    if not torch.equal(before, torch.get_rng_state()):
        trial.fail(call, f"{call} changed torch's global random state ({_OWN_GENERATOR})")


def check_resume(trial: Trial) -> str:
    """Saving, loading into a new instance and training on equals training without a break."""
    states: list[Any] = []
    full = trial.run(2 * FEW, between=lambda method: states.append(_saved(trial, method)))
    # Something periodic may fit by chance after one break, but not after two consecutive ones.
    for done in (FEW, FEW - 1):
        resumed = trial.run(2 * FEW - done, start=done, state=states[done - 1])
        message = f"training with and without a break after {done} updates differs"
        trial.compare(full[done:], resumed, "state_dict", message)
    return f"resumed after {FEW - 1} and {FEW} of {2 * FEW} updates: same scalars and predictions"


def check_restore(trial: Trial) -> str:
    """A new instance with the saved state of a fitted one gives the same predictions."""
    fitted, restored = trial.learned, trial.create()
    trial.load(restored, _saved(trial, fitted))
    before, after = (answers(trial.predict(method)) for method in (fitted, restored))
    trial.compare([before], [after], "state_dict", "predictions before and after saving differ")
    return "same predictions after saving and loading"


def _saved(trial: Trial, method: Method) -> Any:
    """Return the state of a method after writing it to a file, in memory, and reading it again."""
    buffer = io.BytesIO()
    torch.save(trial.state(method), buffer)
    buffer.seek(0)
    try:
        return torch.load(buffer, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        name = re.search(r"GLOBAL (\S+)", str(error))
        holds = f"state_dict holds {name[1] if name else 'a value'}"
        trial.fail("state_dict", f"{holds}, which torch.load(weights_only=True) cannot read")


def check_side_effects(trial: Trial) -> str:
    """Predicting changes neither the method's state nor later updates."""

    def predict(method: Method) -> None:
        before = snapshot(method, trial.state(method))
        trial.predict(method, trace=True)
        if name := changed(before, snapshot(method, trial.state(method))):
            trial.fail("predict", f"predict changed {name}")

    if trial.fitted:
        predict(trial.learned)
        return "predictions do not change the state"
    message = "runs with and without predictions between the updates differ"
    trial.compare(trial.short, trial.run(between=predict), "predict", message)
    return "predictions change neither the state nor later updates"


def check_extreme_batches(trial: Trial) -> str:
    """A method learns from batches of empty or full images, and predicts single ones."""
    for name, objects in (("no objects", 0), (f"{MAX_OBJECTS} objects each", MAX_OBJECTS)):
        batch = trial.tiny.rows_with(objects, 8)
        method = trial.learned if trial.fitted else trial.create()
        with in_context(f"a batch with {name}"):
            if not trial.fitted:
                trial.train(method, [batch] * 2)
            trial.predict(method, Batch(batch.inputs))
        with in_context(f"a single image, after a batch with {name}"):
            trial.predict(method, Batch(batch.inputs[:1]))
    return f"batches with 0 and with {MAX_OBJECTS} objects in every image; single images"


def check_label_order(trial: Trial) -> str:
    """Report whether an update depends on the order of an image's labels.

    This never fails: a method may depend on it by design.
    """
    loss, gradient = label_order_effect(trial)
    if loss == gradient == 0.0:
        return "labels reversed within each image: same loss and gradient"
    return (
        f"labels reversed within each image: the loss differs by {loss:.2g}, the gradient by "
        f"{gradient:.2g} (relative; allowed by design)"
    )


def label_order_effect(trial: Trial) -> tuple[float, float]:
    """Return by how much a new method's first loss and gradient change if labels are reversed.

    Both differences are relative. The gradient is the one that the update leaves in `.grad` of the
    parameters, clipped if the method clips it; without any gradient its difference is 0. Rounding
    counts as 0.
    """
    (batch,) = trial.tiny.batches(1)
    given, turned = (_first_update(trial, b) for b in (batch, reversed_labels(batch)))
    return _relative(given[0], turned[0]), _relative(given[1], turned[1])


def reversed_labels(batch: Batch) -> Batch:
    """Return a training batch with each image's labels, and their boxes, in reverse order."""
    _, labels = batch.truth()
    assert batch.boxes is not None
    places = torch.arange(labels.shape[1], device=labels.device)
    order = label_order(labels, -places.float().expand(labels.shape))
    boxes = batch.boxes.gather(1, order[:, :, None].expand(-1, -1, 4))
    return Batch(batch.inputs, batch.counts, labels.gather(1, order), boxes)


def _first_update(trial: Trial, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the loss [1] and the gradient [parameters] of a new method's update."""
    method = trial.create()
    loss = trial.update(method, batch)["loss"].reshape(1)
    parameters = (p for module in modules(method).values() for p in module.parameters())
    gradients = [p.grad.flatten().cpu() for p in parameters if p.grad is not None]
    return loss, torch.cat([torch.zeros(1), *gradients])


def _relative(a: Tensor, b: Tensor) -> float:
    """Return |b - a| / |a|; 0 if they are equal up to rounding."""
    difference, size = (b.double() - a.double()).norm(), a.double().norm()
    return float(difference / size) if difference > _ROUNDING * size else 0.0
