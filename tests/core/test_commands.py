"""Commands of installed packages: found, told of without an import, and called by their names."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from hsal_bench import commands
from hsal_bench.cli import main as cli

GREET = '''
import click

import made_up_heavy_module  # noqa: F401


@click.command()
def greet():
    """Say hello. And more.

    At length.
    """
    click.echo("hello")


bare = click.Command("bare")
'''


@pytest.fixture
def installed(tmp_path):
    """Return a function that offers commands (name -> target) in a package, and calls hsal-bench.

    The package is `parcel`, its module `parcel.tools` cannot be imported for want of another.
    """

    def call(offers, *arguments, package="parcel", heavy=False):
        folder = tmp_path / "parcel"
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text("raise SystemExit('imported')\n" if not heavy else "")
        (folder / "tools.py").write_text(GREET)
        if heavy:
            (tmp_path / "made_up_heavy_module.py").write_text("")
        metadata = tmp_path / f"{package}-1.dist-info"
        metadata.mkdir(exist_ok=True)
        (metadata / "METADATA").write_text(f"Name: {package}\nVersion: 1\n")
        lines = [f"{name} = {target}" for name, target in offers.items()]
        text = "\n".join(["[hsal_bench.commands]", *lines])
        (metadata / "entry_points.txt").write_text(text)
        code = "from hsal_bench.cli import main as cli; cli.main()"
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={"PYTHONPATH": str(tmp_path)},
        )

    return call


def test_help_tells_of_a_command_without_importing_its_package(installed):
    done = installed({"greet": "parcel.tools:greet", "bare": "parcel.tools:bare"}, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert ["greet", "Say hello."] in lines
    assert ["bare", "Of package parcel."] in lines
    names = [line[0] for line in lines if line]
    assert names.index("check-method") < names.index("bare") < names.index("greet")


def test_a_command_is_imported_when_it_is_called(installed):
    done = installed({"greet": "parcel.tools:greet"}, "greet", heavy=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")


def test_a_command_that_cannot_be_imported_names_its_package(installed):
    done = installed({"greet": "no_such.tools:greet"}, "greet")
    assert done.returncode == 2
    assert done.stderr == (
        "error: command 'greet' of package parcel cannot be imported "
        "(No module named 'no_such'): mend or uninstall that package\n"
    )


def test_what_is_no_command_is_refused(installed):
    done = installed({"greet": "collections:OrderedDict"}, "greet")
    assert done.returncode == 2
    assert done.stderr == (
        "error: command 'greet' of package parcel is a type, not a click command: "
        "mend or uninstall that package\n"
    )


def test_two_packages_with_one_name_are_both_named(installed):
    installed({"greet": "parcel.tools:greet"}, "--help", package="other")
    done = installed({"greet": "parcel.tools:bare"}, "greet")
    assert done.returncode == 2
    assert "'greet' is offered by package other and package parcel: uninst" in done.stderr


def test_a_name_of_hsal_bench_stays_its_own_and_the_clash_is_told(installed):
    done = installed({"list": "parcel.tools:greet"}, "--help")
    assert done.returncode == 0
    assert "List data sets" in done.stdout
    assert done.stderr == (
        "warning: command 'list' of package parcel cannot be called: "
        "hsal-bench has one of that name; rename or uninstall it\n"
    )
    assert "mnist-multiset" in installed({"list": "parcel.tools:greet"}, "list").stdout


def test_an_unknown_command_is_compared_with_installed_ones(installed):
    done = installed({"greet": "parcel.tools:greet"}, "gret")
    assert done.returncode == 2
    assert "no command 'gret': did you mean 'greet'?" in done.stderr


def test_a_docstring_is_that_of_the_commands_function():
    for name, target in cli.COMMANDS.items():
        command = cli.hsal_bench.get_command(None, name)
        assert commands.docstring(target) == inspect.cleandoc(command.help), name


@pytest.mark.parametrize(
    "target", ["no_such_module:f", "json:no_such_function", "sys:exit", "hsal_bench.no:f", "a..b:f"]
)
def test_what_cannot_be_read_says_nothing(target):
    assert commands.docstring(target) == ""


def test_a_source_that_is_not_python_says_nothing(tmp_path: Path, monkeypatch):
    (tmp_path / "garbled.py").write_text("def f(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert commands.docstring("garbled:f") == ""
