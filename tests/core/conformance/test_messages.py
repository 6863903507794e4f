"""How `check-method` tells a call that raises: with the method's own line, or what was expected."""

import re
import sys
from pathlib import Path

import pytest

from hsal_bench.conformance import messages
from hsal_bench.method.contract import Prediction
from hsal_bench.method.gradient import GradientConfig

FILE = f"{re.escape(Path(__file__).name)} line"
CONTRACT = re.escape(messages.CONTRACT)


class NeedsLabels:
    def predict(self, batch, *, trace=False):
        return Prediction(batch.truth()[0])


class Raises:
    def predict(self, batch, *, trace=False):
        raise IndexError("out of\n\x1b[2Jreach")


class Exits:
    def predict(self, batch, *, trace=False):
        sys.exit(3)


class TakesTheTaskAlone:
    def __init__(self, task):
        super().__init__(task, GradientConfig(), None)


class TakesNoTrace:
    def predict(self, batch):
        return super().predict(batch)


class BareState:
    def state_dict(self):
        return {"network": self.network.state_dict()}


@pytest.mark.parametrize(
    ("fault", "name", "said"),
    [
        (NeedsLabels, "prediction", f"{FILE} .*ValueError: this batch carries no labels: it was d"),
        (Raises, "prediction", rf"{FILE} \d+: IndexError: out of \\x1b\[2Jreach$"),
        (Exits, "prediction", rf"{FILE} \d+: SystemExit: 3: a method does not end the program$"),
        (
            TakesTheTaskAlone,
            "made",
            r"__init__ raised TypeError: .* positional arguments but 4 were given; expected "
            rf"__init__\(self, task, config, setup\) \(TakesTheTaskAlone\.__init__, {FILE} \d+; "
            rf"Method\.__init__ in {CONTRACT}\)$",
        ),
        (
            TakesNoTrace,
            "prediction",
            r"predict raised TypeError: .* unexpected keyword argument 'trace'; expected predict\(s"
            rf"elf, batch, \*, trace=False\) \(TakesNoTrace\.predict, {FILE}",
        ),
        (
            BareState,
            "saved and gone on with",
            r"load_state_dict raised KeyError: 'optimizer' in gradient\.py line \d+; expected that "
            rf"it takes what state_dict returned \(BareState\.state_dict, {FILE}",
        ),
    ],
)
def test_one_thing_wrong_fails_the_check_of_it_alone(failed, fault, name, said):
    found = failed(fault)
    assert list(found) == [name]
    assert re.match(said, found[name]), found[name]
