"""`hsal-bench export`: a dataset file in other formats."""

from __future__ import annotations

from pathlib import Path

import click

from hsal_bench.errors import UsageError, suggest
from hsal_bench.text import file_size, shell_command

FORMATS = ("parquet", "webdataset", "hf")


@click.command()
@click.argument("form", metavar="|".join(FORMATS))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the copy.  [default: NAME-FORMAT next to FILE]",
)
@click.option("--force", is_flag=True, help="Write into a folder that has files already.")
def export(form: str, file: Path, out: Path | None, force: bool) -> None:
    """Copy a dataset file into another format.

    parquet: one file per split, with encoded images and Croissant metadata. webdataset: tar files
    of 10,000 examples. hf: a folder that `datasets.load_dataset` reads and the Hugging Face hub
    takes. Ids are the rows in the split, as in predictions files.
    """
    if form not in FORMATS:
        if str(file) in FORMATS:
            command = shell_command("hsal-bench", "export", str(file), form)
            raise UsageError(f"the format comes first: write {command}")
        raise UsageError(f"no format {form!r}: {suggest(form, FORMATS)}")
    from hsal_bench.data.export import hub, webdataset
    from hsal_bench.data.file import open_data
    from hsal_bench.data.verify import require_intact
    from hsal_bench.progress import progress

    write = {
        "parquet": hub.write_parquet_folder,
        "webdataset": webdataset.write_webdataset,
        "hf": hub.write_hub,
    }[form]
    folder = out or file.with_name(f"{file.stem}-{form}")
    if not force and folder.is_dir() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} has files already: use --force to write into it and replace files of the "
            "same name, or another folder with -o"
        )
    with open_data(file) as data:
        require_intact(data)
        total = sum(data.layout.sizes.values())
        with progress(f"exporting {data.header.name}", total) as report:
            files = write(data, folder, report)
    size = sum(path.stat().st_size for path in files)
    click.echo(f"{folder}: {len(files)} files, {file_size(size)}, {total:,} images")
