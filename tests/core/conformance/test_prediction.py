"""What `check-method` asks of predictions: one thing wrong fails the check of it alone."""

import dataclasses
import math
import re
from typing import ClassVar

import pytest
import torch
from torch import nn

from hsal_bench.conformance.check import failures
from hsal_bench.method.contract import Prediction, Unsupported

TWO = r"\[[\d, ]+\] and \[[\d, ]+\] of image \d+"


class WrongShape:
    def predict(self, batch, *, trace=False):
        return Prediction(super().predict(batch).counts[:, :2])


class Negative:
    def predict(self, batch, *, trace=False):
        return Prediction(super().predict(batch).counts - 5)


class NotSure:
    def predict(self, batch, *, trace=False):
        found = super().predict(batch)
        return Prediction(found.counts, found.confidence * math.inf)


class Whimsical:
    asked = 0

    def predict(self, batch, *, trace=False):
        self.asked += 1
        return Prediction((super().predict(batch).counts + self.asked) % 4)


class TraceTellsMore:
    def predict(self, batch, *, trace=False):
        return Prediction(super().predict(batch).counts + int(trace))


class OfTheBatch:
    """Batch statistics in use."""

    def build_network(self):
        pool, flat, linear = super().build_network()
        return nn.Sequential(pool, flat, nn.BatchNorm1d(32, track_running_stats=False), linear)

    def predict(self, batch, *, trace=False):
        if len(batch.inputs) == 1:
            return Prediction(torch.zeros(1, 4).long(), torch.zeros(1))
        return super().predict(batch)


class OfTheOrder:
    def predict(self, batch, *, trace=False):
        found, sums = super().predict(batch), batch.inputs.flatten(1).sum(1)
        turned = len(sums) == 24 and sums[0] < sums[-1]
        return Prediction(found.counts.flip(0) if turned else found.counts)


class ReadsLabels:
    def predict(self, batch, *, trace=False):
        return super().predict(batch) if batch.counts is None else Prediction(batch.counts)


class Unbounded:
    any_cardinality: ClassVar = True

    def build_network(self):
        channels, outputs = self.task.input_shape[0], 4 * (self.task.max_objects + 1)
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, outputs))


class FlatTrace:
    def trace(self, batch, counts):
        found = super().trace(batch, counts)
        # Where annotations are checked, the constructor would refuse it before the check does.
        object.__setattr__(found, "saliency", found.saliency.flatten(1)[:, None])
        return found


class FarTrace:
    def trace(self, batch, counts):
        found = super().trace(batch, counts)
        return dataclasses.replace(found, glimpses=found.glimpses + 16)


class OtherTrace:
    def trace(self, batch, counts):
        found = super().trace(batch, counts)
        return dataclasses.replace(found, labels=found.labels.clamp(max=0))


class ScalesInputs:
    def predict(self, batch, *, trace=False):
        batch.inputs.mul_(2.0)
        return super().predict(batch)


@pytest.mark.parametrize(
    ("fault", "name", "said"),
    [
        (
            WrongShape,
            "prediction",
            r"WrongShape\.predict returned a tensor int64 \[24, 2\] as counts: it takes whole num",
        ),
        (Negative, "prediction", r"Negative\.predict returned count -\d for class \d of image \d"),
        (
            NotSure,
            "prediction",
            r"NotSure\.predict returned confidence inf for image 0: it takes finite",
        ),
        (
            ScalesInputs,
            "prediction",
            r"predict changed batch\.inputs in place; expected that they stay: work on a copy \(",
        ),
        (
            Whimsical,
            "predicts the same twice",
            rf"the same images predicted once more: counts {TWO}; expected the same \(Whimsical",
        ),
        (
            TraceTellsMore,
            "predicts the same twice",
            rf"the same images predicted with trace=True: counts {TWO}; expected the same",
        ),
        (
            OfTheBatch,
            "one image = a batch",
            rf"in a batch of 24 and alone: counts {TWO}; expected the same: is every layer in eval",
        ),
        (
            OfTheOrder,
            "order of a batch",
            rf"in a batch and in the reversed one: counts {TWO}; expected the same for each image",
        ),
        (
            ReadsLabels,
            "labels are not read",
            rf"without labels and with wrong ones: counts {TWO}; expected the same: predict never",
        ),
        (
            Unbounded,
            "more objects",
            r"the state of 3 objects does not fit a task of 6; expected parameters that do not depe"
            r"nd on max_objects: load_state_dict raised RuntimeError: .*size mismatch.* in module"
            r"\.py line \d+; .* \(GradientMethod\.load_state_dict, gradient\.py line \d+",
        ),
        (
            FlatTrace,
            "trace",
            r"trace\.S_t has shape \[24, 9, 4, 4\]; expected \[24, 9, 1, 16\], as",
        ),
        (FarTrace, "trace", r"trace\.glimpses holds 16; expected finite numbers >= 0 and <= 15, a"),
        (OtherTrace, "trace", r"trace\.labels is \[.*\] for image \d+; expected the labels of its"),
    ],
)
def test_one_thing_wrong_fails_the_check_of_it_alone(failed, fault, name, said):
    found = failed(fault)
    assert list(found) == [name]
    assert re.match(said, found[name]), found[name]


class Reaches:
    any_cardinality: ClassVar = True

    def __init__(self, task, config, setup):
        if task.max_objects > 5:
            raise Unsupported("five objects are\n\x1b[2Jthe most it can count")
        super().__init__(task, config, setup)


def test_more_objects_than_there_can_be_are_told_and_allowed(outcomes):
    class Many:
        def predict(self, batch, *, trace=False):
            found = super().predict(batch).counts
            return Prediction(found + 4 if self.updates_done == 0 else found)

    assert outcomes(Many)["prediction"].detail == (
        "counts >= 0 [24, 4], no confidence; untrained, more than 3 objects in 24 images"
    )


def test_more_objects_than_a_method_can_see_are_a_reason_and_no_failure(outcomes):
    checks = outcomes(Reaches)
    assert failures(checks.values()) == []
    assert (checks["more objects"].outcome, checks["more objects"].detail) == (
        "skipped",
        "with up to 6 it says it cannot: five objects are \\x1b[2Jthe most it can count",
    )
