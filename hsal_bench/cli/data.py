"""`hsal-bench generate`, `verify` and `preview`: build, check and show dataset files."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hsal_bench.cli.common import (
    FOLDER,
    data_dir_option,
    no_wait_option,
    print_checks,
    slurm_option,
)
from hsal_bench.cli.output import OUTPUT_FILE, force_option, output_file
from hsal_bench.cli.spec_options import SpecCommand
from hsal_bench.data.manifest import MOST_SHARDS
from hsal_bench.data.schema import SPLITS
from hsal_bench.errors import UsageError
from hsal_bench.locks import refusing_to_wait

if TYPE_CHECKING:
    from hsal_bench.data.build import Run

FILE = click.Path(path_type=Path)


@click.command(cls=SpecCommand)
@click.argument("datasets", nargs=-1, metavar="[DATASET]...")
@data_dir_option
@click.option(
    "--out",
    default="data",
    show_default=True,
    type=FOLDER,
    help="Folder for the files DATASET.h5.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of processes.  [default: one per available core]",
)
@click.option(
    "--on",
    "where",
    metavar="WHERE",
    help="Generate elsewhere: slurm, dask or dask://HOST:PORT. local:N is --workers N.",
)
@slurm_option
@click.option(
    "--shards",
    type=click.IntRange(1, MOST_SHARDS),
    metavar="N",
    help="Write a folder DATASET.h5 of N smaller files instead of one file.",
)
@click.option("--force", is_flag=True, help="Build again, even if the file exists.")
@no_wait_option
def generate(
    datasets: tuple[str, ...],
    data_dir: Path,
    out: Path,
    workers: int | None,
    where: str | None,
    slurm_options: dict[str, str],
    shards: int | None,
    force: bool,
    no_wait: bool,
    **options: str | bool | None,
) -> None:
    """Build datasets as HDF5 files.

    Without names, builds every dataset whose source is available. Skips a dataset whose file exists
    and has the same config. After an interruption, the same command resumes.
    """
    from hsal_bench.data import generate as generation

    values = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in options.items()
        if value is not None
    }
    workers, run = _where(where, workers, slurm_options, data_dir)
    jobs = generation.plan(datasets, values, out, force=force, shards=shards)
    for job in jobs:
        if job.up_to_date:
            click.echo(f"{job.path} is up to date")
    warn = None if datasets else functools.partial(click.echo, err=True)
    with refusing_to_wait(no_wait):
        for job, recipe in generation.recipes(jobs, data_dir, warn, workers):
            text, warnings = generation.generate_file(job, recipe, workers, run)
            click.echo(text)
            for warning in warnings:
                click.echo(warning, err=True)


def _where(
    where: str | None, workers: int | None, slurm_options: dict[str, str], data_dir: Path
) -> tuple[int | None, Run | None]:
    """Return the number of processes here, and how to generate elsewhere."""
    if where is None:
        if slurm_options:
            raise UsageError("--slurm needs --on slurm")
        return workers, None
    from hsal_bench.cluster import blocks, places

    places.check_place(where, slurm_options)
    if workers is not None:
        raise UsageError("--workers does not apply to --on: write --on local:N, or drop one")
    if number := places.local_processes(where):
        return number, None
    return None, blocks.on_cluster(where, slurm_options, data_dir)


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--remake",
    default=32,
    show_default=True,
    type=click.IntRange(min=0),
    metavar="N",
    help="Number of examples to generate again and compare; 0 needs no source.",
)
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def verify(file: Path, remake: int, data_dir: Path, as_json: bool) -> None:
    """Check that a dataset file is intact.

    Also checks that it agrees with its config and that no glyph occurs in two splits. Glyphs are
    compared by index and by content (hashes in the file); those that differ only by a shift of one
    pixel are counted. A dataset built with --glyph-pools shared passes with the line "LEAKS".

    Skips checks whose source is not available. Exit code 1: a check failed, so the file is damaged
    or wrong; 2: no such file.
    """
    from hsal_bench.data import verify as proof

    checks = proof.verify(file, remake=remake, data_dir=data_dir)
    print_checks("file", str(file), checks, as_json=as_json)


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "-o", "--out", required=True, type=OUTPUT_FILE, help="Picture to write, such as sheet.png."
)
@force_option
@click.option(
    "--split", default="test", show_default=True, type=click.Choice(SPLITS), help="Split to show."
)
@click.option(
    "--count", default=32, show_default=True, type=click.IntRange(min=1), help="Number of images."
)
@click.option(
    "--start",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Index of the first image.",
)
@click.option(
    "--columns", default=8, show_default=True, type=click.IntRange(min=1), help="Images per row."
)
@click.option(
    "--scale", default=2, show_default=True, type=click.IntRange(1, 16), help="Zoom factor."
)
def preview(
    file: Path,
    out: Path,
    force: bool,
    split: str,
    count: int,
    start: int,
    columns: int,
    scale: int,
) -> None:
    """Draw a contact sheet with boxes and labels."""
    from hsal_bench.data.content import open_intact
    from hsal_bench.report.figures.contact_sheet import PICTURES, contact_sheet, save

    picture = output_file(out, PICTURES, [file], force=force)
    with open_intact(file) as data:
        size = data.layout.sizes[split]
        if start >= size:
            raise UsageError(f"--start {start}: {file} has {size:,} images in {split}")
        indices = range(start, min(start + count, size))
        sheet = contact_sheet(data, split, indices, columns=columns, scale=scale)
    save(sheet, picture, PICTURES[out.suffix.lower()])
    click.echo(f"{out}: {split} {indices[0]} to {indices[-1]}")
