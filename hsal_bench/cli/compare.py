"""`hsal-bench compare`: two predictions of the same images, with tests of their difference."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from hsal_bench.cli.common import as_text, data_set_path, datasets_option
from hsal_bench.cli.output import OUTPUT_FILE, force_option, output_file
from hsal_bench.data.schema import SPLITS


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option(
    "--dataset",
    metavar="NAME|FILE",
    help="Dataset of the predictions.  [default: the file in --datasets that the records name]",
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
    type=OUTPUT_FILE,
    help="Draw images that only A or only B has right, in a picture such as sheet.png.",
)
@force_option
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
    force: bool,
    count: int,
) -> None:
    """Compare A with B, image by image.

    A and B are records, folders of runs, or predictions files. Shows exact match and macro F1 with
    95 % bootstrap intervals over the images, McNemar's exact test of the difference, and the exact
    match by kind of image. If predictions or the dataset are missing, shows what can still be
    computed.
    """
    from hsal_bench.comparison.two_sources import compare_sources
    from hsal_bench.report.comparison_tables import comparison_tables, plain

    file = data_set_path(dataset, datasets) if dataset else None
    if output:
        _picture(output, [a, b, file], force=force)  # a wrong one fails before the work
    comparison = compare_sources(a, b, file, datasets, split)
    if as_json:
        click.echo(json.dumps(plain(comparison), indent=1))
    else:
        click.echo(as_text(comparison_tables(comparison), "terminal"), nl=False)
    if output:
        from hsal_bench.report.figures.contact_sheet import PICTURES, save
        from hsal_bench.report.figures.disagreements import comparison_picture, describe_picture

        picture = _picture(output, [a, b, comparison.file], force=force)
        save(comparison_picture(comparison, count), picture, PICTURES[output.suffix.lower()])
        click.echo(f"{output}: {describe_picture(comparison, count)}", err=True)


def _picture(output: Path, inputs: Sequence[Path | None], *, force: bool) -> Path:
    """Return the file of the picture, which is none of the inputs, nor of the files next to them.

    Raises as `output_file`.
    """
    from hsal_bench.report.figures.contact_sheet import PICTURES

    paths = [path for path in inputs if path is not None]
    folders = [path if path.is_dir() else path.parent for path in paths]
    names = ("record.json", "predictions.jsonl")
    read = [*paths, *(folder / name for folder in folders for name in names)]
    return output_file(output, PICTURES, read, force=force)
