"""`hsal-bench generate`, `verify` and `preview`: data set files from the command line."""

from __future__ import annotations

import functools
from pathlib import Path

import click

from hsal_bench.cli.datasets import FOLDER
from hsal_bench.cli.outcomes import tell
from hsal_bench.cli.spec_options import SpecCommand
from hsal_bench.data.schema import SPLITS
from hsal_bench.errors import UsageError

FILE = click.Path(dir_okay=False, path_type=Path)

_data_dir = click.option(
    "--data-dir",
    default="data",
    show_default=True,
    type=FOLDER,
    help="Where the glyph sources are (MNIST's files), or are downloaded to.",
)


@click.command(cls=SpecCommand)
@click.argument("datasets", nargs=-1, metavar="[DATASET]...")
@_data_dir
@click.option(
    "--out",
    default="data",
    show_default=True,
    type=FOLDER,
    help="Where the files go, as DATASET.h5.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes.  [default: one per available core]",
)
@click.option("--force", is_flag=True, help="Make files again, whatever is there.")
def generate(
    datasets: tuple[str, ...],
    data_dir: Path,
    out: Path,
    workers: int | None,
    force: bool,
    **options: str | bool | None,
) -> None:
    """Build data sets into HDF5: those named, or all.

    Of all, those are built whose sources are to be had. A file that is there already and has the
    same config is left as it is. Interrupted at any moment, the same command goes on from where it
    stopped.
    """
    from hsal_bench.data import generate as generation

    values = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in options.items()
        if value is not None
    }
    jobs = generation.plan(datasets, values, out, force=force)
    for job in jobs:
        if job.up_to_date:
            click.echo(f"{job.path} is up to date")
    told = None if datasets else functools.partial(click.echo, err=True)
    for job, recipe in generation.recipes(jobs, data_dir, told, workers):
        click.echo(generation.make(job, recipe, workers))


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--remake",
    default=32,
    show_default=True,
    type=click.IntRange(min=0),
    metavar="N",
    help="Examples to make again and compare; 0 makes none and needs no glyph source.",
)
@_data_dir
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def verify(file: Path, remake: int, data_dir: Path, as_json: bool) -> None:
    """Check a dataset: whole, leak-free, as its config says.

    Glyphs are compared by index and by content (the hashes in the file): equal glyphs in two splits
    fail, those that differ by a shift of one pixel are counted. A dataset made with --glyph-pools
    shared passes with the line "LEAKS".

    A check that cannot be made here (the glyph source is not to be had) is skipped; the others
    decide. Exit code 1: a check failed; 2: there is no such file.
    """
    from hsal_bench.data import verify as proof

    checks = proof.verify(file, remake=remake, data_dir=data_dir)
    tell("file", str(file), checks, as_json=as_json)


@click.command()
@click.argument("file", type=FILE)
@click.option("-o", "--out", required=True, type=FILE, help="The picture to write: sheet.png.")
@click.option(
    "--split", default="test", show_default=True, type=click.Choice(SPLITS), help="Of which split."
)
@click.option("--count", default=32, show_default=True, type=click.IntRange(min=1), help="Images.")
@click.option(
    "--start", default=0, show_default=True, type=click.IntRange(min=0), help="First image."
)
@click.option(
    "--columns", default=8, show_default=True, type=click.IntRange(min=1), help="Images per row."
)
@click.option(
    "--scale", default=2, show_default=True, type=click.IntRange(1, 16), help="Enlargement."
)
def preview(
    file: Path, out: Path, split: str, count: int, start: int, columns: int, scale: int
) -> None:
    """Draw a contact sheet with boxes and labels."""
    from hsal_bench.data.file import open_data
    from hsal_bench.report.figures.contact_sheet import contact_sheet, save

    with open_data(file) as data:
        size = data.layout.sizes[split]
        if start >= size:
            raise UsageError(f"--start {start}: {file} has {size} images in {split}")
        indices = range(start, min(start + count, size))
        save(contact_sheet(data, split, indices, columns=columns, scale=scale), out)
    click.echo(f"{out}: {split} {indices[0]} to {indices[-1]}")
