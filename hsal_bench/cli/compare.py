"""`hsal-bench compare`: two predictions of the same images, with tests of their difference."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hsal_bench.cli.common import as_text, data_set_path, datasets_option
from hsal_bench.data.schema import SPLITS


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option(
    "--dataset",
    metavar="NAME|FILE",
    help="Dataset of the predictions.  [default: the one that the records name, in --datasets]",
)
@datasets_option()
@click.option(
    "--split",
    default="test",
    show_default=True,
    type=click.Choice(SPLITS),
    help="Split of the predictions files.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw images that only A or only B has right: a picture such as sheet.png.",
)
@click.option(
    "--count",
    default=32,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of images to draw.",
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

    A and B are records, folders of runs, or predictions files. Shows exact match and macro F1 with
    95 % bootstrap intervals over the images, the difference with McNemar's exact test, and the
    scores by kinds of images. If predictions or the dataset are missing, shows what can still be
    computed.
    """
    from hsal_bench.compare import pairwise
    from hsal_bench.report import pairwise as contest_tables

    if output:
        from hsal_bench.report.figures.contact_sheet import picture_format

        picture_format(output)  # a wrong suffix fails before the work
    file = data_set_path(dataset, datasets) if dataset else None
    contest = pairwise.hold(a, b, file, datasets, split)
    if as_json:
        click.echo(json.dumps(contest_tables.plain(contest), indent=1))
    else:
        click.echo(as_text(contest_tables.contest_tables(contest), "terminal"), nl=False)
    if output:
        from hsal_bench.report.figures.contact_sheet import save
        from hsal_bench.report.figures.disagreements import contest_picture, drawn

        save(contest_picture(contest, count), output)
        click.echo(f"{output}: {drawn(contest, count)}", err=True)
