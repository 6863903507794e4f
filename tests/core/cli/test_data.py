import dataclasses
import json

import click
import h5py
import pytest
from click.testing import CliRunner

from hsal_bench import errors
from hsal_bench.cli import data as cli_data
from hsal_bench.data import generate as generation
from hsal_bench.data.file import open_data
from hsal_bench.data.generator import load_generator

pytestmark = pytest.mark.usefixtures("known_generators")

SMALL = ("--train", "30", "--valid", "4", "--test", "5", "--workers", "1")


def call(command, *arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def refusal(result):
    assert result.exit_code != 0
    return str(result.exception) if not isinstance(result.exception, SystemExit) else result.output


def test_generate_makes_a_file_and_says_what_it_made(tmp_path):
    result = call(cli_data.generate, "toy", "--out", tmp_path, *SMALL)
    path = tmp_path / "toy-x.h5"
    with open_data(path) as data:
        assert data.layout.sizes == {"train": 30, "valid": 4, "test": 5}
        content = data.header.content_sha256
    assert result.exit_code == 0
    assert result.output.startswith(f"{path}: 39 images in ")
    assert result.output.endswith(f" kB, content {content}\n")
    assert "images/s)" in result.output


def test_generate_without_a_name_makes_all(tmp_path):
    result = call(cli_data.generate, "--out", tmp_path, *SMALL)
    assert result.exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy-large-x.h5", "toy-x.h5"]


def test_what_is_there_already_is_left(tmp_path):
    call(cli_data.generate, "toy", "--out", tmp_path, *SMALL)
    before = (tmp_path / "toy-x.h5").stat().st_mtime_ns
    result = call(
        cli_data.generate, "toy", "--out", tmp_path, *SMALL, "--data-dir", "without-source"
    )
    assert result.output == f"{tmp_path / 'toy-x.h5'} is up to date\n"
    assert (tmp_path / "toy-x.h5").stat().st_mtime_ns == before


def test_another_config_is_refused_unless_forced(tmp_path):
    call(cli_data.generate, "toy", "--out", tmp_path, *SMALL)
    change = ("toy", "--out", tmp_path, *SMALL, "--seed", "7", "--no-unique")
    assert refusal(call(cli_data.generate, *change)) == (
        f"{tmp_path / 'toy-x.h5'} was generated with unique True, not False; seed 0, not 7: "
        "use --force to replace it, or another --out"
    )
    assert call(cli_data.generate, *change, "--force").exit_code == 0
    with open_data(tmp_path / "toy-x.h5") as data:
        assert (data.header.config["seed"], data.header.config["unique"]) == (7, False)


def test_a_damaged_file_is_in_the_way(tmp_path):
    path = tmp_path / "toy-x.h5"
    path.write_text("half")
    assert refusal(call(cli_data.generate, "toy", "--out", tmp_path, *SMALL)).startswith(
        f"{path} exists but is not a complete dataset: use --force to replace it"
    )
    assert call(cli_data.generate, "toy", "--out", tmp_path, *SMALL, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["toyy"], "no dataset 'toyy': did you mean 'toy'? known: toy, toy-large"),
        (["toy", "--train", "many"], "toy: train is 'many': it must be a whole number"),
        (["toy", "--min-objects", "4"], "min_objects is larger than max_objects"),
        (["toy", "toy-large", "--data-dir", "without-source"], "no glyphs in without-source"),
        (
            ["toy", "--data-dir", "misspelt/data"],
            "--data-dir misspelt/data: there is no folder misspelt",
        ),
        (["toy", "--trian", "4"], "No such option"),
    ],
)
def test_what_is_wrong_is_reported_before_any_work(tmp_path, arguments, message):
    result = call(cli_data.generate, *arguments, "--out", tmp_path / "out")
    assert message in refusal(result)
    assert list(tmp_path.glob("out/*")) == []


