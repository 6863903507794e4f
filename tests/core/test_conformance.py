"""Every check of `check-method` passes a sound method, and fails one with that one thing wrong."""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from hsal_bench import conformance, registry
from hsal_bench.conformance_task import tiny_task
from hsal_bench.errors import UsageError
from hsal_bench.gradient import GradientConfig, GradientMethod
from hsal_bench.method import Prediction, Trace, Unsupported

CPU = torch.device("cpu")
FILE = "test_conformance.py line"


@dataclass(frozen=True)
class Config(GradientConfig):
    learning_rate: float = 0.01


class Sound(GradientMethod):
    """Counts on the pooled inputs, a classification per class; its trace is its first choice."""

    Config = Config

    def build_network(self):
        channels, _, _ = self.task.input_shape
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 16))

    def scores(self, batch):
        return self.network(batch.inputs).view(-1, 4, 4)

    def loss(self, batch):
        counts, _ = batch.truth()
        return {"loss": nn.functional.cross_entropy(self.scores(batch).transpose(1, 2), counts)}

    def predict(self, batch, *, trace=False):
        self.network.eval()
        with torch.no_grad():
            log_p, counts = self.scores(batch).log_softmax(-1).max(-1)
        return Prediction(counts, log_p.sum(1).exp(), self.trace(batch, counts) if trace else None)

    def trace(self, batch, counts):
        return None


class Looks(Sound):
    def trace(self, batch, counts):
        size, steps = len(counts), 9
        labels = torch.full((size, steps), -1)
        for row, found in enumerate(counts.tolist()):
            flat = [label for label, times in enumerate(found) for _ in range(times)]
            labels[row, : len(flat)] = torch.tensor(flat, dtype=torch.int64)
        maps = torch.zeros(size, steps, 4, 4)
        return Trace(
            batch.inputs.mean(1), maps, maps, maps, torch.zeros(size, steps, 2).long(), labels
        )


class Images(Sound):
    inputs = "images"

    def build_network(self):
        first, second = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, 2, padding=1)
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 16))
        return nn.Sequential(first, nn.ReLU(), nn.MaxPool2d(2), second, nn.ReLU(), head)


class LooseConfig(Sound):
    @dataclass
    class Config:
        learning_rate: float = 0.01


class DictConfig(Sound):
    @dataclass(frozen=True)
    class Config(Config):
        sizes: dict = dataclasses.field(default_factory=dict)


class StrangePreset(Sound):
    presets: ClassVar = {"quick": {"hiden": 3}}


class RefusedPreset(Sound):
    presets: ClassVar = {"quick": {"rate": 9}}

    @dataclass(frozen=True)
    class Config(Config):
        rate: int = 1

        def __post_init__(self):
            if self.rate > 3:
                raise ValueError("the rate is\n\x1b[2Jtoo large")


class UnknownType(Sound):
    @dataclass(frozen=True)
    class Config(Config):
        size: "Sizes" = 1


class OtherInputs(Sound):
    inputs = "volumes"


class Open(GradientMethod):
    def loss(self, batch): ...


class NeedsMore(Sound):
    def __init__(self, task, config, setup):
        raise Unsupported("it needs ten classes")


class Attached(Sound):
    def _follow(self, batch):
        return super()._follow(batch) | {"kept": self.network[2].bias.sum()}


class NoLoss(Sound):
    def _follow(self, batch):
        return {"error": torch.zeros(())}


class WrongShape(Sound):
    def predict(self, batch, *, trace=False):
        return Prediction(super().predict(batch).counts[:, :2])


class Negative(Sound):
    def predict(self, batch, *, trace=False):
        return Prediction(super().predict(batch).counts - 5)


class NotSure(Sound):
    def predict(self, batch, *, trace=False):
        found = super().predict(batch)
        return Prediction(found.counts, found.confidence * math.inf)


class NeedsLabels(Sound):
    def predict(self, batch, *, trace=False):
        return Prediction(batch.truth()[0])


class Diverges(Sound):
    def loss(self, batch):
        return {"loss": super().loss(batch)["loss"] / (self.updates_done < 10)}


class Blind(Sound):
    """It knows how often each class occurs, and looks at nothing."""

    def scores(self, batch):
        return self.network(torch.ones_like(batch.inputs)).view(-1, 4, 4)


class Whimsical(Sound):
    asked = 0

    def predict(self, batch, *, trace=False):
        self.asked += 1
        return Prediction((super().predict(batch).counts + self.asked) % 4)


class TraceTellsMore(Sound):
    def predict(self, batch, *, trace=False):
        return Prediction(super().predict(batch).counts + int(trace))


