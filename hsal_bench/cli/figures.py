"""`hsal-bench figures`: the paper's figures from records and trained methods."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from hsal_bench.cli.common import FOLDER, cache_option, datasets_option
from hsal_bench.cli.output import TEXT, force_option, output_file
from hsal_bench.errors import UsageError
from hsal_bench.options import split_list

FIGURES = ("2", "3", "4", "5", "6", "12")
FORMATS = ("pdf", "png")
_KINDS = {".pdf": "PDF", ".png": "PNG", ".txt": TEXT}


@click.command()
@click.argument("paths", nargs=-1, metavar="[RUNS]...", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", default="figures", show_default=True, type=FOLDER, help="Folder for the figures."
)
@click.option(
    "--only", metavar="2,3,4,5,6,12", help="Numbers of the figures to draw.  [default: all]"
)
@click.option(
    "--format",
    "formats",
    default="pdf,png",
    show_default=True,
    metavar="pdf,png",
    help="File formats: pdf (vectors), png (300 dpi), or both.",
)
@force_option
@datasets_option("Folder of the runs' datasets and activation models.")
@cache_option
@click.option(
    "--device", metavar="NAME", help="cpu, cuda or cuda:1.  [default: a GPU if there is one]"
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Seed for choosing the images of figures 2 and 12.",
)
def figures(
    paths: tuple[Path, ...],
    out: Path,
    only: str | None,
    formats: str,
    force: bool,
    datasets: Path,
    cache: Path | None,
    device: str | None,
    seed: int,
) -> None:
    """Draw the paper's figures from recorded runs.

    RUNS: record files or folders (default: runs). Reads the records at any depth in a folder,
    whatever their names.

    Figures 2 and 12 show a trained method's glimpses, step by step; 3 and 4 errors of its saliency
    map; 5 and 6 the glimpses' saliency and the macro F1 during training. There is one figure per
    dataset, and a caption that names the records (figure-N.txt).

    Figures that cannot be drawn are reported; the rest are drawn. Exit code 1: no figure, or not
    every figure of --only, could be drawn.
    """
    names = FIGURES if only is None else _choices(only, FIGURES, "--only")
    numbers = [int(name) for name in names]
    suffixes = _choices(formats, FORMATS, "--format")
    from hsal_bench.record.find import read_records

    records = read_records(paths or [Path("runs")])
    runs = [(record, file) for file, record in records.items()]
    # Here, because they import torch, which takes seconds.
    from hsal_bench.report.figures.paper import Wanted, draw_figures
    from hsal_bench.training import device as devices

    def target(path: Path) -> Path:
        return output_file(path, _KINDS, records, force=force)

    wanted = Wanted(numbers, suffixes, out, datasets, devices.resolve(device), seed, cache, target)
    drawn = [bool(files) for files in draw_figures(runs, wanted).values()]
    if not any(drawn) or (only and not all(drawn)):
        sys.exit(1)


def _choices(text: str, known: Sequence[str], option: str) -> list[str]:
    """Return the members of a comma-separated list, each once.

    Raises:
        UsageError: the list is empty, or a member is unknown.
    """
    choices = split_list(text)
    if not choices:
        raise UsageError(f"{option} is empty: choose from {', '.join(known)}")
    if unknown := [choice for choice in choices if choice not in known]:
        raise UsageError(f"{option} {text}: {unknown[0]!r} is not one of {', '.join(known)}")
    return choices
