"""`hsal-bench check-method`: how its checks are printed, and its exit codes."""

import json

import pytest

from hsal_bench.conformance import check as conformance

METHOD = '''
from dataclasses import dataclass
import torch
from hsal_bench.method.contract import Prediction

@dataclass(frozen=True)
class Config:
    width: int = 3

class Nothing:
    """It predicts nothing."""
    Config, inputs = Config, "activations"

    def __init__(self, task, config, setup):
        self.task, self.config = task, config

    def update(self, batch):
        return {"loss": torch.zeros(()) + self.config.width}

    def predict(self, batch, *, trace=False):
        return Prediction(torch.zeros(len(batch.inputs), self.task.num_classes).long())

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass
'''


@pytest.fixture
def call(tmp_path, monkeypatch, hsal_bench):
    """Return a function that runs `hsal-bench check-method` on a file's class: (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nothing.py").write_text(METHOD)

    def call(*arguments, method="nothing.py:Nothing"):
        return hsal_bench("check-method", method, *arguments)

    return call


def test_checks_are_lines_and_a_failure_is_exit_code_1(call):
    code, out, err = call()
    lines = out.splitlines()
    assert code == 1
    assert lines[0] == "ok       class: inputs activations, 1 setting, presets none"
    assert [line for line in lines if line.startswith("FAILED")] == [
        line for line in lines if line.startswith("FAILED   learning: multiset IoU 0.")
    ]
    assert "skipped  trace: the method has no trace" in lines
    assert err == f"error: nothing.py:Nothing: 1 of {len(lines)} checks failed: learning\n"


def test_json(call):
    code, out, _ = call("--json")
    found = json.loads(out)
    assert code == 1
    assert (found["method"], found["passed"]) == ("nothing.py:Nothing", False)
    assert [check["name"] for check in found["checks"]] == list(conformance.NAMES)


def test_a_sound_method_is_exit_code_0(call):
    name = "count-classifier+hidden=8"
    code, out, err = call("--set", "learning_rate=0.01", method=name)
    assert (code, err) == (0, "")
    skipped = ("more objects", "trace")
    passed = len(conformance.NAMES) - len(skipped)
    assert (
        out.splitlines()[-1] == f"{name}: {passed} checks passed, 2 skipped: {', '.join(skipped)}"
    )


@pytest.mark.parametrize(
    ("arguments", "width"), [((), 5), (("--set", "width=7"), 7)], ids=["behind", "both"]
)
def test_settings_stand_behind_the_name_and_set_goes_over_them(call, tmp_path, arguments, width):
    failing = "raise RuntimeError(f'the width is {self.config.width}')"
    (tmp_path / "tells.py").write_text(METHOD.replace('return {"loss"', f'{failing}; {{"loss"'))
    code, out, _ = call(*arguments, method="tells.py:Nothing+width=5")
    assert code == 1
    assert f"RuntimeError: the width is {width} (" in out


def test_settings_of_a_class_that_has_no_config_are_a_failed_check(call, tmp_path):
    (tmp_path / "bare.py").write_text(METHOD.replace("Config, inputs = Config,", "inputs ="))
    code, out, err = call("--set", "a=1", method="bare.py:Nothing")
    assert code == 1
    assert out.startswith(
        "FAILED   class: Nothing lacks `Config` (hsal_bench/method/contract.py)\n"
    )
    waiting = f"skipped  {len(conformance.NAMES) - 1} more checks: 'class' must pass first"
    assert out.splitlines()[1:] == [waiting]
    assert err == (f"error: bare.py:Nothing: 1 of {len(conformance.NAMES)} checks failed: class\n")


@pytest.mark.parametrize(
    ("arguments", "method", "said"),
    [
        (["--set", "widht=4"], "nothing.py:Nothing", "did you mean 'width'?"),
        ([], "rl,cnn-rnn", "check-method rl,cnn-rnn: name one method at a time"),
        (
            ["--set", "width=x"],
            "nothing.py:Nothing",
            "Nothing: width is 'x': it must be a whole numb",
        ),
        ([], "hsal-lr", "no method 'hsal-lr': did you mean 'hsal-rl'?"),
        (
            [],
            "hsal-rl+hidden",
            "hsal-rl+hidden: 'hidden' is not a setting; write hsal-rl+KEY=VALUE",
        ),
        ([], "nothing.py:Nothing+widht=4", "Nothing has no option 'widht': did you mean 'width'?"),
        ([], "nothing.py:Nothin", "nothing.py has no class 'Nothin': did you mean 'Nothing'?"),
        ([], "nothing.py:Config", "Config is a class without `update` and `predict`, not a m"),
        (["--device", "gpu"], "nothing.py:Nothing", "--device gpu: give cpu, cuda or cuda:NUMBER"),
    ],
)
def test_wrong_use_is_exit_code_2(call, arguments, method, said):
    code, out, err = call(*arguments, method=method)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