class OfTheBatch(Sound):
    """Batch statistics in use."""

    def build_network(self):
        pool, flat, linear = super().build_network()
        return nn.Sequential(pool, flat, nn.BatchNorm1d(32, track_running_stats=False), linear)

    def predict(self, batch, *, trace=False):
        if len(batch.inputs) == 1:
            return Prediction(torch.zeros(1, 4).long(), torch.zeros(1))
        return super().predict(batch)


class BatchNorm(Sound):
    def build_network(self):
        pool, flat, linear = super().build_network()
        return nn.Sequential(pool, flat, nn.BatchNorm1d(32), linear)


class OfTheOrder(Sound):
    def predict(self, batch, *, trace=False):
        found, sums = super().predict(batch), batch.inputs.flatten(1).sum(1)
        turned = len(sums) == 24 and sums[0] < sums[-1]
        return Prediction(found.counts.flip(0) if turned else found.counts)


class ReadsLabels(Sound):
    def predict(self, batch, *, trace=False):
        return super().predict(batch) if batch.counts is None else Prediction(batch.counts)


class Unseeded(Sound):
    made = 0

    def build_network(self):
        Unseeded.made += 1
        torch.manual_seed(Unseeded.made)
        return super().build_network()


class PredictTrains(Sound):
    def predict(self, batch, *, trace=False):
        self.updates_done += 50
        return super().predict(batch)


class GlobalNoise(Sound):
    def update(self, batch):
        noise = torch.rand_like(batch.inputs)
        return super().update(dataclasses.replace(batch, inputs=batch.inputs + noise))


class Dropout(Sound):
    def build_network(self):
        return nn.Sequential(super().build_network(), nn.Dropout(0.1))


class Unbounded(Sound):
    any_cardinality: ClassVar = True

    def build_network(self):
        channels, outputs = self.task.input_shape[0], 4 * (self.task.max_objects + 1)
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, outputs))


class MovesGlobal(Sound):
    def predict(self, batch, *, trace=False):
        torch.rand(1)
        return super().predict(batch)


class Forgets(Sound):
    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.updates_done = 0
        self.generator.manual_seed(0)
        for group in self.optimizer.state.values():
            group["exp_avg"].zero_()


class StrangeState(Sound):
    def state_dict(self):
        return {**super().state_dict(), "config": self.config}


class PerObject(Sound):
    def loss(self, batch):
        counts, _ = batch.truth()
        return {"loss": super().loss(batch)["loss"] * counts.sum() / counts.sum()}


class FlatTrace(Looks):
    def trace(self, batch, counts):
        found = super().trace(batch, counts)
        # Where annotations are checked, the constructor would refuse it before the check does.
        object.__setattr__(found, "saliency", found.saliency.flatten(1)[:, None])
        return found


class FarTrace(Looks):
    def trace(self, batch, counts):
        found = super().trace(batch, counts)
        return dataclasses.replace(found, glimpses=found.glimpses + 16)


class OtherTrace(Looks):
    def trace(self, batch, counts):
        found = super().trace(batch, counts)
        return dataclasses.replace(found, labels=found.labels.clamp(max=0))


class Raises(Sound):
    def predict(self, batch, *, trace=False):
        raise IndexError("out of\n\x1b[2Jreach")


class Exits(Sound):
    def predict(self, batch, *, trace=False):
        sys.exit(3)


class TakesTheTaskAlone(Sound):
    def __init__(self, task):
        super().__init__(task, Config(), None)


class TakesNoTrace(Sound):
    def predict(self, batch):
        return super().predict(batch)


class NoState(Sound):
    def state_dict(self):
        return None


class BareState(Sound):
    def state_dict(self):
        return {"network": self.network.state_dict()}


class NumpyNoise(Sound):
    noise = np.random.default_rng(0)

    def loss(self, batch):
        return {"loss": super().loss(batch)["loss"] * float(self.noise.random())}


class ScalesInputs(Sound):
    def predict(self, batch, *, trace=False):
        batch.inputs.mul_(2.0)
        return super().predict(batch)


class NeedsAnObject(Sound):
    def loss(self, batch):
        _, labels = batch.truth()
        highest = labels[labels >= 0].max()
        return {"loss": super().loss(batch)["loss"] + 0 * highest}


class Reaches(Sound):
    any_cardinality: ClassVar = True

    def __init__(self, task, config, setup):
        if task.max_objects > 5:
            raise Unsupported("five objects are\n\x1b[2Jthe most it can count")
        super().__init__(task, config, setup)


def checked(cls):
    return {check.name: check for check in conformance.check_method(cls)}