@pytest.fixture
def toy_3(monkeypatch):
    """The generator "toy" makes "toy-3" with another seed."""
    toy = load_generator("toy")
    spec = generation.dataclasses.replace(toy.defaults, seed=3)
    names = {3: "toy-3"}
    monkeypatch.setattr(toy, "spec_of", lambda name, like: {"toy-3": spec}.get(name), raising=False)
    monkeypatch.setattr(toy, "data_set_name", lambda spec: names.get(spec.seed, "toy"))


def test_a_name_that_other_options_give_is_made_with_them(toy_3, tmp_path):
    assert call(cli_data.generate, "toy-3", "--out", tmp_path, *SMALL).exit_code == 0
    with open_data(tmp_path / "toy-3.h5") as data:
        assert data.header.config["generator"] == "toy"
        assert data.header.seed == 3
    again = call(cli_data.generate, "toy", "toy-3", "--seed", "3", "--out", tmp_path, *SMALL)
    assert again.output == f"{tmp_path / 'toy-3.h5'} is up to date\n"


def test_options_that_contradict_a_name_are_refused(toy_3, tmp_path):
    options = ("--train", "9", "--seed", "4", "--out", tmp_path)
    assert refusal(call(cli_data.generate, "toy-3", *options)) == (
        "toy-3 fixes seed=3: drop --seed, or use "
        f"`hsal-bench generate toy --train 9 --seed 4 --out {tmp_path}`"
    )


def test_two_data_sets_with_one_file_are_refused(tmp_path, monkeypatch):
    generator = load_generator("toy-large")
    monkeypatch.setattr(generator, "data_set_name", lambda spec: "toy-x", raising=False)
    assert "toy and toy-large have the same file" in refusal(
        call(cli_data.generate, "--out", tmp_path, *SMALL)
    )


def test_without_names_what_has_no_source_is_left_out_and_told(tmp_path, monkeypatch):
    generator = load_generator("toy-large")
    alternative = dataclasses.replace(generator.defaults, seed=9)
    instead = f"or use another source: `hsal-bench generate toy-large --seed 9 --out {tmp_path}`"

    def unavailable(spec, data_dir):
        raise errors.SourceUnavailable("no squares here", alternative)

    monkeypatch.setattr(generator, "recipe", unavailable)
    result = call(cli_data.generate, "--out", tmp_path, *SMALL)
    assert result.exit_code == 0
    assert f"toy-large is skipped: no squares here, {instead}" in result.stderr
    assert (tmp_path / "toy-x.h5").exists()
    assert refusal(call(cli_data.generate, "toy-large", "--out", tmp_path, *SMALL)) == (
        f"no squares here, {instead}"
    )
    monkeypatch.setattr(load_generator("toy"), "recipe", unavailable)
    alone = call(cli_data.generate, "--out", tmp_path / "new", *SMALL)
    assert refusal(alone).startswith("no squares here, or use another source: `hsal-bench gen")


def test_help_has_the_options_of_the_named_data_set_with_defaults():
    one = " ".join(call(cli_data.generate, "toy-large", "--help").output.split())
    assert "--train N images of the train split [default: 2000]" in one
    assert "--unique / --no-unique no class twice [default: yes]" in one
    both = " ".join(call(cli_data.generate, "--help").output.split())
    assert "[default: 1200; toy- large: 2000]" in both or "[default: 1200; toy-large: 2000]" in both


def test_a_field_that_no_data_set_has_is_refused(tmp_path):
    with pytest.raises(
        generation.UsageError, match="no dataset has an option 'trian': did you mean"
    ):
        generation.plan(["toy"], {"trian": "3"}, tmp_path)


