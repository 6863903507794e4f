"""The arguments of `hb.run`: Python's values and the texts of the command line mean the same."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import hsal_bench as hb
from hsal_bench.api import arguments
from hsal_bench.errors import UsageError
from hsal_bench.runs.request import Request

PAGE = Path(__file__).parents[3] / "docs/python.md"


class Own:
    pass


def request(models="hsal-rl", seeds=(0,), settings=None, callbacks=(), **choices):
    found = arguments.request(models, "mnist-multiset", seeds, settings, callbacks, choices)
    return dataclasses.replace(found, command="")


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        ({"models": "rl,hsal-rl"}, {"models": ["rl", "hsal-rl"]}),
        ({"models": ["rl,cnn-rnn", Own]}, {"models": ("rl", "cnn-rnn", Own)}),
        ({"seeds": "0-2"}, {"seeds": range(3)}),
        ({"seeds": "4,1"}, {"seeds": np.array([4, 1])}),
        ({"seeds": "7"}, {"seeds": 7}),
        ({"settings": "hidden=63"}, {"settings": {"hidden": 63}}),
        (
            {"settings": ["sizes=1,2", "hsal-rl:class-loss=x"]},
            {"settings": {"sizes": [1, 2], "hsal-rl:class_loss": "x"}},
        ),
        ({"eval_on": "mnist-set, mnist-single"}, {"eval_on": ["mnist-set", "mnist-single"]}),
        ({"updates": "400", "threads": "none"}, {"updates": np.int64(400), "threads": None}),
        ({"device": "cpu"}, {"device": torch.device("cpu")}),
        ({"restart": "hsal-rl,rl"}, {"restart": ["hsal-rl", "rl"]}),
        ({"restart": "all"}, {"restart": True}),
        ({"out": "a", "cache": "b"}, {"out": Path("a"), "cache": Path("b")}),
    ],
)
def test_texts_mean_what_values_mean(texts, values):
    assert request(**texts) == request(**values)
    assert request(**texts) != request()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seeds": "0..3"}, "--seeds is '0..3'"),
        ({"seeds": [0.5]}, "--seeds is '0.5'"),
        ({"models": Own()}, "models: .*Own.* is neither a name nor a class"),
        ({"settings": "hidden"}, "--set hidden: write --set key=value"),
        ({"callbacks": "tensorbord"}, "--log tensorbord: did you mean 'tensorboard'"),
        ({"callbacks": [hb.TensorBoard]}, "is no object of a class from hb.Callback"),
        ({"updates": "many"}, "updates is 'many': it must be a whole number"),
        ({"updates": 4.5}, "updates is 4.5: it must be a whole number"),
        ({"updates": 0}, "updates is 0: it must be at least 1"),
        ({"activation_seed": "other"}, "activation_seed is 'other'"),
        ({"seed": 1}, "run has no option 'seed': did you mean 'seeds'"),
    ],
)
def test_wrong_values_are_refused(wrong, message):
    with pytest.raises(UsageError, match=message):
        request(**wrong)


def test_the_known_arguments_are_those_of_the_page():
    with pytest.raises(UsageError) as caught:
        request(code={})
    known = set(str(caught.value).partition("known: ")[2].split(", "))
    assert {"on", "slurm", "datasets"} < known
    assert not {"code", "command"} & known
    table = PAGE.read_text().partition("| argument |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == known
    assert known <= {field.name for field in dataclasses.fields(Request)} | {"on", "slurm"}


def test_options_of_slurm():
    text = "time=2:00:00,cpus-per-task=4"
    values = {"time": "2:00:00", "cpus-per-task": 4}
    assert arguments.slurm_options(text) == arguments.slurm_options(values)
    assert arguments.slurm_options(None) == {}
