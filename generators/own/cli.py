"""`hsal-bench import`: own pictures with labels as a dataset file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hsal_bench.data.classes import WARNING, check_class_names
from hsal_bench.data.schema import SPLITS, check_name
from hsal_bench.errors import UsageError, near_path
from hsal_bench.text import file_name, named, shown

if TYPE_CHECKING:
    from hsal_bench.data.generator import Recipe
    from hsal_bench.data.schema import Layout
    from hsal_bench.generators.own.pictures import Picture

_SIZE = re.compile(r"(\d+)(?:x(\d+))?")
_TOLERANCE = 1e-9
_MOST_TEXT = 1000
"""Characters of a licence and a citation."""
_MOST_CLASSES = 20
"""Class names that are printed."""


def _size(text: str | None) -> tuple[int, int] | None:
    """Return (height, width) of "64" or "WIDTHxHEIGHT"."""
    if text is None:
        return None
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UsageError(f"--size {text}: write a side in pixels such as 64, or WIDTHxHEIGHT")
    width, height = int(match[1]), int(match[2] or match[1])
    if not 1 <= min(width, height) <= max(width, height) <= 4096:
        raise UsageError(f"--size {text}: must be 1 to 4096 pixels")
    return height, width


def _shares(text: str) -> list[float]:
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = []
    if len(shares) != len(SPLITS) or min(shares) <= 0 or abs(sum(shares) - 1) > _TOLERANCE:
        raise UsageError(f"--shares {text}: must be three positive numbers that sum to 1")
    return shares


def _check_texts(name: str, texts: Mapping[str, str]) -> None:
    """Check a dataset's name, and one-line texts by their options, before any work.

    Raises:
        UsageError: one is too long, or has characters that it must not have.
    """
    try:
        check_name(name)
    except ValueError as error:
        raise UsageError(f"--{error}") from error
    for option, text in texts.items():
        if len(text) > _MOST_TEXT or not text.isprintable():
            raise UsageError(
                f'{option} "{shown(text, 40)}": use one line of at most {_MOST_TEXT:,} printable '
                "characters"
            )


@click.command("import")
@click.argument("form", type=click.Choice(["coco", "csv", "folder"]), metavar="coco|csv|folder")
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Name of the dataset; the file is NAME.h5.")
@click.option(
    "--images",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Folder of the pictures, for coco and csv.  [default: the folder of SOURCE]",
)
@click.option(
    "--class-names",
    metavar="A,B,...",
    help="Classes in the order of their numbers.  [default: those that occur, sorted]",
)
@click.option("--size", metavar="N|WxH", help="Resize images to this many pixels.")
@click.option("--grey", is_flag=True, help="Convert images to grey.  [default: RGB]")
@click.option("--license", default="not stated", show_default=True, help="Licence of the pictures.")
@click.option("--citation", default="", help="Publication to cite.")
@click.option(
    "--shares",
    default="0.8,0.1,0.1",
    show_default=True,
    help="Shares of train, valid and test if the source has no splits.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Seed of that division.",
)
@click.option(
    "--out",
    default="data",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the file NAME.h5.",
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
def import_pictures(
    form: str,
    sources: tuple[Path, ...],
    name: str,
    images: Path | None,
    class_names: str | None,
    size: str | None,
    grey: bool,
    license: str,
    citation: str,
    shares: str,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Turn labelled pictures into a dataset file.

    SOURCE: one source, or three, for train, valid and test. coco: a JSON file of detections. csv:
    one line per object with the columns image, label and optionally x0, y0, x1, y1, split; or one
    line per picture with image and labels. folder: pictures NAME.png, each with NAME.txt, one line
    per object, a label and optionally x0 y0 x1 y1; sub-folders train, valid and test are splits.

    Boxes are in pixels of the picture. Without them, attention metrics mean nothing.
    """
    _check_texts(name, {"--license": license, "--citation": citation})
    path = out / f"{name}.h5"
    if path.exists() and not force:
        raise UsageError(f"{path} exists: use --force to replace it, or another --name")
    from hsal_bench.data.build import build_file
    from hsal_bench.generators.own.pictures import class_names as classes_of
    from hsal_bench.generators.own.pictures import divided
    from hsal_bench.generators.own.recipe import Imported, recipe
    from hsal_bench.progress import progress

    pictures = _pictures(form, sources, images)
    names = tuple(class_names.split(",")) if class_names else classes_of(pictures)
    check_class_names(names)
    facts = Imported(
        name=name,
        class_names=names,
        size=_size(size),
        channels=1 if grey else 3,
        license=license,
        citation=citation,
        source=", ".join(file_name(source.name) for source in sources),
        config={"import": form, "size": size, "grey": grey, "shares": shares},
        seed=seed,
    )
    splits = divided(pictures, _shares(shares), seed)
    made = recipe(splits, facts)
    with progress(name, len(pictures)) as report:
        build_file(made, path, workers=1, progress=lambda done, total: report(done))
    given = pictures[0].split is not None
    division = "given" if given else f"drawn at random, --shares {shares} --seed {seed}"
    boxes = any(picture.boxes for picture in pictures)
    _print_dataset(path, made, names, division, boxes=boxes)


def _print_dataset(
    path: Path, recipe: Recipe, names: Sequence[str], division: str, *, boxes: bool
) -> None:
    """Print what a new file holds: sizes, warnings, the origin of the splits, and classes."""
    click.echo(f"{path}: {_summary(recipe.layout, len(names))}")
    for note in recipe.header.notes:
        if note.startswith(WARNING):
            click.echo(note, err=True)
    click.echo(f"splits: {division}")
    click.echo(f"classes: {named([shown(name) for name in names], _MOST_CLASSES)}")
    if not boxes:
        click.echo("no boxes: each object gets the box of the whole image")


def _summary(layout: Layout, classes: int) -> str:
    """Return the sizes of a dataset in words."""
    sizes = " / ".join(f"{layout.sizes[split]:,}" for split in SPLITS)
    return (
        f"{sizes} images ({', '.join(SPLITS)}) of {layout.image_shape[2]} x "
        f"{layout.image_shape[1]}, {classes} classes, at most {layout.max_objects} objects"
    )


def _pictures(form: str, sources: Sequence[Path], images: Path | None) -> list[Picture]:
    """Return the pictures of one source, or of three, one for each split.

    Raises:
        UsageError: a different number of sources, or one that is not of that form.
    """
    from hsal_bench.generators.own.formats import READERS
    from hsal_bench.generators.own.pictures import with_split

    if len(sources) not in (1, len(SPLITS)):
        raise UsageError(f"{len(sources)} sources: give one, or three for train, valid and test")
    for source in sources:
        if not source.exists():
            raise UsageError(f"no source {source}: {near_path(source) or 'give another path'}")
        if source.is_dir() != (form == "folder") or not (source.is_dir() or source.is_file()):
            wanted = "a folder" if form == "folder" else "a regular file"
            raise UsageError(f"{source} is not {wanted}, as {form} needs it: name another source")
    parts = [READERS[form](source, images or source.parent) for source in sources]
    if len(parts) > 1:
        parts = [with_split(part, split) for part, split in zip(parts, SPLITS, strict=True)]
    return [picture for part in parts for picture in part]
