"""README.md, CONTRIBUTING.md and docs/: links, commands, options, code, paths and numbers."""

import ast
import re
import shlex
import shutil
import tomllib
from functools import cache
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hsal_bench.cli import main as cli

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
EXAMPLE = ROOT / "docs/examples/my_counter.py"
OF_EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def _blocks(page, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(), re.S | re.M)


def _calls(page, program):
    """Return the command lines of a page, in sh blocks and in code spans, without comments."""
    lines = [line for block in _blocks(page, "sh") for line in block.splitlines()]
    lines += re.findall(r"(?<!`)`([^`\n]+)`(?!`)", page.read_text())
    return [
        shlex.split(line, comments=True)[len(program.split()) :]
        for line in lines
        if line.startswith(program + " ")
    ]


def _anchors(page):
    """Return the anchors of a page's headings, as GitHub derives them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@cache
def _help(command):
    return CliRunner().invoke(cli.hsal_bench, [command, "--help"]).output


@OF_EVERY_PAGE
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in _anchors(file), target


def test_every_page_is_linked_from_the_readme():
    readme = PAGES[0].read_text()
    links = {(ROOT / target).resolve() for target in re.findall(r"\]\(([^)#]+)", readme)}
    assert set(PAGES[1:]) - links == set()


@OF_EVERY_PAGE
def test_commands_and_their_options_exist(page):
    known = cli.hsal_bench.list_commands(click.Context(cli.hsal_bench))
    for command, *words in _calls(page, "hsal-bench"):
        if command in ("COMMAND", "--help"):
            continue
        assert command in known, command
        for option in (word for word in words if re.match(r"--?[a-z]", word)):
            pattern = rf"(?<![\w-]){re.escape(option)}(?![\w-])"
            assert re.search(pattern, _help(command)), f"{command} {option}"


@OF_EVERY_PAGE
def test_scripts_and_their_options_exist(page):
    for script, *words in _calls(page, "python"):
        if script == "-m":
            continue
        text = "\n".join(path.read_text() for path in (ROOT / script).parent.glob("*.py"))
        assert (ROOT / script).is_file(), script
        for option in (word for word in words if word.startswith("--")):
            assert f'"{option}"' in text, f"{script} {option}"


@OF_EVERY_PAGE
def test_make_targets_exist(page):
    makefile = (ROOT / "Makefile").read_text()
    targets = {target for call in _calls(page, "make") for target in call}
    assert targets - set(re.findall(r"^([a-z-]+):", makefile, re.M)) - {".venv/.installed"} == set()


def test_the_calls_are_found():
    assert ["run", "--model", "all"] in _calls(ROOT / "docs/runs-and-records.md", "hsal-bench")
    assert ["quickstart"] in _calls(PAGES[0], "make")
    script = "benchmarks/reproduce.py"
    assert [script, "--preset", "S", "--part", "1", "--jobs", "2"] in _calls(PAGES[0], "python")


def test_the_readme_shows_code_of_the_example():
    (code,) = (block for block in _blocks(PAGES[0], "python") if "MyCounter" in block)
    text = EXAMPLE.read_text()
    name, _, methods = code.partition("\n")
    assert name in text and methods in text
    assert f"({len(text.splitlines())} lines in all)" in PAGES[0].read_text()


def test_reading_a_dataset_works_as_shown(tmp_path, toy_file, monkeypatch):
    (code,) = _blocks(ROOT / "docs/formats.md", "python")
    (tmp_path / "data").mkdir()
    shutil.copy(toy_file, tmp_path / "data/mnist-multiset.h5")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(ast.parse(code), "formats.md", "exec"), names)
    assert len(names["images"]) == len(names["counts"]) > 0


def _rows(text):
    """Return the rows of a page's result tables, without the settings in the methods' names."""
    rows = re.findall(r"^\| [a-z-]+.* \d\.\d{3}.*$|^\| [a-z-]+.*\*\*.*$", text, re.M)
    return {re.sub(r"^(\| [a-z-]+)\+\S+", r"\1", row) for row in rows}


def test_result_tables_are_those_of_the_records(monkeypatch):
    monkeypatch.chdir(ROOT)
    page = ROOT / "docs/results.md"
    commands = [call for call in _calls(page, "hsal-bench") if call[0] == "table"]
    assert len(commands) == 2
    printed = set()
    for command in commands:
        # As a shell does: *.json becomes the names of the files.
        words = [name for word in command for name in sorted(map(str, Path().glob(word))) or [word]]
        result = CliRunner().invoke(cli.hsal_bench, words, catch_exceptions=False)
        assert result.exit_code == 0
        printed |= _rows(result.output)
    assert _rows(page.read_text()) == printed


ARCHITECTURE = ROOT / "docs/architecture.md"


@OF_EVERY_PAGE
def test_the_files_named_exist(page):
    named = set(re.findall(r"(?<!`)`([\w./-]+\.py)`", page.read_text()))
    if page == ARCHITECTURE:
        named |= set(re.findall(r"(?<!`)`([a-z]+(?:_[a-z]+)*/[\w./]*)`", page.read_text()))
        assert len(named) > 20
    roots = ("", "hsal_bench", "baselines", "benchmarks", "docs", "generators/scenes")
    assert [name for name in named if not any((ROOT / r / name).exists() for r in roots)] == []


def test_the_rooms_of_the_architecture_are_those_that_are_checked():
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (c["layers"] for c in contract["contracts"] if c["type"] == "layers")
    names = [name.removeprefix("hsal_bench.") for name in re.findall(r"[\w.]+", " ".join(layers))]
    rooms = [name for name in names if (ROOT / "hsal_bench" / name).is_dir()]
    (table,) = re.findall(r"^\| room .*?\n\n", ARCHITECTURE.read_text(), re.S | re.M)
    cells = " ".join(row.split("|")[1] for row in table.strip().splitlines())
    assert re.findall(r"`(\w+)`", cells) == rooms
