"""`hsal-bench card`: a dataset's composition, sources, statistics and limits."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from hsal_bench.cli.common import data_set_path, datasets_option, missing_remedy
from hsal_bench.cli.output import CROISSANT, OUTPUT_FILE, force_option, output_file
from hsal_bench.errors import UsageError


@click.command()
@click.argument("data_set", metavar="NAME|FILE")
@datasets_option()
@click.option(
    "--croissant",
    "out",
    type=OUTPUT_FILE,
    metavar="OUT.json",
    help="Write Croissant metadata (JSON-LD) to this file instead of printing the card.",
)
@force_option
@click.option("--url", default="", help="With --croissant: page where the dataset is published.")
@click.option(
    "--published",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="With --croissant: date of publication.",
)
def card(
    data_set: str,
    datasets: Path,
    out: Path | None,
    force: bool,
    url: str,
    published: datetime | None,
) -> None:
    """Print a dataset's card.

    The card is Markdown, with statistics measured from the file. If the file does not exist yet,
    the card of a dataset that can be generated lacks the statistics.
    """
    if out is None and (url or published):
        raise UsageError("--url and --published need --croissant OUT.json")
    path = data_set_path(data_set, datasets)
    if out is not None:
        day = f"{published:%Y-%m-%d}" if published else ""
        click.echo(_write_croissant(path, data_set, out, url, day, force=force))
        return
    from hsal_bench.data.cards import card as cards
    from hsal_bench.data.content import open_intact

    if path.exists():
        with open_intact(path) as data:
            click.echo(cards.card(data), nl=False)
    else:
        click.echo(cards.unbuilt_card(data_set, path), nl=False)


def _write_croissant(
    path: Path, data_set: str, out: Path, url: str, published: str, *, force: bool
) -> str:
    import json

    from hsal_bench.data.cards.croissant import croissant
    from hsal_bench.data.content import open_intact
    from hsal_bench.files import write_text

    if not path.exists():
        raise UsageError(
            f"no dataset file {path}, which Croissant metadata describes: "
            f"{missing_remedy(path, data_set)}"
        )
    file = output_file(out, {".json": CROISSANT}, [path], force=force)
    with open_intact(path) as data:
        metadata = croissant(data, url, published)
    write_text(file, json.dumps(metadata, indent=1, ensure_ascii=False) + "\n")
    missing = [
        option for option, value in (("--url", url), ("--published", published)) if not value
    ]
    note = f"; Croissant requires {' and '.join(missing)} on publication" if missing else ""
    return f"{out}: {metadata['name']}; keep it next to {path.name}{note}"
