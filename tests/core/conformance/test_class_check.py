"""What `check-method` asks of a class before one is made."""

import dataclasses
import re
from dataclasses import dataclass
from typing import ClassVar

import pytest

from hsal_bench.conformance.check import check_method, failures
from hsal_bench.method.gradient import GradientConfig, GradientMethod


class LooseConfig:
    @dataclass
    class Config:
        learning_rate: float = 0.01


class NoConfig:
    Config = None


class PlainConfig:
    class Config:
        learning_rate = 0.01


class MadeConfig:
    Config = GradientConfig()


class DictConfig:
    @dataclass(frozen=True)
    class Config(GradientConfig):
        sizes: dict = dataclasses.field(default_factory=dict)


class StrangePreset:
    presets: ClassVar = {"quick": {"hiden": 3}}


class RefusedPreset:
    presets: ClassVar = {"quick": {"rate": 9}}

    @dataclass(frozen=True)
    class Config(GradientConfig):
        rate: int = 1

        def __post_init__(self):
            if self.rate > 3:
                raise ValueError("the rate is\n\x1b[2Jtoo large")


class UnknownType:
    @dataclass(frozen=True)
    class Config(GradientConfig):
        size: "Sizes" = 1


class OtherInputs:
    inputs = "volumes"


PARTS = ("inputs", "update", "predict", "state_dict", "load_state_dict")
BARE = type("Bare", (), dict.fromkeys(PARTS))


class Open(GradientMethod):
    def loss(self, batch): ...


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            NoConfig,
            r"NoConfig\.Config is None; expected a dataclass: write `Config = Settings` in the meth"
            r"od, Settings being a class under @dataclass\(frozen=True\), empty if there is nothi",
        ),
        (
            PlainConfig,
            r"PlainConfig\.Config is <class .*>; expected a dataclass: put @dataclass\(frozen=Tru",
        ),
        (
            MadeConfig,
            r"MadeConfig\.Config is GradientConfig\(.*\); expected a dataclass: name the class Grad"
            r"ientConfig, and not an instance of it$",
        ),
        (LooseConfig, r"LooseConfig.Config can be changed .* @dataclass\(frozen=True\)$"),
        (DictConfig, r"DictConfig\.Config\.sizes is \{\}, a field of type dict that --se"),
        (StrangePreset, r"StrangePreset\.presets\['quick'\] changes 'hiden'; expected a "),
        (
            RefusedPreset,
            r"RefusedPreset\.presets\['quick'\] raises ValueError: the rate is \\x1b\[2Jtoo large",
        ),
        (
            UnknownType,
            r"reading the types of UnknownType\.Config raises NameError: name 'Sizes' is not d",
        ),
        (OtherInputs, "OtherInputs.inputs is 'volumes'; expected 'images' or 'activat"),
    ],
)
def test_one_thing_wrong_fails_the_check_of_it_alone(failed, fault, said):
    found = failed(fault)
    assert list(found) == ["class"]
    assert re.match(said, found["class"]), found["class"]


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (
            BARE,
            r"Bare has no `Config`; expected by Method \(.*\): write `Config = Settings` in the ",
        ),
        (object(), "an instance of object is given; expected a method's class$"),
        (Open, "Open has no `build_network` and no `predict`; its base class leaves it "),
        (int, "int has no `Config` and no `inputs` and no `update`"),
        pytest.param(
            type("odd\u202e", (int,), {}),
            r"odd\\u202e has no `Config` and no `inputs` and no",
            id="a-name-that-does-not-print",
        ),
    ],
)
def test_a_class_that_is_no_method_fails_the_check_of_the_class(cls, said):
    (told,) = failures(check_method(cls))
    assert re.match(f"class: {said}", told), told
