"""`hsal-bench check-submission`: predictions made elsewhere become records of the board."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hsal_bench.cli.common import data_set_path, datasets_option, named_path
from hsal_bench.errors import UsageError

if TYPE_CHECKING:
    from hsal_bench.records.record import Record

RECORDS = Path("leaderboard/records")


@click.command("check-submission")
@click.argument("submission", metavar="FOLDER|ZIP", type=click.Path(path_type=Path))
@click.option(
    "--dataset",
    metavar="NAME|FILE",
    help="The data set that was predicted.  [default: the one that submission.json names]",
)
@datasets_option()
@click.option(
    "--records",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help=f"Entries to compare with.  [default: {RECORDS}, where there is one]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FOLDER|FILE.json",
    help="Write the records there, one per seed, if all checks pass.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def check_submission(
    submission: Path,
    dataset: str | None,
    datasets: Path,
    records: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Check predictions made elsewhere; make records of them.

    What is stated of them is checked, too. A submission is a folder or zip of submission.json and
    predictions.jsonl, or for several seeds seed-0.jsonl, seed-1.jsonl and so on.
    docs/submissions.md has the rules. Exit code 1: it fails a check, every problem is listed; 2:
    there is no such submission, or no file of --dataset.
    """
    from hsal_bench.cli.common import print_checks
    from hsal_bench.leaderboard.submissions.check import check
    from hsal_bench.text import shown

    file = _there(dataset, data_set_path(dataset, datasets)) if dataset else None

    def stated(name: str) -> Path:
        # A stranger's word: it names a data set, not whatever file is called so.
        return _there(name, named_path(name, datasets))

    outcome = check(submission, file, stated, _known(records))
    print_checks("submission", shown(str(submission)), outcome.checks, as_json=as_json)
    if output is not None:
        for path in _write(outcome.records, output):
            click.echo(f"record written: {path}", err=True)


def _there(name: str, path: Path) -> Path:
    """Return the file of a data set.

    Raises:
        UsageError: there is no such file.
    """
    if not path.is_file():
        raise UsageError(
            f"no dataset file {path}: build it with "
            f"`hsal-bench generate {name} --out {path.parent}`, or name it with --dataset"
        )
    return path


def _known(folder: Path | None) -> dict[str, Record]:
    """Return the records to compare with, by their files; none if none are named or usual."""
    from hsal_bench.records.find import find_records

    if folder is None and not RECORDS.is_dir():
        return {}
    return {str(path): record for path, record in find_records([folder or RECORDS]).items()}


def _write(records: Sequence[Record], output: Path) -> list[Path]:
    """Write each record: to the file, or into the folder under the name that the board uses."""
    from hsal_bench.files import writable_folder
    from hsal_bench.records.record import write_record

    one_file = output.suffix == ".json"
    if one_file and len(records) != 1:
        raise UsageError(f"{output} is one file, and there are {len(records)} seeds: name a folder")
    writable_folder(output.parent if one_file else output)
    paths = [output if one_file else output / _file_name(record) for record in records]
    for record, path in zip(records, paths, strict=True):
        write_record(record, path)
    return paths


def _file_name(record: Record) -> str:
    return f"{record.data_set.name}--{record.method}--submission--seed-{record.seed}.json"
