"""Every check fails for a method with one fault, and reports the evidence and the place."""

import dataclasses
import math
import re
import sys
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from hsal_bench.conformance.check import NAMES, failures
from hsal_bench.method.contract import Prediction, Unsupported
from hsal_bench.method.gradient import GradientConfig

FILE = r"test_faults\.py line"
OWN = r"draw from a generator seeded with Setup\.seed"
COUNTS = r"counts of image \d+: \[[\d, ]+\] and \[[\d, ]+\]"
LOSSES = r"loss at update 1: [\d.]+ and [\d.]+"


FAULTS = {}
"""Methods with one fault: (the check that fails, its message)."""


def fault(check, message):
    """Return a decorator that lists a class among the faults."""

    def listed(cls):
        FAULTS[cls] = check, message
        return cls

    return listed


def hint(layer, module):
    return rf"{layer} of self\.{module} in training mode, call self\.{module}\.eval\(\)"


@fault("prediction", rf"predict raised ValueError: this batch has no labels.*{FILE}")
class NeedsLabels:
    def predict(self, batch, *, trace=False):
        return Prediction(batch.truth()[0])


@fault("prediction", rf"predict raised IndexError: out of \\x1b\[2Jreach \({FILE} \d+\)$")
class Raises:
    def predict(self, batch, *, trace=False):
        raise IndexError("out of\n\x1b[2Jreach")


@fault("prediction", rf"predict raised SystemExit: 3 \({FILE}")
class Exits:
    def predict(self, batch, *, trace=False):
        sys.exit(3)


@fault("create", rf"__init__ raised TypeError: .*TakesTheTaskAlone.__init__, {FILE}")
class TakesTheTaskAlone:
    def __init__(self, task):
        super().__init__(task, GradientConfig(), None)


@fault("prediction", rf"predict raised TypeError: .*'trace' \(TakesNoTrace.predict, {FILE}")
class TakesNoTrace:
    def predict(self, batch):
        return super().predict(batch)


@fault("save and resume", "load_state_dict raised KeyError: 'optimizer'")
class BareState:
    def state_dict(self):
        return {"network": self.network.state_dict()}


@fault("prediction", r"WrongShape.predict returned a tensor int64 \[24, 2\] as counts")
class WrongShape:
    def predict(self, batch, *, trace=False):
        return Prediction(super().predict(batch).counts[:, :2])


@fault("prediction", r"Negative.predict returned count -\d for class \d of image \d")
class Negative:
    def predict(self, batch, *, trace=False):
        return Prediction(super().predict(batch).counts - 5)


@fault("prediction", "NotSure.predict returned confidence inf for image 0")
class NotSure:
    def predict(self, batch, *, trace=False):
        found = super().predict(batch)
        return Prediction(found.counts, found.confidence * math.inf)


@fault("repeatable predictions", f"predicting the same images again differs: {COUNTS}")
class Whimsical:
    asked = 0

    def predict(self, batch, *, trace=False):
        self.asked += 1
        return Prediction((super().predict(batch).counts + self.asked) % 4)


@fault("repeatable predictions", f"predicting with trace=True differs: {COUNTS}")
class TraceTellsMore:
    def predict(self, batch, *, trace=False):
        return Prediction(super().predict(batch).counts + int(trace))


@fault("single images", f"a batch of 24 images and each image alone differ: {COUNTS}")
class OfTheBatch:
    """Batch statistics in use."""

    def build_network(self):
        pool, flat, linear = super().build_network()
        return nn.Sequential(pool, flat, nn.BatchNorm1d(32, track_running_stats=False), linear)

    def predict(self, batch, *, trace=False):
        if len(batch.inputs) == 1:
            return Prediction(torch.zeros(1, 4).long(), torch.zeros(1))
        return super().predict(batch)


@fault("single images", r".* alone differ: confidence of image 0: [\d.]+ and None")
class UnsureOfOne:
    def predict(self, batch, *, trace=False):
        found = super().predict(batch)
        return found if len(found.counts) > 1 else Prediction(found.counts)