def test_an_interrupt_reaches_the_caller(tmp_path, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(generation, "build_file", interrupt)
    with pytest.raises((KeyboardInterrupt, click.Abort)):
        cli_data.generate.main(
            ["toy", "--out", str(tmp_path), *SMALL], standalone_mode=False, prog_name="x"
        )


def test_verify_prints_a_line_per_check_and_one_about_all(toy_file):
    result = call(cli_data.verify, toy_file, "--data-dir", toy_file.parent)
    assert result.exit_code == 0
    *lines, last = result.output.splitlines()
    assert len(lines) == 14
    # The toy generator gives no hashes of its glyphs.
    others = [line for line in lines if not line.startswith("ok       ")]
    assert [line[:25] for line in others] == ["skipped  leaks by content"]
    assert lines[-1] == "ok       remade: 32 examples, equal bit for bit"
    assert last == f"{toy_file}: 13 checks passed, 1 skipped: leaks by content"


def test_verify_without_the_source_skips_what_needs_it(toy_file, monkeypatch):
    def recipe(spec, data_dir):
        raise errors.SourceUnavailable("no glyphs here")

    monkeypatch.setattr(load_generator("toy"), "recipe", recipe, raising=False)
    result = call(cli_data.verify, toy_file)
    assert result.exit_code == 0
    *_, recipe_line, _, last = result.output.splitlines()
    assert recipe_line == "skipped  recipe: no glyphs here"
    assert last == f"{toy_file}: 11 checks passed, 3 skipped: leaks by content, recipe, remade"
    found = json.loads(call(cli_data.verify, toy_file, "--json").output)
    assert found["passed"]
    assert [check["outcome"] for check in found["checks"][-3:]] == ["skipped"] * 3


def test_verify_fails_if_a_check_fails(toy_file):
    with h5py.File(toy_file, "r+") as file:
        file["test/counts"][3, 0] = 9
    result = call(cli_data.verify, toy_file, "--remake", 0)
    assert result.exit_code == 1
    assert "FAILED   counts: test row 3: counts [9, 0, 0], labels [0, -1, -1]\n" in result.output
    assert refusal(result) == f"{toy_file}: 2 of 12 checks failed: content hash, counts"


@pytest.mark.parametrize("remake", [0, 3])
def test_verify_of_a_truncated_file_fails(toy_file, remake):
    with toy_file.open("rb+") as file:
        file.truncate(1000)
    result = call(cli_data.verify, toy_file, "--remake", remake, "--json")
    assert getattr(result.exception, "exit_code", None) == 1
    assert refusal(result) == f"{toy_file}: 1 of 1 checks failed: format"
    (check,) = json.loads(result.output)["checks"]
    assert check["outcome"] == "failed"
    assert "is truncated" in check["detail"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.h5"], "no dataset file missing.h5"),
        (["missing.h5", "--remake", "-1"], "Invalid value for '--remake'"),
        (["missing.h5", "--remake", "few"], "'few' is not a valid integer range"),
    ],
)
def test_verify_of_nothing_is_wrong_use(arguments, message):
    result = call(cli_data.verify, *arguments)
    assert message in refusal(result)
    assert getattr(result.exception, "exit_code", result.exit_code) == 2


def test_verify_as_json(toy_file):
    found = json.loads(call(cli_data.verify, toy_file, "--remake", 0, "--json").output)
    assert (found["file"], found["passed"]) == (str(toy_file), True)
    assert found["checks"][2] == {"name": "labels", "outcome": "passed", "detail": "0 to 2"}


def test_preview_writes_a_sheet(toy_file, tmp_path):
    out = tmp_path / "sheet.png"
    result = call(cli_data.preview, toy_file, "-o", out, "--start", 50, "--count", 20)
    assert result.output == f"{out}: test 50 to 59\n"
    assert out.read_bytes().startswith(b"\x89PNG")


def test_preview_beyond_the_end(toy_file, tmp_path):
    result = call(cli_data.preview, toy_file, "-o", tmp_path / "sheet.png", "--start", 60)
    assert refusal(result) == f"--start 60: {toy_file} has 60 images in test"


@pytest.mark.parametrize("command", ["generate", "verify", "preview"])
def test_every_option_has_help(command):
    options = [
        option
        for option in getattr(cli_data, command).params
        if isinstance(option, click.Option) and option.name != "help"
    ]
    assert options
    assert all(option.help for option in options)
