"""What a command that prints tables shares with the others: formats, and where the text goes."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hsal_bench.errors import UsageError

if TYPE_CHECKING:
    from hsal_bench.report.text_tables import Sheet

FORMATS = ("terminal", "markdown", "csv", "latex")
SUFFIXES = {".md": "markdown", ".csv": "csv", ".tex": "latex"}

format_option = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="How to show it.  [default: by the suffix of the --output file, else terminal]",
)
output_option = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file (.md, .csv or .tex; any other with --format).",
)


def format_of(output: Path | None) -> str:
    """Return the format that the name of the output file asks for; None is the terminal.

    Raises:
        UsageError: its suffix says none.
    """
    if output is None:
        return "terminal"
    if output.suffix.lower() not in SUFFIXES:
        endings, forms = ", ".join(SUFFIXES), ", ".join(FORMATS)
        raise UsageError(
            f"{output} has no suffix that says its format: end its name in one of {endings}, "
            f"or say --format ({forms})"
        )
    return SUFFIXES[output.suffix.lower()]


def as_text(shown: list[Sheet], form: str) -> str:
    """Return sheets in the format "terminal" (with its codes for bold), "markdown" or "latex"."""
    from hsal_bench.report import latex, text_tables

    if form == "latex":
        return latex.latex(shown)
    if form == "markdown":
        return text_tables.markdown(shown)
    from rich.console import Console

    from hsal_bench.report.terminal import terminal

    buffer, width = io.StringIO(), _width()
    console = Console(file=buffer, highlight=False, width=width, force_terminal=True)
    console.print(terminal(shown, width))
    return buffer.getvalue()


def give(text: str, output: Path | None) -> None:
    """Print a text, or write it to the output file; only a terminal gets a terminal's codes."""
    if output is None:
        click.echo(text, nl=False)
        return
    from hsal_bench.files import writable_folder, write_text

    writable_folder(output.parent)
    write_text(output, click.unstyle(text))


def _width() -> int:
    """Return the width to draw tables in: the terminal's, or what a log or a file can take."""
    return max(shutil.get_terminal_size((160, 24)).columns, 60)
