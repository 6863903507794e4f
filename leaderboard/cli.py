"""`hsal-bench leaderboard`: write result records as a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from hsal_bench.cli.output import OUTPUT_FILE, PAGE, force_option, output_file


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    default="leaderboard.html",
    show_default=True,
    type=OUTPUT_FILE,
    help="HTML file to write.",
)
@force_option
@click.option(
    "--pictures",
    is_flag=True,
    help="Embed each method's attention.png, found next to its record, scaled down; at most 1 MiB "
    "in all.",
)
def leaderboard(paths: tuple[Path, ...], output: Path, force: bool, pictures: bool) -> None:
    """Write recorded runs as one HTML page.

    PATH: record files or folders (default: runs). Reads the records at any depth in a folder,
    whatever their names.

    The page has one table per dataset, with ranks and charts, and links to the records. It needs no
    other file: open it from a disk, mail it, or put it on any server.
    """
    from hsal_bench.files import write_text
    from hsal_bench.leaderboard.page.page import page
    from hsal_bench.leaderboard.page.sections import Entry
    from hsal_bench.record.find import read_records

    records = read_records(paths or [Path("runs")])
    entries = [Entry(path, record) for path, record in records.items()]
    file = output_file(output, {".html": PAGE}, _inputs(records), force=force)
    text, left_out = page(entries, output, with_pictures=pictures)
    write_text(file, text)
    runs = f"{len(entries)} run{'' if len(entries) == 1 else 's'}"
    click.echo(f"{output}: {runs}, {len(text.encode()) / 1e3:,.0f} kB")
    for reason in left_out:
        click.echo(f"skipped the picture of {reason}", err=True)


def _inputs(records: Iterable[Path]) -> Iterator[Path]:
    """Yield the files of records and their pictures."""
    from hsal_bench.leaderboard.page.pictures import NAME

    for path in records:
        yield from (path, path.with_name(NAME))
