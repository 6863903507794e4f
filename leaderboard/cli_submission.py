"""`hsal-bench check-submission`: turn predictions made elsewhere into records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hsal_bench.cli.common import data_set_path, datasets_option, missing_remedy, named_path
from hsal_bench.cli.output import RECORD, force_option, output_file
from hsal_bench.errors import UsageError

if TYPE_CHECKING:
    from hsal_bench.record.record import Record

RECORDS = Path("leaderboard/records")


@click.command("check-submission")
@click.argument("submission", metavar="FOLDER|ZIP", type=click.Path(path_type=Path))
@click.option(
    "--dataset",
    metavar="NAME|FILE",
    help="The dataset that was predicted.  [default: the one named in submission.json]",
)
@datasets_option()
@click.option(
    "--records",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help=f"Records to compare with.  [default: {RECORDS}, if it exists]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FOLDER|FILE.json",
    help="Write the records there, one per seed, if no check fails.",
)
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def check_submission(
    submission: Path,
    dataset: str | None,
    datasets: Path,
    records: Path | None,
    output: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Check predictions made elsewhere and write records.

    A submission is a folder or zip with submission.json and predictions.jsonl, or for several seeds
    seed-0.jsonl, seed-1.jsonl and so on. docs/submissions.md has the rules. Every problem is
    listed. Exit code 1: a check failed; 2: the submission or the --dataset file does not exist.
    """
    from hsal_bench.cli.common import print_checks
    from hsal_bench.leaderboard.submissions.check import check
    from hsal_bench.text import shown

    file = _existing(dataset, data_set_path(dataset, datasets)) if dataset else None

    def stated(name: str) -> Path:
        # Untrusted: it may name a dataset, but not an arbitrary file.
        return _existing(name, named_path(name, datasets))

    outcome = check(submission, file, stated, _known(records))
    print_checks("submission", shown(str(submission)), outcome.checks, as_json=as_json)
    if output is not None:
        inputs = [*([file] if file else []), *_files(submission)]
        for path in _write(outcome.records, output, inputs, force=force):
            click.echo(f"record written: {path}", err=True)


def _existing(name: str, path: Path) -> Path:
    """Return the file of a dataset.

    Raises:
        UsageError: there is no such file.
    """
    if not path.exists():
        raise UsageError(
            f"no dataset file {path}: {missing_remedy(path, name)} (or name it with --dataset)"
        )
    return path


def _known(folder: Path | None) -> dict[str, Record]:
    """Return the records to compare with by file; none without a folder or the default one."""
    from hsal_bench.record.find import find_records

    if folder is None and not RECORDS.is_dir():
        return {}
    return {str(path): record for path, record in find_records([folder or RECORDS]).items()}


def _files(submission: Path) -> list[Path]:
    return sorted(submission.iterdir()) if submission.is_dir() else [submission]


def _write(
    records: Sequence[Record], output: Path, inputs: Sequence[Path], *, force: bool
) -> list[Path]:
    """Write each record to the file, or to the folder under its name on the leaderboard.

    Raises:
        UsageError: one file for several records, or a file that holds another submission's record
            (without `force`) or that `output_file` refuses.
    """
    from hsal_bench.record.record import write_record

    one_file = output.suffix == ".json"
    if one_file and len(records) != 1:
        raise UsageError(f"{output} is a file, but there are {len(records)} seeds: name a folder")
    paths = [output if one_file else output / _file_name(record) for record in records]
    files = [output_file(path, {".json": RECORD}, inputs, force=force) for path in paths]
    for record, file in zip(records, files, strict=True):
        if not force and file.exists():
            _refuse_another(record, file)
    for record, file in zip(records, files, strict=True):
        write_record(record, file)
    return paths


def _refuse_another(record: Record, file: Path) -> None:
    """Refuse to replace a file unless it is the record of the same entry.

    Raises:
        UsageError: it is another one's, or cannot be read.
    """
    from hsal_bench.record.record import read_record

    remedy = "use another file, or --force to replace it"
    try:
        before = read_record(file)
    except UsageError as error:
        raise UsageError(f"{error}: {remedy}") from error
    if _entry(before) != _entry(record):
        raise UsageError(
            f"{file} is a record of {before.method} on {before.data_set.name}, seed {before.seed}, "
            f"{_origin(before)}, not of this submission: {remedy}"
        )


def _entry(record: Record) -> tuple[str, ...]:
    """Return the identity of a leaderboard entry."""
    return record.method, record.data_set.content_sha256, str(record.seed), _origin(record)


def _origin(record: Record) -> str:
    if record.stated is None:
        return "trained by hsal-bench"
    authors = ", ".join(record.stated.authors)
    return f"by {authors}" if authors else "predicted elsewhere"


def _file_name(record: Record) -> str:
    return f"{record.data_set.name}--{record.method}--submission--seed-{record.seed}.json"
