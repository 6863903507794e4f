"""Fitting: starts again if interrupted, is loaded once done, and is seeded."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hsal_bench.errors import UsageError
from hsal_bench.method.contract import Prediction, Setup, Task
from hsal_bench.method.fitted import Fitted
from hsal_bench.method.validate import Breach
from hsal_bench.training import checkpoint
from hsal_bench.training import fit as fitting
from hsal_bench.training.batches import ExampleSet

IDENTITY = {"seed": 0}


class Common(Fitted):
    """The commonest multiset, and a random number from every generator; it can be interrupted."""

    calls = SimpleNamespace(fit=0, predict=0, stop="")

    def fit(self, train, valid):
        self.calls.fit += 1
        if self.calls.stop == "fit":
            raise KeyboardInterrupt
        rows, times = np.unique(train.counts.numpy(), axis=0, return_counts=True)
        self.counts = rows[times.argmax()]
        self.sizes = len(train), len(valid)
        self.drawn = [random.random(), np.random.rand(), float(torch.rand(()))]  # noqa: NPY002

    def predict(self, batch, *, trace=False):
        self.calls.predict += 1
        if self.calls.stop == "predict":
            raise KeyboardInterrupt
        return Prediction(torch.from_numpy(self.counts).expand(len(batch.inputs), -1))


class Unsaved(Common):
    def fit(self, train, valid):
        self.rng = np.random.default_rng(0)


def _set(n):
    labels = torch.arange(n)[:, None] % 5 % 2
    counts = torch.nn.functional.one_hot(labels[:, 0], 2)
    inputs = torch.arange(n, dtype=torch.float16).view(n, 1, 1, 1)
    return ExampleSet(inputs, counts, labels, torch.zeros(n, 1, 4, dtype=int), (1, 1))


DATA = {"train": _set(10), "valid": _set(5)}


def _new(cls=Common, stop=""):
    cls.calls.__init__(fit=0, predict=0, stop=stop)
    return cls(Task(2, 1, (1, 1, 1)), cls.Config(), Setup(torch.device("cpu"), 0, 0))


def _fit(folder, method, identity=IDENTITY):
    folder.mkdir(exist_ok=True)
    run = fitting.fit(method, DATA, 0, folder, identity)
    return run, method


def test_a_method_sees_both_splits_and_is_scored_on_valid(tmp_path):
    run, method = _fit(tmp_path, _new())
    assert method.sizes == (10, 5)
    assert method.counts.tolist() == [1, 0]  # labels 0 1 0 1 0
    (line,) = run.curve
    assert (line["update"], line["valid_exact_match"]) == (0, 0.6)
    assert run.seconds > run.validating > 0
    assert run.cpu_seconds > 0


def test_a_finished_fit_is_loaded(tmp_path):
    first, fitted = _fit(tmp_path, _new())
    again, loaded = _fit(tmp_path, _new())
    assert (Common.calls.fit, Common.calls.predict) == (0, 0)
    assert vars(again) == vars(first)
    assert loaded.drawn == fitted.drawn
    update, state = checkpoint.best_state(tmp_path)
    assert (update, state["drawn"]) == (0, fitted.drawn)


def test_an_interrupted_fit_starts_again_with_the_same_result(tmp_path):
    _, whole = _fit(tmp_path / "whole", _new())
    with pytest.raises(KeyboardInterrupt):
        _fit(tmp_path / "stopped", _new(stop="fit"))
    assert not list(tmp_path.glob("stopped/*"))
    _, again = _fit(tmp_path / "stopped", _new())
    assert again.drawn == whole.drawn


def test_an_interrupted_validation_keeps_the_fit(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        _fit(tmp_path, _new(stop="predict"))
    run, _ = _fit(tmp_path, _new())
    assert Common.calls.fit == 0
    assert run.curve[0]["valid_exact_match"] == 0.6


def test_generators_are_seeded_for_fit_and_restored():
    # Python's generator cannot be compared: the checks of types in tests draw from it.
    before = np.random.get_state()[1], torch.get_rng_state()  # noqa: NPY002
    numbers = []
    for seed in (0, 1):
        method = _new()
        fitting.learn(method, DATA["train"], DATA["valid"], seed)
        numbers.append(method.drawn)
    assert all(a != b for a, b in zip(*numbers, strict=True))
    assert np.array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


def test_a_state_that_cannot_be_saved_leaves_no_checkpoint(tmp_path):
    with pytest.raises(Breach, match=r"Unsaved: self\.rng is of type Generator"):
        _fit(tmp_path, _new(Unsaved))
    assert checkpoint.find(tmp_path) is None


def test_a_fit_of_another_run_is_refused(tmp_path):
    _fit(tmp_path, _new())
    with pytest.raises(UsageError, match=r"belongs to another run \(seed 0, not 1\)"):
        _fit(tmp_path, _new(), {"seed": 1})


@pytest.mark.parametrize(
    "rows", [slice(2, 4), [2, 3], np.array([2, 3]), torch.tensor([2, 3])], ids=repr
)
def test_rows_of_a_split_are_a_batch(rows):
    batch = DATA["train"][rows]
    assert batch.inputs.flatten().tolist() == [2.0, 3.0]
    assert batch.inputs.dtype == torch.float32
    assert batch.labels.flatten().tolist() == [0, 1]
    assert DATA["train"][7].inputs.shape == (1, 1, 1, 1)
