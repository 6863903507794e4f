"""`hsal-bench figures`: the paper's figures from records and trained methods."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from hsal_bench.cli.datasets import FOLDER, datasets_option
from hsal_bench.errors import UsageError
from hsal_bench.options import listed

FIGURES = ("2", "3", "4", "5", "6", "12")
FORMATS = ("pdf", "png")


@click.command()
@click.argument("paths", nargs=-1, metavar="[RUNS]...", type=click.Path(path_type=Path))
@click.option("--out", default="figures", show_default=True, type=FOLDER, help="Where they go.")
@click.option("--only", metavar="2,3,4,5,6,12", help="Some of them.  [default: all]")
@click.option(
    "--format",
    "formats",
    default="pdf,png",
    show_default=True,
    metavar="pdf,png",
    help="Vectors, pixels (300 to the inch), or both.",
)
@datasets_option("Where the data sets and activation models are that the runs were trained on.")
@click.option(
    "--device", metavar="NAME", help="cpu, cuda, cuda:1.  [default: a GPU where there is one]"
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Draws the images of figures 2 and 12.",
)
def figures(
    paths: tuple[Path, ...],
    out: Path,
    only: str | None,
    formats: str,
    datasets: Path,
    device: str | None,
    seed: int,
) -> None:
    """Draw the paper's figures from recorded runs.

    RUNS: record files, or folders with every record.json below and every .json right in them
    (default: runs). 2 and 12: how a trained method looks at images, step by step. 3 and 4: where
    its saliency map falls short. 5 and 6: the glimpses' saliency and macro F1 over training. Each
    comes with a caption that names its records, figure-N.txt; of several data sets, each has its
    own. What is missing for one is told, and the
    others are made. Exit code 1: a figure of --only, or every figure, could not be made.
    """
    wanted = FIGURES if only is None else _parts(only, FIGURES, "--only")
    numbers = [int(number) for number in wanted]
    suffixes = _parts(formats, FORMATS, "--format")
    from hsal_bench.records.find import read_records

    found = read_records(paths or [Path("runs")])
    runs = [(record, file) for file, record in found.items()]
    # Only now: they import torch, which takes seconds.
    from hsal_bench.report.figures.paper import Wanted, make
    from hsal_bench.training import device as devices

    where = devices.resolve(device)
    missing = make(runs, Wanted(numbers, suffixes, out, datasets, where, seed))
    if missing and (only or missing == numbers):
        sys.exit(1)


def _parts(text: str, known: Sequence[str], option: str) -> list[str]:
    """Return the parts of a list with commas, each once.

    Raises:
        UsageError: one that is not known, or none.
    """
    parts = listed(text)
    if not parts:
        raise UsageError(f"{option} names none: name some of {', '.join(known)}")
    if other := [part for part in parts if part not in known]:
        raise UsageError(f"{option} {text}: {other[0]!r} is none of {', '.join(known)}")
    return parts
