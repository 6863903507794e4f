"""Fitting a method that has `fit(train, valid)` instead of updates, and its own budget.

The folder holds the same states as that of a training (`hsal_bench.training.checkpoint`). They are
written once `fit` has returned: after an interruption the same call fits again from the start, or
loads the finished fit.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hsal_bench.method.contract import Method
from hsal_bench.training import checkpoint
from hsal_bench.training import evaluate as evaluation
from hsal_bench.training.batches import ExampleSet
from hsal_bench.training.checkpoint import Progression, Stopwatch
from hsal_bench.training.train import validation


def fit(
    method: Method,
    data: Mapping[str, ExampleSet],
    seed: int,
    folder: Path,
    identity: Mapping[str, Any],
) -> Progression:
    """Fit `method` on data["train"] and data["valid"], and score it on the latter.

    `identity` as in `train`. The curve has one line, at update 0: the scores on data["valid"].

    Raises:
        UsageError: the folder holds a checkpoint of another run.
        DamagedState: its checkpoint is damaged.
        Breach: the method returns something that violates the contract.
    """
    device = data["train"].device
    if checkpoint.exists(folder):
        run, _ = checkpoint.resume(method, folder, identity, device)
    else:
        run = Progression(devices=[device.type])
        stopwatch = Stopwatch(run)
        learn(method, data["train"], data["valid"], seed)
        stopwatch.add()
        # The only state is the best one. Its score does not select it, so it has none.
        checkpoint.save_best(method, run, folder, identity)
        checkpoint.save(method, run, {}, folder, identity)
    if not run.curve:
        stopwatch, fitted = Stopwatch(run), run.seconds
        state = {"run": identity}
        scores = evaluation.evaluate(method, data["valid"], folder, state).metrics
        run.curve.append({"update": 0, **validation(scores)})
        stopwatch.add()
        run.validating = run.seconds - fitted
        checkpoint.save(method, run, {}, folder, identity)
    return run


def learn(method: Any, train: ExampleSet, valid: ExampleSet, seed: int) -> None:
    """Call `fit` with every global random generator seeded; restore them afterwards."""
    with _seeded(seed, train.device):
        method.fit(train, valid)


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    # Libraries such as scikit-learn draw from NumPy's legacy generator.
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
