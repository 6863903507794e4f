"""`hsal-bench compare`: is the difference between two predictions of the same images real."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hsal_bench.cli.datasets import data_set_path, datasets_option
from hsal_bench.cli.output import as_text
from hsal_bench.data.schema import SPLITS


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option(
    "--dataset",
    metavar="NAME|FILE",
    help="The data set that was predicted.  [default: the file in --datasets that records name]",
)
@datasets_option("Where data set files are.")
@click.option(
    "--split",
    default="test",
    show_default=True,
    type=click.Choice(SPLITS),
    help="Which split predictions files are of.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw images that one alone has right into this picture: sheet.png.",
)
@click.option(
    "--count", default=32, show_default=True, type=click.IntRange(min=1), help="Images to draw."
)
def compare(
    a: Path,
    b: Path,
    dataset: str | None,
    datasets: Path,
    split: str,
    as_json: bool,
    output: Path | None,
    count: int,
) -> None:
    """Compare A with B, image by image.

    They are records, folders of runs, or predictions files. Told are exact match and macro F1 with
    95 % bootstrap intervals over the images, the difference with McNemar's exact test, and by kinds
    of images. Of records without the predictions or the data set, what can be told is told.
    """
    from hsal_bench.compare import pairwise
    from hsal_bench.report import pairwise as contest_sheets

    if output:
        from hsal_bench.report.figures.contact_sheet import picture_format

        picture_format(output)  # refuses before the work what could not be drawn after it
    named = data_set_path(dataset, datasets) if dataset else None
    found = pairwise.hold(a, b, named, datasets, split)
    if as_json:
        click.echo(json.dumps(contest_sheets.plain(found), indent=1))
    else:
        click.echo(as_text(contest_sheets.contest_sheets(found), "terminal"), nl=False)
    if output:
        from hsal_bench.report.figures.contact_sheet import save
        from hsal_bench.report.figures.disagreements import contest_picture, drawn

        save(contest_picture(found, count), output)
        click.echo(f"{output}: {drawn(found, count)}", err=True)
