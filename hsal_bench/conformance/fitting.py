"""The checks of methods with `fit`: fitting, seeds, saved states, extreme images."""

from __future__ import annotations

from itertools import chain

import torch

from hsal_bench.conformance.state import changed, snapshot
from hsal_bench.conformance.tiny_task import MAX_OBJECTS
from hsal_bench.conformance.training import read, written
from hsal_bench.conformance.trial import PREDICTED, Trial
from hsal_bench.method.contract import Batch


def check_fit(trial: Trial) -> str:
    """Fitting neither raises an error nor changes the examples; predictions are valid."""
    splits = trial.tiny.train, trial.tiny.valid
    before = [split[:].inputs.clone() for split in splits], [s.counts.clone() for s in splits]
    _ = trial.learned
    after = [split[:].inputs for split in splits], [split.counts for split in splits]
    if not all(map(torch.equal, chain(*before), chain(*after))):
        trial.fail("fit", "fit changed the examples in place, work on copies")
    train, valid = map(len, splits)
    return f"{train} images to learn from, {valid} to choose on"


def check_seed(trial: Trial) -> str:
    """Two instances fitted with the same seed give the same predictions."""
    message = "two instances with the same seed differ (seed random numbers with Setup.seed)"
    trial.compare(trial.run(), trial.run(), "fit", message)
    return "two instances: same predictions"


def check_restore(trial: Trial) -> str:
    """A new instance with the saved state gives the same predictions."""
    fitted, restored = trial.learned.method, trial.create()
    trial.load(restored, read(trial, written(trial, fitted)))
    before, after = (
        trial.predict(method, Batch(trial.tiny.inputs(PREDICTED))) for method in (fitted, restored)
    )
    if difference := trial.difference(before, after):
        trial.fail("state_dict", f"predictions before and after saving differ: {difference}")
    return "same predictions after saving and loading"


def check_side_effects(trial: Trial) -> str:
    """Predicting does not change the method's state."""
    method = trial.learned.method
    before = snapshot(method, trial.state(method))
    trial.predict(method, Batch(trial.tiny.inputs(PREDICTED)), trace=True)
    if name := changed(before, snapshot(method, trial.state(method))):
        trial.fail("predict", f"predict changed {name}")
    return "predictions do not change the state"


def check_extreme_images(trial: Trial) -> str:
    """Images without and with the most objects can be predicted."""
    for objects in (0, MAX_OBJECTS):
        inputs = trial.tiny.rows_with(objects, 8).inputs
        trial.predict(trial.learned.method, Batch(inputs))
    return f"batches with 0 and with {MAX_OBJECTS} objects in every image"
