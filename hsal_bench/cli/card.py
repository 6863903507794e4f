"""`hsal-bench card`: what a data set is made of, where it comes from, what it is not for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hsal_bench.cli.datasets import data_set_path, datasets_option
from hsal_bench.errors import HsalBenchError, UsageError

if TYPE_CHECKING:
    from hsal_bench.data.file import DataFile


@click.command()
@click.argument("data_set", metavar="NAME|FILE")
@datasets_option()
@click.option(
    "--croissant",
    "out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="OUT.json",
    help="Write Croissant metadata (JSON-LD) there instead of printing the card.",
)
@click.option("--url", default="", help="With --croissant: the page where it is published.")
@click.option(
    "--published",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="With --croissant: since when it is published.",
)
def card(
    data_set: str, datasets: Path, out: Path | None, url: str, published: datetime | None
) -> None:
    """Print a data set's card, measured from its file.

    It is in Markdown. Without a file, a data set that can be generated gets the part of the card
    that needs none. Exit code 1: the file is damaged; 2: there is no such data set.
    """
    if out is None and (url or published):
        raise UsageError("--url and --published are written by --croissant OUT.json: name the file")
    path = data_set_path(data_set, datasets)
    if out is not None:
        day = f"{published:%Y-%m-%d}" if published else ""
        click.echo(_write_croissant(path, data_set, out, url, day))
        return
    from hsal_bench.data.cards import card as cards

    if path.exists():
        with _opened(path) as data:
            click.echo(cards.card(data), nl=False)
    else:
        click.echo(cards.outline(data_set, path), nl=False)


def _write_croissant(path: Path, data_set: str, out: Path, url: str, published: str) -> str:
    import json

    from hsal_bench.data.cards.croissant import croissant
    from hsal_bench.files import writable_folder, write_text

    if not path.exists():
        raise UsageError(
            f"no data set file {path}, which Croissant metadata describes: build it with "
            f"`hsal-bench generate {data_set} --out {path.parent}`"
        )
    writable_folder(out.parent)
    with _opened(path) as data:
        described = croissant(data, url, published)
    write_text(out, json.dumps(described, indent=1, ensure_ascii=False) + "\n")
    lacking = [
        option for option, value in (("--url", url), ("--published", published)) if not value
    ]
    note = f"; Croissant asks for {' and '.join(lacking)} once it is published" if lacking else ""
    return f"{out}: {described['name']}, to lie beside {path.name}{note}"


@contextmanager
def _opened(path: Path) -> Iterator[DataFile]:
    """Open a file that is there: what is wrong with it is a failure, not wrong use."""
    from hsal_bench.data.file import open_data

    try:
        with open_data(path) as data:
            yield data
    except UsageError as error:
        raise HsalBenchError(str(error)) from error
