"""`hsal-bench list`: what there is, and what can be set on it."""

import json

import pytest
from click.testing import CliRunner

from hsal_bench.cli_list import list_all
from hsal_bench.errors import UsageError

METHOD = '''
from dataclasses import dataclass
from hsal_bench.options import option

@dataclass(frozen=True)
class Config:
    width: int = option(8, "units [0, 1] of a layer", at_least=1, at_most=64)
    rate: float | None = option(None, "how fast")
    sizes: tuple[int, ...] = option((1, 2), "of each layer")
    loud: bool = option(False, "whether it speaks")

class Mine:
    """A method of mine.

    It does nothing.
    """
    Config = Config
    presets = {"quick": {"width": 4, "loud": True}}

class Bare:
    pass
'''


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(METHOD)
    return f"{tmp_path / 'mine.py'}:Mine"


def _call(*arguments):
    result = CliRunner().invoke(list_all, arguments, catch_exceptions=False, env={"COLUMNS": "200"})
    assert result.exit_code == 0
    return result.output


def _refusal(name):
    with pytest.raises(UsageError) as caught:
        CliRunner().invoke(list_all, [name], catch_exceptions=False)
    return str(caught.value)


def _row(output, name):
    (line,) = (line for line in output.splitlines() if line.split()[:1] == [name])
    return " ".join(line.split())


def test_without_a_name_the_names_are_listed(known_generators):
    lines = _call().splitlines()
    assert lines[:3] == ["data sets", "  toy", "  toy-large"]
    assert "  hsal-rl" in lines


def test_the_options_of_a_method_from_a_file(mine):
    output = _call(mine)
    assert f"{mine}: A method of mine." in output
    assert f"options for `hsal-bench run --model {mine} --set OPTION=VALUE`" in output
    assert _row(output, "width") == "width 8 whole number, from 1 to 64 units [0, 1] of a layer"
    assert _row(output, "rate") == "rate none number or none how fast"
    assert _row(output, "sizes") == "sizes 1,2 whole number, several with commas of each layer"
    assert _row(output, "loud") == "loud no yes or no whether it speaks"
    assert "preset quick: width=4, loud=yes" in output


def test_the_options_of_a_data_set(known_generators):
    output = _call("toy-large")
    assert "toy-large: squares" in output
    assert "`hsal-bench generate toy-large --OPTION VALUE`" in output
    assert _row(output, "--min-objects") == "--min-objects 1 whole number fewest objects"
    assert _row(output, "--train") == "--train 2000 whole number images of the train split"


def test_the_options_of_every_method_there_is():
    for name in json.loads(_call("--json"))["methods"]:
        output = _call(name)
        assert _row(output, "learning_rate").startswith("learning_rate 0.001 number")
        assert "class_loss" in output


def test_options_as_json(mine):
    found = json.loads(_call(mine, "--json"))
    assert (found["kind"], found["about"]) == ("method", "A method of mine.")
    assert found["presets"] == {"quick": {"width": 4, "loud": True}}
    assert [option["default"] for option in found["options"]] == [8, None, [1, 2], False]
    width = found["options"][0]
    assert (width["name"], width["at_least"], width["at_most"]) == ("width", 1, 64)


def test_an_unknown_name_is_refused(known_generators, mine):
    assert _refusal("toyy").startswith("no data set or method 'toyy': did you mean 'toy'? known:")
    assert "no class 'Mime': did you mean 'Mine'?" in _refusal(mine.replace("Mine", "Mime"))
    assert "Bare has no Config" in _refusal(mine.replace("Mine", "Bare"))
