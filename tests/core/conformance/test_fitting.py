"""Methods with `fit`: a sound one passes every check, and each fault is found."""

import itertools

import numpy as np
import pytest
import torch

from hsal_bench.conformance import check as conformance
from hsal_bench.method.contract import Prediction
from hsal_bench.method.fitted import Fitted

CHECKS = (
    *("class", "create", "fit", "learning", "repeatable predictions", "single images"),
    *("batch order", "labels unread", "more objects", "trace", "same seed", "own random numbers"),
    *("save and restore", "side effects", "empty and full images"),
)


class Linear(Fitted):
    """Counts as a linear function of the pooled inputs, by least squares."""

    def pooled(self, batch):
        return np.pad(batch.inputs.mean((2, 3)).cpu().numpy(), ((0, 0), (0, 1)), constant_values=1)

    def fit(self, train, valid):
        self.weights = np.linalg.lstsq(self.pooled(train[:]), train.counts.numpy(), rcond=None)[0]

    def predict(self, batch, *, trace=False):
        counts = (self.pooled(batch) @ self.weights).round().clip(0)
        return Prediction(torch.from_numpy(counts.astype(np.int64)))


def test_a_sound_method_passes_every_check():
    checks = conformance.check_method(Linear)
    assert conformance.failures(checks) == []
    assert tuple(check.name for check in checks) == CHECKS
    skipped = {check.name for check in checks if check.outcome == "skipped"}
    assert skipped == {"more objects", "trace"}
    (learning,) = (check.detail for check in checks if check.name == "learning")
    assert learning.startswith("multiset IoU 1.000 after fit")


class Raises(Linear):
    def fit(self, train, valid):
        raise RuntimeError("singular")


class Learns(Linear):
    def fit(self, train, valid):
        self.weights = np.zeros((33, 4))


class Changes(Linear):
    def fit(self, train, valid):
        super().fit(train, valid)
        train.counts[0, 0] += 1


class Unseeded(Linear):
    serial = itertools.count()

    def fit(self, train, valid):
        super().fit(train, valid)
        self.weights[:, next(self.serial) % 2] = 0.0


class Forgets(Linear):
    def state_dict(self):
        return {"weights": torch.zeros(33, 4)}

    def load_state_dict(self, state):
        self.weights = state["weights"].numpy()


class Unsaved(Linear):
    def fit(self, train, valid):
        super().fit(train, valid)
        self.kept = train


class Counts(Linear):
    def predict(self, batch, *, trace=False):
        self.calls = getattr(self, "calls", 0) + 1
        return super().predict(batch)


class Eight(Linear):
    def predict(self, batch, *, trace=False):
        if len(batch.inputs) == 8:
            raise RuntimeError("eight")
        return super().predict(batch)


class Draws(Linear):
    def predict(self, batch, *, trace=False):
        torch.rand(1)
        return super().predict(batch)


@pytest.mark.parametrize(
    ("cls", "name", "message"),
    [
        (Raises, "fit", "fit raised RuntimeError: singular"),
        (Learns, "learning", "after fit, best constant multiset"),
        (Changes, "fit", "fit changed the examples in place"),
        (Unseeded, "same seed", "two instances with the same seed differ"),
        (Forgets, "save and restore", "predictions before and after saving differ: counts"),
        (Eight, "empty and full images", "a batch with no objects: predict raised RuntimeError"),
        (Unsaved, "save and restore", "self.kept is of type ExampleSet"),
        (Counts, "side effects", "predict changed state_dict()['calls']"),
        (Draws, "own random numbers", "predict changed torch's global random state"),
    ],
)
def test_a_fault_is_found_by_its_check_alone(cls, name, message):
    failures = conformance.failures(conformance.check_method(cls))
    conformance.tiny_task.cache_clear()  # some faults change the examples
    assert [failure.split(": ")[0] for failure in failures] == [name]
    assert message in failures[0]


def test_a_class_without_the_call_is_refused():
    (failed,) = conformance.failures(conformance.check_method(Fitted))
    assert failed.startswith("class: Fitted lacks `fit` and `predict`")