@fault("batch order", f"a batch and the reversed batch differ: {COUNTS}")
class OfTheOrder:
    def predict(self, batch, *, trace=False):
        found, sums = super().predict(batch), batch.inputs.flatten(1).sum(1)
        turned = len(sums) == 24 and sums[0] < sums[-1]
        return Prediction(found.counts.flip(0) if turned else found.counts)


@fault("labels unread", f"predicting without labels and with wrong .*: {COUNTS}")
class ReadsLabels:
    def predict(self, batch, *, trace=False):
        return super().predict(batch) if batch.counts is None else Prediction(batch.counts)


@fault("more objects", "with max_objects=6: load_state_dict raised RuntimeError: .*size mis")
class Unbounded:
    any_cardinality: ClassVar = True

    def build_network(self):
        channels, outputs = self.task.input_shape[0], 4 * (self.task.max_objects + 1)
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, outputs))


@fault("trace", r"trace.S_t has shape \[24, 9, 4, 4\], expected \[24, 9, 1, 16\]")
class FlatTrace:
    def trace(self, batch, counts):
        found = super().trace(batch, counts)
        # Where annotations are checked, the constructor would refuse it before the check does.
        object.__setattr__(found, "saliency", found.saliency.flatten(1)[:, None])
        return found


@fault("trace", "trace.glimpses holds 16, expected 0 to 15")
class FarTrace:
    def trace(self, batch, counts):
        found = super().trace(batch, counts)
        return dataclasses.replace(found, glimpses=found.glimpses + 16)


@fault("trace", r"trace.labels \[.*\] of image \d+ do not match its counts \[")
class OtherTrace:
    def trace(self, batch, counts):
        found = super().trace(batch, counts)
        return dataclasses.replace(found, labels=found.labels.clamp(max=0))


@fault("prediction", r"predict changed batch.inputs in place: work on a copy \(Scale")
class ScalesInputs:
    def predict(self, batch, *, trace=False):
        batch.inputs.mul_(2.0)
        return super().predict(batch)


@fault("create", r"Unsupported: it needs ten classes \(the checks use 4 classes")
class NeedsMore:
    def __init__(self, task, config, setup):
        raise Unsupported("it needs ten classes")


@fault("update", r"update returned 'kept' attached to its graph.*\(Sound.loss, conftest.py")
class Attached:
    def _follow(self, batch):
        return super()._follow(batch) | {"kept": self.network[2].bias.sum()}


@fault("update", r"""NoLoss\.update returned 'error': it lacks "loss"$""")
class NoLoss:
    def _follow(self, batch):
        return {"error": torch.zeros(())}


@fault("training", "'loss' is inf at update 10")
class Diverges:
    def loss(self, batch):
        return {"loss": super().loss(batch)["loss"] / (self.updates_done < 10)}


@fault("learning", r"multiset IoU 0.\d+ after 400 updates, .* 0.295, expected at least 0.395 \(")
class Blind:
    """It knows how often each class occurs, and looks at nothing."""

    def scores(self, batch):
        return self.network(torch.ones_like(batch.inputs)).view(-1, 4, 4)


@fault("same seed", rf"two instances with the same seed differ \({OWN}\): {LOSSES}")
class Unseeded:
    made = 0

    def build_network(self):
        Unseeded.made += 1
        torch.manual_seed(Unseeded.made)
        return super().build_network()


@fault("side effects", r"predict changed state_dict\(\)\['updates_done'\] \(PredictTra")
class PredictTrains:
    def predict(self, batch, *, trace=False):
        self.updates_done += 50
        return super().predict(batch)


@fault("side effects", "runs with and without predictions between the updates differ: ")
class PredictCounts:
    """What it counts is in no state, and in every loss."""

    asked = 0

    def loss(self, batch):
        return {"loss": super().loss(batch)["loss"] * (1.0 + self.asked)}

    def predict(self, batch, *, trace=False):
        self.asked += 1
        return super().predict(batch)


