"""The README's example method is the one in the docs, and its commands are commands."""

import re
from pathlib import Path

import click

from hsal_bench.cli import main as cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_method_it_shows_is_the_example_in_the_docs():
    (shown,) = (
        block for block in re.findall(r"```python\n(.*?)```", README, re.S) if "class " in block
    )
    assert shown in (ROOT / "docs/examples/my_counter.py").read_text()


def test_every_command_it_shows_exists():
    shown = set(re.findall(r"(?:^|`)hsal-bench ([a-z-]+)", README, re.M)) - {"builds"}
    assert {"run", "generate"} <= shown
    assert shown - set(cli.hsal_bench.list_commands(click.Context(cli.hsal_bench))) == set()


def test_every_option_it_shows_exists():
    from click.testing import CliRunner

    commands = (
        "generate",
        "run",
        "table",
        "figures",
        "verify",
        "preview",
        "evaluate",
        "compare",
        "check-method",
    )
    for name in commands:
        lines = re.findall(rf"hsal-bench {name} [^\n`]*", README)
        help_text = CliRunner().invoke(cli.hsal_bench, [name, "--help"]).output
        for option in {word for line in lines for word in re.findall(r"--[a-z-]+", line)}:
            assert option in help_text, f"{name} {option}"
