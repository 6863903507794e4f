"""`hsal-bench list`: what there is, and what can be set on it."""

import json

import pytest
from click.testing import CliRunner

from hsal_bench import registry
from hsal_bench.cli.list import list_all
from hsal_bench.errors import UsageError

METHOD = '''
from dataclasses import dataclass
from typing import Literal
from hsal_bench.options import option

@dataclass(frozen=True)
class Config:
    width: int = option(8, "units [0, 1] of a layer", at_least=1, at_most=64)
    rate: float | None = option(None, "how fast")
    sizes: tuple[int, ...] = option((1, 2), "of each layer")
    loud: bool = option(False, "whether it speaks")
    side: Literal["left", "right", "none"] = option("left", "on which it stands")

class Mine:
    """A method of mine.

    It does nothing.
    """
    Config = Config
    presets = {"quick": {"width": 4, "loud": True}}

    def update(self, batch): ...
    def predict(self, batch): ...

class Bare:
    def update(self, batch): ...
'''


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(METHOD)
    return f"{tmp_path / 'mine.py'}:Mine"


def _call(*arguments, columns=80):
    env = {"COLUMNS": str(columns)}
    result = CliRunner().invoke(list_all, arguments, catch_exceptions=False, env=env)
    assert result.exit_code == 0
    return result.output


def _refusal(name):
    with pytest.raises(UsageError) as caught:
        CliRunner().invoke(list_all, [name], catch_exceptions=False)
    return str(caught.value)


def _option(output, name):
    """The lines about an option: its name, default and what it takes; its help."""
    lines = output.splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.split()[:1] == [name])
    return [" ".join(line.split()) for line in lines[at : at + 2]]


def test_without_a_name_the_names_are_listed(known_generators):
    lines = _call().splitlines()
    assert lines[:3] == ["datasets", "  toy: squares", "  toy-large: squares"]
    assert any(line.startswith("  hsal-rl: ") for line in lines)


def test_everything_listed_says_what_it_is_within_the_width():
    found = json.loads(_call("--json"))
    assert list(found["about"]) == [*found["datasets"], *found["methods"], *found["presets"]]
    assert all(found["about"].values())
    lines = _call(columns=60).splitlines()
    assert max(map(len, lines)) <= 60
    listed = " ".join(" ".join(lines).split())
    for name, about in found["about"].items():
        assert f"{name}: {about}" in listed


def test_what_cannot_be_read_is_listed_by_its_name_alone(monkeypatch):
    targets = {"theirs": "no_such_module:Theirs", "bare": "json.decoder:JSONDecodeError"}
    monkeypatch.setattr(registry, "targets", lambda group: targets)
    lines = _call().splitlines()
    assert "  theirs" in lines
    assert "  bare: Subclass of ValueError with the following additional properties:" in lines


def test_the_options_of_a_method_from_a_file(mine):
    output = _call(mine)
    assert f"{mine}: A method of mine." in " ".join(output.split())
    assert f"options of `hsal-bench run --model {mine} --set OPTION=VALUE`" in output
    about = ["width 8 whole number, from 1 to 64", "units [0, 1] of a layer"]
    assert _option(output, "width") == about
    assert _option(output, "rate") == ["rate none number or none", "how fast"]
    assert _option(output, "sizes") == [
        "sizes 1,2 whole number, several with commas",
        "of each layer",
    ]
    assert _option(output, "loud") == ["loud no yes or no", "whether it speaks"]
    assert _option(output, "side") == ["side left left, right or none", "on which it stands"]
    assert "preset quick: width=4, loud=yes" in output


def test_the_options_of_a_data_set(known_generators):
    output = _call("toy-large")
    assert "toy-large: squares" in output
    assert "`hsal-bench generate toy-large --OPTION VALUE`" in output
    assert _option(output, "--min-objects") == ["--min-objects 1 whole number", "fewest objects"]
    assert _option(output, "--train")[0] == "--train 2000 whole number"
    assert _option(output, "--[no-]unique") == ["--[no-]unique yes a flag", "no class twice"]


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_options_stand_in_columns_and_fit(columns):
    lines = _call("hsal-rl", columns=columns).splitlines()
    heading = next(number for number, line in enumerate(lines) if line.startswith("OPTION"))
    assert max(map(len, lines[heading:])) <= min(columns, 100)
    places = [lines[heading].index(word) for word in ("DEFAULT", "TAKES")]
    for line in lines[heading + 1 :]:
        if line[0] != " " and not line.startswith("preset"):
            assert all(line[place - 1] == " " != line[place] for place in places)


def test_the_options_of_every_method_there_is():
    for name in json.loads(_call("--json"))["methods"]:
        output = _call(name)
        assert output.startswith(f"{name}: ")
        assert _option(output, "learning_rate")[0] == "learning_rate 0.001 number, at least 0"


def test_options_as_json(mine):
    found = json.loads(_call(mine, "--json"))
    assert (found["kind"], found["about"]) == ("method", "A method of mine.")
    assert found["presets"] == {"quick": {"width": 4, "loud": True}}
    assert [option["default"] for option in found["options"]] == [8, None, [1, 2], False, "left"]
    width = found["options"][0]
    assert (width["name"], width["at_least"], width["at_most"]) == ("width", 1, 64)


def test_an_unknown_name_is_refused(known_generators, mine):
    assert _refusal("toyy").startswith(
        "no dataset, method or preset 'toyy': did you mean 'toy'? known:"
    )
    assert "no class 'Mime': did you mean 'Mine'? known: Mine" in _refusal(f"{mine[:-4]}Mime")
    assert "Bare has no Config" in _refusal(f"{mine[:-4]}Bare")
    assert _refusal(mine[:-5]) == f"{mine[:-5]}: name the class, as in {mine}"


def test_what_a_generator_makes_under_other_names_is_listed():
    lines = _call().splitlines()
    at = lines.index("  mnist-multiset: MNIST Multiset: 1 to 4 digits per image, repeats allowed")
    assert "    mnist-multiset-5to8: 5 to 8 digits of 20 to 24 px" in lines[at : at + 9]
    assert "mnist-multiset-5to8" in json.loads(_call("--json"))["datasets"]
    output = _call("kmnist-multiset-5to8")
    assert output.startswith("kmnist-multiset-5to8: 5 to 8 digits of 20 to 24 px\n")
    assert _option(output, "--min-objects")[0] == "--min-objects 5 whole number, from 0 to 255"
    assert _option(output, "--source")[0] == "--source kmnist text"


def test_the_numbers_of_a_preset():
    assert "  train: updates 400, batch size 64, eval every 50" in _call("quick").splitlines()
    found = json.loads(_call("paper", "--json"))
    assert (found["kind"], found["backbone"]) == ("preset", "resnet34")
    assert found["train"]["updates"] == 18750
