"""Command line: help, errors in one line, exit codes, a traceback only with --debug."""

import errno
import json

import click
import pytest

from hsal_bench.cli import main as cli
from hsal_bench.errors import HsalBenchError, UsageError


def _failing(monkeypatch, error):
    @click.command("list")
    def fail():
        raise error

    monkeypatch.setattr(cli.Commands, "get_command", lambda self, ctx, name: fail)


def test_help_names_every_command(hsal_bench):
    code, out, _ = hsal_bench("--help")
    assert code == 0
    for name in cli.COMMANDS:
        assert f"\n  {name} " in out


def test_help_has_a_line_of_80_columns_for_each_command(monkeypatch, hsal_bench):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = hsal_bench("--help")
    lines = out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert len(lines) == len(cli.COMMANDS)
    assert [line for line in lines if len(line) > 80 or not line.endswith(".")] == []


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_line_of_a_command_begins_its_own_help(name):
    command = cli.hsal_bench.get_command(None, name)
    assert command.name == name
    assert command.help.partition("\n\n")[0] == cli.COMMANDS[name].summary


def test_an_unknown_command_suggests_the_nearest(hsal_bench):
    code, _, err = hsal_bench("genrate")
    assert code == 2
    assert "no command 'genrate': did you mean 'generate'?" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--modle", "x"], "hsal-bench run: no such option"),
        (["run"], "hsal-bench run: missing option '--model'"),
        (
            ["run", "--model", "x", "--updates", "0"],
            "hsal-bench run: invalid value for '--updates'",
        ),
        (["verify"], "hsal-bench verify: missing argument 'FILE'"),
        (["generate", "--trian", "3"], "hsal-bench generate: no such option"),
        (["--foo"], "hsal-bench: no such option"),
        (["genrate"], "hsal-bench: no command 'genrate'"),
    ],
)
def test_wrong_use_is_one_line_with_the_command_and_the_remedy(hsal_bench, arguments, said):
    code, out, err = hsal_bench(*arguments)
    command = said.partition(":")[0]
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {said}")
    assert err.endswith(f"(see `{command} --help`)\n")
    assert err.count("\n") == 1


def test_the_bare_command_shows_its_help(hsal_bench):
    code, out, err = hsal_bench()
    assert code == 2
    assert (out + err).startswith("Usage: hsal-bench")


def test_list_as_json(hsal_bench):
    code, out, _ = hsal_bench("list", "--json")
    found = json.loads(out)
    assert code == 0
    assert {"hsal-rl", "cross-entropy"} <= set(found["methods"])
    assert "mnist-multiset" in found["datasets"]


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UsageError("a value\nis wrong: fix it"), 2, "error: a value is wrong: fix it"),
        (HsalBenchError("it failed"), 1, "error: it failed"),
        (UsageError("no file \x1b[2J\ud800"), 2, "error: no file \\x1b[2J\\ud800\n"),
        (OSError(errno.EACCES, "Denied", "\x9b2J"), 1, "error: \\x9b2J: Denied\n"),
        (ValueError("\u202e"), 1, "error: ValueError: \\u202e (--debug"),
        (OSError(errno.ENOSPC, "No space left", "x.h5"), 1, "error: no space left for x.h5"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 1, "error: x: Permission denied"),
        (ZeroDivisionError("division"), 1, "error: ZeroDivisionError: division (--debug"),
        (KeyboardInterrupt(), 130, "interrupted: run the same command to resume"),
    ],
)
def test_a_failure_is_one_line_and_an_exit_code(monkeypatch, hsal_bench, error, code, line):
    _failing(monkeypatch, error)
    got, _, err = hsal_bench("list")
    assert got == code
    assert line in err
    assert len(err.strip().splitlines()) == 1


def test_debug_shows_the_traceback(monkeypatch):
    _failing(monkeypatch, HsalBenchError("it failed"))
    monkeypatch.setattr("sys.argv", ["hsal-bench", "list", "--debug"])
    with pytest.raises(HsalBenchError, match="it failed"):
        cli.main()
