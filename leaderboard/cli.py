"""`hsal-bench leaderboard`: write result records as a page."""

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
    help="File to write.",
)
@click.option(
    "--pictures",
    is_flag=True,
    help="Show each method's attention.png, the one next to its record, scaled down; 1 MiB in all.",
)
def leaderboard(paths: tuple[Path, ...], output: Path, pictures: bool) -> None:
    """Write recorded runs as one HTML page.

    PATH: record files, or folders. A folder gives every record.json below it and every .json
    directly in it (default: runs). The page has one table per dataset, with ranks and charts; each
    number links to its record. The page loads nothing: open it from a disk, mail it, or put it on
    any server.
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
    for reason in left_out:
        click.echo(f"skipped the picture of {reason}", err=True)
