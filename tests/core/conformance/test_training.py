"""What `check-method` asks of training: one thing wrong fails the check of it alone."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hsal_bench.method.contract import Unsupported

FILE = f"{Path(__file__).name} line"


class NeedsMore:
    def __init__(self, task, config, setup):
        raise Unsupported("it needs ten classes")


class Attached:
    def _follow(self, batch):
        return super()._follow(batch) | {"kept": self.network[2].bias.sum()}


class NoLoss:
    def _follow(self, batch):
        return {"error": torch.zeros(())}


class Diverges:
    def loss(self, batch):
        return {"loss": super().loss(batch)["loss"] / (self.updates_done < 10)}


class Blind:
    """It knows how often each class occurs, and looks at nothing."""

    def scores(self, batch):
        return self.network(torch.ones_like(batch.inputs)).view(-1, 4, 4)


class Unseeded:
    made = 0

    def build_network(self):
        Unseeded.made += 1
        torch.manual_seed(Unseeded.made)
        return super().build_network()


class PredictTrains:
    def predict(self, batch, *, trace=False):
        self.updates_done += 50
        return super().predict(batch)


class PredictCounts:
    """What it counts is in no state, and in every loss."""

    asked = 0

    def loss(self, batch):
        return {"loss": super().loss(batch)["loss"] * (1.0 + self.asked)}

    def predict(self, batch, *, trace=False):
        self.asked += 1
        return super().predict(batch)


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


class PredictMovesNoState(PredictMovesBuffers):
    def look(self, batch):
        self.norm.seen += len(batch.inputs)


class GlobalNoise:
    def update(self, batch):
        noise = torch.rand_like(batch.inputs)
        return super().update(dataclasses.replace(batch, inputs=batch.inputs + noise))


class MovesGlobal:
    def predict(self, batch, *, trace=False):
        torch.rand(1)
        return super().predict(batch)


class EveryThird:
    """What it counts comes again with every third update, and is in no state."""

    steps = 0

    def loss(self, batch):
        self.steps += 1
        return {"loss": super().loss(batch)["loss"] / (1 + self.steps % 3)}


class Forgets:
    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.updates_done = 0
        self.generator.manual_seed(0)
        for group in self.optimizer.state.values():
            group["exp_avg"].zero_()


class StrangeState:
    def state_dict(self):
        return {**super().state_dict(), "config": self.config}


class PerObject:
    def loss(self, batch):
        counts, _ = batch.truth()
        return {"loss": super().loss(batch)["loss"] * counts.sum() / counts.sum()}


class NoState:
    def state_dict(self):
        return None


class NumpyNoise:
    noise = np.random.default_rng(0)

    def loss(self, batch):
        return {"loss": super().loss(batch)["loss"] * float(self.noise.random())}


class NeedsAnObject:
    def loss(self, batch):
        _, labels = batch.truth()
        highest = labels[labels >= 0].max()
        return {"loss": super().loss(batch)["loss"] + 0 * highest}


@pytest.mark.parametrize(
    ("fault", "name", "said"),
    [
        (NeedsMore, "made", "Unsupported: it needs ten classes; a method is checked on 4 classes"),
        (
            Attached,
            "update",
            r"update returned 'kept' with its graph attached; expected detached scalars: \.detach"
            r"\(\) \(Sound\.loss, conftest\.py line \d+; Method\.update in hsal_bench/m",
        ),
        (NoLoss, "update", r"""NoLoss\.update returned 'error': it lacks "loss"$"""),
        (Diverges, "training", "'loss' is inf at update 10; expected finite numbers"),
        (
            Blind,
            "learning",
            r"multiset IoU 0\.\d+ after 400 updates; expected at least 0\.395, as the best constan"
            r"t multiset has 0\.295: does the loss follow the truth",
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
            r"predict changed state_dict\(\)\['updates_done'\]; expected that it stays: only upda"
            r"te changes what a method holds \(PredictTrains\.predict",
        ),
        (
            PredictCounts,
            "predicting changes nothing",
            r"without and with a prediction after every update, the runs give \w+ [\d.]+ and [\d.]"
            r"+ at update \d; expected the same \(PredictCounts\.predict",
        ),
        (
            PredictMovesBuffers,
            "predicting changes nothing",
            r"predict changed self\.norm\.running_mean; expected that it stays: BatchNorm2d of sel"
            r"f\.norm ran in training mode: call self\.norm\.eval\(\) in predict, and self\.norm\.",
        ),
        (
            PredictMovesNoState,
            "predicting changes nothing",
            r"predict changed self\.norm\.seen; expected that it stays: only update changes what a",
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
            EveryThird,
            "saved and gone on with",
            r"without and with a break, training gives \w+ [\d.]+ and [\d.]+ at update 3; expecte",
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
            NeedsAnObject,
            "empty and full images",
            rf"where no image has an object: {FILE} \d+: RuntimeError: max\(\)",
        ),
        (
            PerObject,
            "empty and full images",
            r"where no image has an object: 'loss' is nan at update 1; expected finite numbers",
        ),
    ],
)
def test_one_thing_wrong_fails_the_check_of_it_alone(failed, fault, name, said):
    found = failed(fault)
    assert list(found) == [name]
    assert re.match(said, found[name]), found[name]