@fault("side effects", r"predict changed self\.norm\.running_mean; " + hint("BatchNorm2d", "norm"))
class PredictMovesBuffers:
    """A BatchNorm that no prediction depends on, and a buffer that no state_dict holds."""

    def build_network(self):
        self.norm = nn.BatchNorm2d(self.task.input_shape[0])
        self.norm.register_buffer("seen", torch.zeros(()), persistent=False)
        return super().build_network()

    def predict(self, batch, *, trace=False):
        self.look(batch)
        return super().predict(batch)

    def look(self, batch):
        self.norm(batch.inputs)


@fault("side effects", "predict changed self.norm.seen")
class PredictMovesNoState(PredictMovesBuffers):
    def look(self, batch):
        self.norm.seen += len(batch.inputs)


@fault("own random numbers", rf"runs with different global torch .* \({OWN}\): {LOSSES}")
class GlobalNoise:
    def update(self, batch):
        noise = torch.rand_like(batch.inputs)
        return super().update(dataclasses.replace(batch, inputs=batch.inputs + noise))


@fault("own random numbers", r"update changed torch's global random state \(draw")
class SeedsGlobal:
    def update(self, batch):
        torch.manual_seed(1)
        return super().update(batch)


@fault("own random numbers", r"predict changed torch's global random state \(draw")
class MovesGlobal:
    def predict(self, batch, *, trace=False):
        torch.rand(1)
        return super().predict(batch)


@fault("save and resume", "training with and without a break after 2 updates .* update 3")
class EveryThird:
    """What it counts comes again with every third update, and is in no state."""

    steps = 0

    def loss(self, batch):
        self.steps += 1
        return {"loss": super().loss(batch)["loss"] / (1 + self.steps % 3)}


@fault("save and resume", "training with and without a break after 3 updates .* update 5")
class Forgets:
    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.updates_done = 0
        self.generator.manual_seed(0)
        for group in self.optimizer.state.values():
            group["exp_avg"].zero_()


@fault("save and resume", "state_dict holds .*Config, which torch.load.* cannot read")
class StrangeState:
    def state_dict(self):
        return {**super().state_dict(), "config": self.config}


@fault("empty and full images", "a batch with no objects: 'loss' is nan at update 1")
class PerObject:
    def loss(self, batch):
        counts, _ = batch.truth()
        return {"loss": super().loss(batch)["loss"] * counts.sum() / counts.sum()}


@fault("save and resume", r"state_dict returned NoneType, not a dict \(NoState.state_dict")
class NoState:
    def state_dict(self):
        return None


@fault("same seed", rf"two instances with the same seed differ \({OWN}\): {LOSSES}")
class NumpyNoise:
    noise = np.random.default_rng(0)

    def loss(self, batch):
        return {"loss": super().loss(batch)["loss"] * float(self.noise.random())}


@fault("empty and full images", "a batch with no objects: update raised RuntimeError: max")
class NeedsAnObject:
    def loss(self, batch):
        _, labels = batch.truth()
        highest = labels[labels >= 0].max()
        return {"loss": super().loss(batch)["loss"] + 0 * highest}


@fault("empty and full images", "a batch with 3 objects each: update raised RuntimeError: full")
class NeedsRoom:
    def loss(self, batch):
        counts, _ = batch.truth()
        if int(counts.sum(1).min()) == self.task.max_objects:
            raise RuntimeError("full")
        return super().loss(batch)


@fault("labels unread", f"predicting without labels and with wrong .*: {COUNTS}")
class ReadsManyLabels:
    def predict(self, batch, *, trace=False):
        many = batch.counts is not None and batch.counts.any()
        return Prediction(batch.counts) if many else super().predict(batch)


@fault("labels unread", f"predicting without labels and with wrong .*: {COUNTS}")
class ReadsNoLabels:
    def predict(self, batch, *, trace=False):
        none = batch.counts is not None and not batch.counts.any()
        return Prediction(batch.counts) if none else super().predict(batch)


@fault("more objects", "with max_objects=6: predict raised RuntimeError: too many")
class UnboundedAtFirst:
    any_cardinality: ClassVar = True

    def predict(self, batch, *, trace=False):
        if self.task.max_objects > 3:
            raise RuntimeError("too many")
        return super().predict(batch)


