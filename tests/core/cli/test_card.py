import json

import click
import pytest
from click.testing import CliRunner

from hsal_bench.cli import card as cli_card
from hsal_bench.data.generator import load_generator
from hsal_bench.errors import HsalBenchError

pytestmark = pytest.mark.usefixtures("known_generators")


def call(*arguments):
    return CliRunner().invoke(cli_card.card, [str(argument) for argument in arguments])


def refusal(result):
    assert isinstance(result.exception, HsalBenchError)
    return result.exception.exit_code, str(result.exception)


def test_a_file_a_name_and_a_file_by_its_name_are_one_card(toy_file):
    result = call(toy_file)
    assert result.exit_code == 0
    assert result.output.startswith("# toy\n\n1,300 images")
    # toy makes toy-x.h5; toy-x is a file there, whatever made it.
    for name in ("toy", "toy-x"):
        assert call(name, "--datasets", toy_file.parent).output == result.output


def test_a_name_without_a_file_gets_what_can_be_said(tmp_path):
    result = call("toy", "--datasets", tmp_path)
    assert result.exit_code == 0
    assert f"`hsal-bench generate toy --out {tmp_path}` to build it" in result.output


def test_croissant_is_written_and_what_it_lacks_is_reported(toy_file, tmp_path):
    out = tmp_path / "new" / "croissant.json"
    result = call(toy_file, "--croissant", out)
    assert result.output == (
        f"{out}: toy; keep it next to toy-x.h5; Croissant requires --url and --published on "
        "publication\n"
    )
    assert json.loads(out.read_text())["name"] == "toy"
    published = ("--url", "https://example.org/toy", "--published", "2026-01-31")
    result = call(toy_file, "--croissant", out, *published)
    assert result.output == f"{out}: toy; keep it next to toy-x.h5\n"
    document = json.loads(out.read_text())
    assert document["url"] == "https://example.org/toy"
    assert document["datePublished"] == "2026-01-31"
    assert [path.name for path in out.parent.iterdir()] == ["croissant.json"]


def test_a_name_that_is_none_names_the_nearest(tmp_path):
    assert refusal(call("toyy", "--datasets", tmp_path)) == (
        2,
        f"no dataset 'toyy' and no file {tmp_path / 'toyy.h5'}: did you mean 'toy'? "
        "known: toy, toy-large",
    )


def test_a_name_that_other_options_give_has_an_outline(tmp_path, monkeypatch):
    toy = load_generator("toy")
    spec = type(toy.defaults)(seed=3)
    monkeypatch.setattr(toy, "spec_of", lambda name, like: {"toy-3": spec}.get(name), raising=False)
    output = call("toy-3", "--datasets", tmp_path).output
    assert f"`hsal-bench generate toy --seed 3 --out {tmp_path}` to build it" in output


def test_a_file_that_is_not_there(tmp_path):
    path = tmp_path / "toy.h5"
    assert refusal(call(path)) == (
        2,
        f"no dataset file {path}: build it with `hsal-bench generate toy --out {tmp_path}`",
    )


def test_croissant_without_a_file_is_refused(tmp_path):
    out = tmp_path / "croissant.json"
    assert refusal(call("toy", "--datasets", tmp_path, "--croissant", out)) == (
        2,
        f"no dataset file {tmp_path / 'toy-x.h5'}, which Croissant metadata describes: build it "
        f"with `hsal-bench generate toy --out {tmp_path}`",
    )
    assert not out.exists()


@pytest.mark.parametrize("arguments", [["--url", "x"], ["--published", "2026-01-31"]])
def test_what_only_croissant_holds_is_refused_without_it(toy_file, arguments):
    assert refusal(call(toy_file, *arguments)) == (
        2,
        "--url and --published need --croissant OUT.json",
    )


@pytest.mark.parametrize("croissant", [False, True])
def test_a_truncated_file_is_refused(toy_file, tmp_path, croissant):
    with toy_file.open("rb+") as file:
        file.truncate(1000)
    out = tmp_path / "croissant.json"
    code, message = refusal(call(toy_file, *(["--croissant", out] if croissant else [])))
    assert (code, message.partition(" (")[0]) == (2, f"{toy_file} is truncated: generate it again")
    assert not out.exists()


def test_pixels_that_cannot_be_decoded_are_refused(toy_file, damage):
    damage("train", 0)
    code, message = refusal(call(toy_file))
    assert code == 2
    assert "train/images cannot be decoded" in message


def test_every_option_has_help():
    options = [one for one in cli_card.card.params if isinstance(one, click.Option)]
    assert all(option.help for option in options)
