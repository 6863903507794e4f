"""The check of a class before an instance is created."""

import re
from dataclasses import dataclass, field, make_dataclass

import pytest

from hsal_bench.conformance.check import check_method, failures
from hsal_bench.method.gradient import GradientConfig, GradientMethod


class Size:
    pass


@dataclass(frozen=True)
class Limited(GradientConfig):
    rate: int = 1

    def __post_init__(self):
        if self.rate > 3:
            raise ValueError("the rate is\n\x1b[2Jtoo large")


def config(*setting, frozen=True):
    """Return a Config with one setting: its name, type and perhaps default."""
    return make_dataclass("Config", [setting], frozen=frozen)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"Config": None}, "Config is None, not a dataclass: set it to a class under @dataclass"),
        ({"Config": Size}, "Config is <class .*>, not a dataclass: set it to a class under"),
        ({"Config": Limited()}, r"Config is Limited\(.*\), not a dataclass: set it to a cla"),
        (
            {"Config": config("rate", float, 0.01, frozen=False)},
            r"Config is not frozen: use @dataclass\(frozen=True\)$",
        ),
        ({"Config": config("size", int)}, "Config.size has no default: every field needs one$"),
        (
            {"Config": config("sizes", dict, field(default_factory=dict))},
            r"Config.sizes = \{\}: --set cannot set a dict; use bool, int, fl",
        ),
        (
            {"Config": config("size", Size, field(default_factory=Size))},
            "Config.size = .*: --set cannot set a Size; use bool, int, fl",
        ),
        (
            {"presets": {"quick": {"hiden": 3}}},
            r"presets\['quick'\] sets 'hiden'; fields of Config: learn",
        ),
        (
            {"Config": Limited, "presets": {"quick": {"rate": 9}}},
            r"presets\['quick'\] raised ValueError: the rate is \\x1b\[",
        ),
        ({"Config": config("size", "Sizes", 1)}, "Config raised NameError: name 'Sizes'"),
        ({"inputs": "volumes"}, "inputs is 'volumes'; expected 'images' or 'activations'$"),
    ],
)
def test_one_fault_fails_the_check_of_the_class_alone(failed, fault, message):
    details = failed(type("Faulty", (), fault))
    assert list(details) == ["class"]
    place = r"(evaluating the types of )?Faulty\."
    assert re.match(place + message, details["class"]), details["class"]


PARTS = ("inputs", "update", "predict", "state_dict", "load_state_dict")
BARE = type("Bare", (), dict.fromkeys(PARTS))


class Open(GradientMethod):
    def loss(self, batch): ...


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