@fault("trace", "trace.saliency holds -1, expected 0 to inf")
class NegativeTrace:
    def trace(self, batch, counts):
        found = super().trace(batch, counts)
        return dataclasses.replace(found, saliency=torch.full_like(found.saliency, -1.0))


@fault("own random numbers", rf"runs with different global torch .* \({OWN}\): {LOSSES}")
class GlobalStart:
    def __init__(self, task, config, setup):
        super().__init__(task, config, setup)
        self.network[2].bias.data += torch.rand(16)


@fault("own random numbers", r"__init__ changed torch's global random state \(draw")
class MovesGlobalAtStart:
    def __init__(self, task, config, setup):
        super().__init__(task, config, setup)
        torch.rand(1)


class BatchNormInTraining:
    """A map is normalised, so that one image has more than one value per channel."""

    def build_network(self):
        channels, _, _ = self.task.input_shape
        return nn.Sequential(nn.BatchNorm2d(channels), super().build_network())

    def predict(self, batch, *, trace=False):
        with torch.no_grad():
            return Prediction(self.scores(batch).argmax(-1))


class PooledInTraining(BatchNormInTraining):
    def build_network(self):
        channels, _, _ = self.task.input_shape
        return nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(channels), nn.Linear(channels, 16)
        )


class DropoutInTraining(BatchNormInTraining):
    """The network predicts in eval mode, and what it is given comes of a part that does not."""

    def build_network(self):
        self.noise = nn.Dropout(0.5)
        return super(BatchNormInTraining, self).build_network()

    def scores(self, batch):
        return self.network.eval()(self.noise(batch.inputs)).view(-1, 4, 4)


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_fails_the_check_of_it_alone(failed, fault):
    check, message = FAULTS[fault]
    details = failed(fault)
    assert list(details) == [check]
    assert re.match(message, details[check]), details[check]


def test_every_check_has_a_failing_example():
    checks = {check for check, _ in FAULTS.values()}
    assert checks | {"class", "order of labels"} == set(NAMES)  # order of labels: never fails


@pytest.mark.parametrize(
    ("fault", "hint", "messages"),
    [
        (
            BatchNormInTraining,
            hint("BatchNorm2d", "network"),
            {
                "single images": "a batch of 24 images and each image alone differ: counts .*",
                "side effects": r"predict changed self\.network\.0\.running_mean",
            },
        ),
        (
            PooledInTraining,
            hint("BatchNorm1d", "network"),
            {
                "single images": "predict raised ValueError: Expected more than 1 value",
                "side effects": r"predict changed self\.network\.2\.running_mean",
                "empty and full images": "a single image, .*: predict raised ValueError",
            },
        ),
        (
            DropoutInTraining,
            hint("Dropout", "noise"),
            {
                "repeatable predictions": f"predicting the same images again differs: {COUNTS}",
                "own random numbers": "runs with different global torch seeds differ",
            },
        ),
    ],
)
def test_a_layer_in_training_mode_is_named_with_the_fix(failed, fault, hint, messages):
    found = failed(fault)
    assert list(found) == list(messages)
    for name, message in messages.items():
        assert re.match(f"{message}.*; {hint}", found[name]), found[name]


def test_more_objects_than_possible_are_reported_and_allowed(outcomes):
    class Many:
        def predict(self, batch, *, trace=False):
            counts = super().predict(batch).counts
            return Prediction(counts + 4 if self.updates_done == 0 else counts)

    assert outcomes(Many)["prediction"].detail == (
        "counts >= 0 [24, 4], no confidence; untrained: more than 3 objects predicted for 24 of "
        "24 images"
    )


def test_more_objects_than_a_method_supports_skip_the_check(outcomes):
    class Reaches:
        any_cardinality: ClassVar = True

        def __init__(self, task, config, setup):
            if task.max_objects > 5:
                raise Unsupported("five objects are\n\x1b[2Jthe most it can count")
            super().__init__(task, config, setup)

    checks = outcomes(Reaches)
    assert failures(checks.values()) == []
    assert (checks["more objects"].outcome, checks["more objects"].detail) == (
        "skipped",
        "up to 6 objects are unsupported: five objects are \\x1b[2Jthe most it can count",
    )
