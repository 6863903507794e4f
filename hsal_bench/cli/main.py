"""The command `hsal-bench`: its subcommands, its error messages and its exit codes.

Starting it imports neither torch nor pandas: each subcommand's module imports them where it needs
them.
"""

from __future__ import annotations

import errno
import importlib
import os
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import click

from hsal_bench import __version__
from hsal_bench.errors import HsalBenchError, suggest
from hsal_bench.interrupts import ignore_signals, terminate_like_ctrl_c
from hsal_bench.text import one_line


class Command(NamedTuple):
    """A subcommand: the click command as `module:attribute`, and its line in `--help`."""

    target: str
    summary: str


COMMANDS = {
    "list": Command(
        "hsal_bench.cli.list:list_all", "List datasets, methods and presets, or one's options."
    ),
    "generate": Command("hsal_bench.cli.data:generate", "Build datasets as HDF5 files."),
    "import": Command(
        "hsal_bench.generators.own.cli:import_pictures",
        "Turn labelled pictures into a dataset file.",
    ),
    "verify": Command("hsal_bench.cli.data:verify", "Check that a dataset file is intact."),
    "preview": Command(
        "hsal_bench.cli.data:preview", "Draw a contact sheet with boxes and labels."
    ),
    "export": Command("hsal_bench.cli.export:export", "Copy a dataset file into another format."),
    "card": Command("hsal_bench.cli.card:card", "Print a dataset's card."),
    "run": Command("hsal_bench.cli.run:run", "Train and evaluate methods."),
    "prepare": Command("hsal_bench.cli.run:prepare", "Build what runs need, and run nothing."),
    "status": Command(
        "hsal_bench.cli.status:status",
        "Show which runs are done, running or missing.",
    ),
    "evaluate": Command("hsal_bench.cli.evaluate:evaluate", "Score a predictions file."),
    "compare": Command("hsal_bench.cli.compare:compare", "Compare A with B, image by image."),
    "table": Command("hsal_bench.cli.table:table", "Show the metrics and ranks of recorded runs."),
    "figures": Command(
        "hsal_bench.cli.figures:figures", "Draw the paper's figures from recorded runs."
    ),
    "check-method": Command(
        "hsal_bench.cli.check_method:check_method_command",
        "Check that a method keeps the contract.",
    ),
    "check-submission": Command(
        "hsal_bench.leaderboard.cli_submission:check_submission",
        "Check predictions made elsewhere and write records.",
    ),
    "schema": Command("hsal_bench.cli.schema:schema", "Print the JSON Schema of a kind of file."),
    "leaderboard": Command(
        "hsal_bench.leaderboard.cli:leaderboard", "Write recorded runs as one HTML page."
    ),
}
"""In the order of a user's work. A target is imported only when its command is called."""
INTERRUPTED = 130


class Commands(click.Group):
    """A group that imports a subcommand only when it is called; help needs no import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import and return a subcommand; None for an unknown name."""
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].target.partition(":")
        return getattr(importlib.import_module(module), attribute)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the subcommand, or suggest the nearest one."""
        name = args[0] if args else ""
        if name not in COMMANDS and not name.startswith("-"):
            ctx.fail(f"no command {name!r}: {suggest(name, COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one line for each subcommand."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.summary) for name, command in COMMANDS.items()])


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Add --debug anywhere to see the traceback of an error.",
)
@click.version_option(__version__, prog_name="hsal-bench")
def hsal_bench() -> None:
    """Benchmark methods that predict a multiset of labels from an image.

    Start with: hsal-bench run --model hsal-rl --preset quick
    """


def main() -> None:
    """Run the command line and exit.

    Exit codes: 0 done, 1 failed, 2 wrong use or damaged input, 130 interrupted.
    """
    debug = "--debug" in sys.argv
    try:
        terminate_like_ctrl_c()
        # How long torch's threads spin while they wait. The default suits only an idle machine:
        # next to other processes an update takes 5 times as long as with one thread
        # (benchmarks/threads.py).
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
        arguments = [with_home(argument) for argument in sys.argv[1:] if argument != "--debug"]
        status = hsal_bench.main(arguments, prog_name="hsal-bench", standalone_mode=False)
        ignore_signals()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"error: {explain_usage(error)}", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        ignore_signals()
        click.echo("interrupted: run the same command to resume", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the output has gone: print nothing more
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        click.echo(f"error: {explain(error)}", err=True)
        sys.exit(error.exit_code if isinstance(error, HsalBenchError) else 1)
    sys.exit(status if isinstance(status, int) else 0)


def with_home(argument: str) -> str:
    """Return an argument with the home folder for each `~/` that starts a path in it.

    Shells leave it in `--out=~/x` and in `~/a,~/b`.
    """
    return re.sub(r"(?:^|(?<=[=,]))~(?=/)", lambda _: str(Path.home()), argument)


def explain_usage(error: click.ClickException) -> str:
    """Return one line: the command, the usage error, and where to find help."""
    message = one_line(error.format_message()).rstrip(".")
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    command = context.command_path
    return f"{command}: {message[:1].lower()}{message[1:]} (see `{command} --help`)"


def explain(error: Exception) -> str:
    """Return one line: what went wrong and, if known, the remedy."""
    if isinstance(error, HsalBenchError):
        return one_line(str(error))
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        where = f" for {error.filename}" if error.filename else ""
        return f"no space left{where}: free some and run the same command again"
    if isinstance(error, OSError) and error.filename:
        return one_line(f"{error.filename}: {error.strerror}")
    return f"{type(error).__name__}: {one_line(str(error))} (--debug shows the traceback)"
