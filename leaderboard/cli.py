"""`hsal-bench leaderboard`: result records to a page."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    default="leaderboard.html",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page's file.",
)
@click.option(
    "--pictures",
    is_flag=True,
    help="Show each method's attention.png that lies beside its record, made small; 1 MiB in all.",
)
def leaderboard(paths: tuple[Path, ...], output: Path, pictures: bool) -> None:
    """Write recorded runs as one HTML page.

    PATH: record files, or folders with every record.json below and every .json right in them
    (default: runs). One table per data set, with ranks, charts, and every number down to its
    record. The page loads nothing: it can be opened from a disk, mailed, or put on any server as it
    is.
    """
    from hsal_bench.files import writable_folder, write_text
    from hsal_bench.leaderboard.page.page import page
    from hsal_bench.leaderboard.page.sections import Entry
    from hsal_bench.records.find import read_records

    found = read_records(paths or [Path("runs")])
    entries = [Entry(file, record) for file, record in found.items()]
    writable_folder(output.parent)
    text, left_out = page(entries, output, with_pictures=pictures)
    write_text(output, text)
    runs = f"{len(entries)} run{'' if len(entries) == 1 else 's'}"
    click.echo(f"{output}: {runs}, {len(text.encode()) / 1e3:,.0f} kB")
    for told in left_out:
        click.echo(f"left out the picture of {told}", err=True)
