"""The command `hsal-bench`: its subcommands, and how failures are told.

Starting it imports neither torch nor pandas: each subcommand's module does so where it works.
Packages add subcommands through the entry points `hsal_bench.commands`.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import Any

import click

from hsal_bench import __version__
from hsal_bench.errors import HsalBenchError, UsageError, suggest
from hsal_bench.interrupts import terminate_like_ctrl_c
from hsal_bench.text import one_line

COMMANDS = {
    "list": "hsal_bench.cli.list:list_all",
    "generate": "hsal_bench.cli.data:generate",
    "verify": "hsal_bench.cli.data:verify",
    "preview": "hsal_bench.cli.data:preview",
    "card": "hsal_bench.cli.card:card",
    "run": "hsal_bench.cli.run:run",
    "evaluate": "hsal_bench.cli.evaluate:evaluate",
    "compare": "hsal_bench.cli.compare:compare",
    "table": "hsal_bench.cli.table:table",
    "figures": "hsal_bench.cli.figures:figures",
    "check-method": "hsal_bench.cli.check_method:check_method",
}
INTERRUPTED = 130


class Commands(click.Group):
    """A group whose subcommands are imported when they are called, not to tell of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of a user's work, then those of installed packages."""
        return list(_targets())

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import and return a subcommand; None if there is none of that name."""
        if name in COMMANDS:
            module, _, attribute = COMMANDS[name].partition(":")
            return getattr(importlib.import_module(module), attribute)
        return _installed(name) if name in _targets() else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the subcommand, or say which one was probably meant."""
        wanted = args[0] if args else ""
        if wanted not in COMMANDS and not wanted.startswith("-") and wanted not in _targets():
            ctx.fail(f"no command {wanted!r}: {suggest(wanted, _targets())}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line for each subcommand, as click does, from what its source says."""
        targets = _targets()
        width = formatter.width - max(map(len, targets)) - 6
        with formatter.section("Commands"):
            formatter.write_dl([(name, _line(name, targets[name], width)) for name in targets])
        for name in _hidden():
            click.echo(f"warning: {_clash(name)}", err=True)


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


def _targets() -> dict[str, str]:
    """Return every subcommand's `module:attribute`; a name of hsal-bench's own is its own."""
    from hsal_bench import registry

    return COMMANDS | {
        name: target
        for name, target in registry.targets(registry.COMMANDS).items()
        if name not in COMMANDS
    }


def _line(name: str, target: str, width: int) -> str:
    """Return what stands beside a subcommand in the help; its package where its source is mute."""
    from hsal_bench import registry
    from hsal_bench.commands import docstring

    about = docstring(target) or f"Of {registry.owners(registry.COMMANDS, name)}."
    return click.Command(name, help=about).get_short_help_str(width)


def _hidden() -> list[str]:
    """Return the names that a package offers in vain."""
    from hsal_bench import registry

    return [name for name in registry.names(registry.COMMANDS) if name in COMMANDS]


def _clash(name: str) -> str:
    from hsal_bench import registry

    return (
        f"command {name!r} of {registry.owners(registry.COMMANDS, name)} cannot be called: "
        "hsal-bench has one of that name; rename or uninstall it"
    )


def _installed(name: str) -> click.Command:
    """Import a package's command. Raises as `registry.load`, and where it is no command."""
    from hsal_bench import registry

    command = registry.load(registry.COMMANDS, name, "command")
    if not isinstance(command, click.Command):
        owner = registry.owners(registry.COMMANDS, name)
        raise UsageError(
            f"command {name!r} of {owner} is a {type(command).__name__}, not a click command: "
            "mend or uninstall that package"
        )
    return command


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    terminate_like_ctrl_c()
    # How long torch's threads spin for work. Their default suits an idle machine alone: beside
    # other processes an update takes 5 times one thread's time (benchmarks/threads.py).
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
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
        click.echo("interrupted: run the same command to resume", err=True)
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
    message = one_line(error.format_message()).rstrip(".")
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    command = context.command_path
    return f"{command}: {message[:1].lower()}{message[1:]} (see `{command} --help`)"


def explain(error: Exception) -> str:
    """Return one line that names what went wrong and, where it is known, the remedy."""
    if isinstance(error, HsalBenchError):
        return one_line(str(error))
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        where = f" for {error.filename}" if error.filename else ""
        return f"no space left{where}: free some and give the same command again"
    if isinstance(error, OSError) and error.filename:
        return one_line(f"{error.filename}: {error.strerror}")
    return f"{type(error).__name__}: {one_line(str(error))} (--debug shows where)"