@pytest.mark.parametrize("cls", [Sound, Looks, Images, Dropout, BatchNorm])
def test_a_sound_method_passes_every_check(cls):
    checks = checked(cls)
    assert conformance.failures(checks.values()) == []
    skipped = {name: check.detail for name, check in checks.items() if check.outcome == "skipped"}
    fixed = {"more objects": "built for at most 3 objects (any_cardinality is not True)"}
    assert skipped == (fixed if cls is Looks else {"trace": "the method gives none"} | fixed)
    if cls is Looks:
        assert checks["trace"].detail == "9 steps of 2 glimpses on 4 x 4 cells"
    told = r"multiset IoU 0\.\d+ after \d+ updates, the best constant multiset has 0\.\d+"
    assert re.fullmatch(told, checks["learning"].detail)


TWO = r"\[[\d, ]+\] and \[[\d, ]+\] of image \d+"


@pytest.mark.parametrize(
    ("cls", "name", "said"),
    [
        (LooseConfig, "class", r"LooseConfig.Config can be changed .* @dataclass\(frozen=True\)$"),
        (DictConfig, "class", r"DictConfig\.Config\.sizes is \{\}, a field of type dict that --se"),
        (StrangePreset, "class", r"StrangePreset\.presets\['quick'\] changes 'hiden'; expected a "),
        (
            RefusedPreset,
            "class",
            r"RefusedPreset\.presets\['quick'\] raises ValueError: the rate is \\x1b\[2Jtoo large",
        ),
        (
            UnknownType,
            "class",
            r"reading the types of UnknownType\.Config raises NameError: name 'Sizes' is not d",
        ),
        (OtherInputs, "class", "OtherInputs.inputs is 'volumes'; expected 'images' or 'activat"),
        (Open, "class", "Open has no `build_network` and no `predict`; its base class leaves it "),
        (int, "class", "int has no `Config` and no `inputs` and no `update`"),
        pytest.param(
            type("odd\u202e", (int,), {}),
            "class",
            r"odd\\u202e has no `Config` and no `inputs` and no",
            id="a-name-that-does-not-print",
        ),
        (NeedsMore, "made", "Unsupported: it needs ten classes; a method is checked on 4 classes"),
        (
            Attached,
            "update",
            r"update returned 'kept' with its graph attached; expected detached scalars: \.detach"
            r"\(\) \(Sound\.loss, test_conformance\.py line \d+; Method\.update in hsal_bench/m",
        ),
        (NoLoss, "update", r"""NoLoss\.update returned 'error': it lacks "loss"$"""),
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
        (NeedsLabels, "prediction", f"{FILE} .*ValueError: this batch carries no labels: it was d"),
        (Raises, "prediction", rf"{FILE} \d+: IndexError: out of \\x1b\[2Jreach$"),
        (Exits, "prediction", rf"{FILE} \d+: SystemExit: 3: a method does not end the program$"),
        (
            TakesTheTaskAlone,
            "made",
            r"__init__ raised TypeError: .* positional arguments but 4 were given; expected "
            r"__init__\(self, task, config, setup\) \(TakesTheTaskAlone\.__init__, test_conformanc"
            r"e\.py line \d+; Method\.__init__ in hsal_bench/method\.py\)$",
        ),
        (
            TakesNoTrace,
            "prediction",
            r"predict raised TypeError: .* unexpected keyword argument 'trace'; expected predict\(s"
            r"elf, batch, \*, trace=False\) \(TakesNoTrace\.predict, test_conformance\.py line \d+",
        ),
        (
            ScalesInputs,
            "prediction",
            r"predict changed batch\.inputs in place; expected that they stay: work on a copy \(",
        ),
        (Diverges, "training", "'loss' is inf at update 10; expected finite numbers"),
        (
            Blind,
            "learning",
            r"multiset IoU 0\.\d+ after 400 updates; expected at least 0\.395, as the best constan"
            r"t multiset has 0\.295: does the loss follow the truth",
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
            rf"in a batch of 24 and alone: counts {TWO}; expected the same: is the network in eva",
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
            Unseeded,
            "same seed, same result",
            r"two instances with one seed give loss [\d.]+ and [\d.]+ at update 1; expected the s",
        ),
        (
            NumpyNoise,
            "same seed, same result",
            r"two instances .* at update 1; expected the same: draw from a torch\.Generator seeded "
            r"with Setup\.seed, and nothing from the global generators of numpy or Python's random",
        ),
        (
            PredictTrains,
            "predicting changes nothing",
            r"without and with a prediction after every update, the runs give \w+ [\d.]+ and [\d.]"
            r"+ at update \d; expected the same \(PredictTrains\.predict",
        ),
        (
            Unbounded,
            "more objects",
            r"the state of 3 objects does not fit a task of 6; expected parameters that do not depe"
            r"nd on max_objects: load_state_dict raised RuntimeError: .*size mismatch.* in module"
            r"\.py line \d+; .* \(GradientMethod\.load_state_dict, gradient\.py line \d+",
        ),
        (
            GlobalNoise,
            "random numbers of its own",
            r"with another state of torch's global generator, the run gives loss .* at update 1; "
            r"expected the same: draw from a torch\.Generator of the method's own",
        ),
        (
            MovesGlobal,
            "random numbers of its own",
            r"predict moved torch's global random state; expected that it stays: draw from a torch",
        ),
        (
            Forgets,
            "saved and gone on with",
            r"without and with a break, training gives \w+ [\d.]+ and [\d.]+ at update 5; expecte",
        ),
        (
            StrangeState,
            "saved and gone on with",
            r"state_dict holds a .*Config; expected what torch\.load\(weights_only=True\) reads",
        ),
        (
            NoState,
            "saved and gone on with",
            r"state_dict returned None; expected a dict of all that update changes \(NoState\.st",
        ),
        (
            BareState,
            "saved and gone on with",
            r"load_state_dict raised KeyError: 'optimizer' in gradient\.py line \d+; expected that "
            r"it takes what state_dict returned \(BareState\.state_dict, test_conformance\.py line",
        ),
        (
            NeedsAnObject,
            "empty and full images",
            rf"where no image has an object: {FILE} \d+: RuntimeError: max\(\)",
        ),
        (
            PerObject,
            "empty and full images",
            r"where no image has an object: 'loss' is nan at update 1; expected finite numbers",
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
def test_one_thing_wrong_fails_the_check_of_it_alone(cls, name, said):
    checks = checked(cls)
    failed = {name: check.detail for name, check in checks.items() if check.outcome == "failed"}
    assert list(failed) == [name]
    assert re.match(said, failed[name]), failed[name]


def test_what_rests_on_a_failed_check_is_skipped():
    checks = checked(NoLoss)
    assert checks["training"].detail == "says nothing until this passes: update"
    assert checks["learning"].detail == checks["training"].detail
    assert checks["prediction"].outcome == "passed"
    assert [check.outcome for check in checked(Open).values()] == [
        "failed",
        *["skipped"] * (len(checks) - 1),
    ]


def test_more_objects_than_there_can_be_are_told_and_allowed():
    class Many(Sound):
        def predict(self, batch, *, trace=False):
            found = super().predict(batch).counts
            return Prediction(found + 4 if self.updates_done == 0 else found)

    assert checked(Many)["prediction"].detail == (
        "counts >= 0 [24, 4], no confidence; untrained, more than 3 objects in 24 images"
    )


def test_settings_can_be_given():
    checks = conformance.check_method(Sound, {"learning_rate": "0"})
    (failed,) = conformance.failures(checks)
    assert failed.startswith("learning: multiset IoU 0.")
    with pytest.raises(UsageError, match="Sound has no option 'rate'"):
        conformance.check_method(Sound, {"rate": "0"})


def test_more_objects_than_a_method_can_see_are_a_reason_and_no_failure():
    checks = checked(Reaches)
    assert conformance.failures(checks.values()) == []
    assert (checks["more objects"].outcome, checks["more objects"].detail) == (
        "skipped",
        "with up to 6 it says it cannot: five objects are \\x1b[2Jthe most it can count",
    )


@pytest.mark.parametrize("inputs", ["activations", "images"])
def test_the_tiny_task_keeps_the_forms_of_a_data_set(inputs):
    tiny = tiny_task(inputs, CPU)
    (batch,) = tiny.batches(1)
    assert batch.inputs.shape[1:] == tiny.task.input_shape
    assert batch.inputs.min() >= 0.0
    counts, labels, boxes = tiny.train.counts, tiny.train.labels, tiny.train.boxes
    assert ((labels >= 0).sum(1) == counts.sum(1)).all()
    assert ((boxes >= 0).all(2) == (labels >= 0)).all()
    assert set(counts.sum(1).tolist()) == {0, 1, 2, 3}
    assert (counts > 1).any(1).float().mean() > 0.2
    assert tiny.task.class_objects == tuple(counts.sum(0).tolist())


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.names(registry.METHODS))
def test_every_method_of_this_project_keeps_the_contract(name):
    assert conformance.failures(conformance.check_method(registry.load_method(name))) == []
