"""The check of a class before an instance is created."""

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


class Size:
    pass


class ClassConfig:
    @dataclass(frozen=True)
    class Config(GradientConfig):
        size: Size = dataclasses.field(default_factory=Size)


class NoDefault:
    @dataclass(frozen=True)
    class Config:
        size: int


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
    ("fault", "message"),
    [
        (NoConfig, r"NoConfig.Config is None, not a dataclass: set it to a class under @dataclass"),
        (PlainConfig, "PlainConfig.Config is <class .*>, not a dataclass: set it to a class under"),
        (
            MadeConfig,
            r"MadeConfig.Config is GradientConfig\(.*\), not a dataclass: set it to a cla",
        ),
        (LooseConfig, r"LooseConfig.Config is not frozen: use @dataclass\(frozen=True\)$"),
        (NoDefault, "NoDefault.Config.size has no default: every field needs one$"),
        (DictConfig, r"DictConfig.Config.sizes = \{\}: --set cannot set a dict; use bool, int, fl"),
        (ClassConfig, r"ClassConfig.Config.size = .*: --set cannot set a Size; use bool, int, fl"),
        (StrangePreset, r"StrangePreset.presets\['quick'\] sets 'hiden'; fields of Config: learn"),
        (RefusedPreset, r"RefusedPreset.presets\['quick'\] raised ValueError: the rate is \\x1b\["),
        (UnknownType, "evaluating the types of UnknownType.Config raised NameError: name 'Sizes'"),
        (OtherInputs, "OtherInputs.inputs is 'volumes'; expected 'images' or 'activations'$"),
    ],
)
def test_one_fault_fails_the_check_of_the_class_alone(failed, fault, message):
    found = failed(fault)
    assert list(found) == ["class"]
    assert re.match(message, found["class"]), found["class"]


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (BARE, r"Bare lacks `Config` \(hsal_bench/method/contract.py\)$"),
        (object(), "expected a method's class, not an instance of object$"),
        (Open, "Open lacks `build_network` and `predict` "),
        (int, "int lacks `Config`, `inputs`, `update`, `predict`, `state_dict` and `"),
        pytest.param(type("odd\u202e", (int,), {}), r"odd\\u202e lacks `Config`", id="unprintable"),
    ],
)
def test_a_class_that_is_no_method_fails_the_check_of_the_class(cls, message):
    (failure,) = failures(check_method(cls))
    assert re.match(f"class: {message}", failure), failure
