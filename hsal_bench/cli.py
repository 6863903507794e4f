"""The command `hsal-bench`: its subcommands, and how failures are told.

Starting it imports neither torch nor pandas: each subcommand's module does so where it works.
"""

from __future__ import annotations

import errno
import importlib
import sys
from typing import Any

import click

from hsal_bench import __version__
from hsal_bench.errors import HsalBenchError, suggest

COMMANDS = {
    "list": "hsal_bench.cli_list:list_all",
    "generate": "hsal_bench.cli_data:generate",
    "verify": "hsal_bench.cli_data:verify",
    "preview": "hsal_bench.cli_data:preview",
    "card": "hsal_bench.cli_card:card",
    "run": "hsal_bench.cli_run:run",
    "evaluate": "hsal_bench.cli_evaluate:evaluate",
    "table": "hsal_bench.cli_table:table",
    "check-method": "hsal_bench.cli_check:check_method",
}
INTERRUPTED = 130


class Commands(click.Group):
    """A group whose subcommands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of a user's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import and return a subcommand; None if there is none of that name."""
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the subcommand, or say which one was probably meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no command {args[0]!r}: {suggest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="--debug, anywhere on the line, shows the traceback of a failure.",
)
@click.version_option(__version__, prog_name="hsal-bench")
def hsal_bench() -> None:
    """Benchmark methods that predict a multiset of labels from an image.

    First: hsal-bench run --model hsal-rl --preset quick
    """


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        status = hsal_bench.main(arguments, prog_name="hsal-bench", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"error: {explain_usage(error)}", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted: the same command goes on from here", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read the output has gone; nothing is left to tell them
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        click.echo(f"error: {explain(error)}", err=True)
        sys.exit(error.exit_code if isinstance(error, HsalBenchError) else 1)
    sys.exit(status if isinstance(status, int) else 0)


def explain_usage(error: click.ClickException) -> str:
    """Return one line that names the command, what is wrong with its use, and where help is."""
    message = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    command = context.command_path
    return f"{command}: {message[:1].lower()}{message[1:]} (see `{command} --help`)"


def explain(error: Exception) -> str:
    """Return one line that names what went wrong and, where it is known, the remedy."""
    if isinstance(error, HsalBenchError):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        where = f" for {error.filename}" if error.filename else ""
        return f"no space left{where}: free some and give the same command again"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text} (--debug shows where)"
