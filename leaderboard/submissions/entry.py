"""An opened submission: its files, its statement, its dataset, and the records to compare with.

A check that needs something unavailable (an invalid field, a missing dataset) is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hsal_bench.checking import Skipped
from hsal_bench.data.content import open_intact
from hsal_bench.data.file import DataFile
from hsal_bench.errors import UsageError
from hsal_bench.record.record import Record

from .files import STATEMENT, Files, Refused, files_of, open_submission
from .scores import Scored, score
from .statement import Parsed, parse, unread

LARGEST_STATEMENT = 2**16


@dataclass(frozen=True)
class Opened:
    """An opened submission and the records it is compared with.

    data: the dataset; None if none is stated or it is missing. not_found: why it is missing, or "".
    known: records by file name.
    """

    files: Files
    stated: Parsed
    data: DataFile | None
    not_found: str
    known: Mapping[str, Record]

    def field(self, name: str) -> Any:
        """Return a field of `submission.json`.

        Raises:
            Skipped: it is missing or invalid.
        """
        if name not in self.stated.fields:
            raise Skipped(self._invalid(name))
        return self.stated.fields[name]

    def predicted(self) -> DataFile:
        """Return the dataset that was predicted.

        Raises:
            Skipped: it is not stated, is missing, or is not the one that is stated.
        """
        if self.not_found:
            raise Skipped("the dataset is missing")
        if self.data is None:
            raise Skipped(self._invalid("data_set"))
        if self.data_differences:
            raise Skipped("the dataset is not the stated one")
        return self.data

    def _invalid(self, name: str) -> str:
        if not self.stated.has_fields:
            return f"{STATEMENT} cannot be read"
        return f"the field {name!r} of {STATEMENT} is missing or invalid"

    @cached_property
    def data_differences(self) -> list[str]:
        """Differences between the dataset and the one that is stated."""
        return list(_differences(self.stated, self.data)) if self.data else []

    @cached_property
    def scores(self) -> tuple[dict[str, Scored], list[str]]:
        """The scores of the valid predictions files, and the problems of the others.

        Raises:
            Skipped: as `predicted`.
        """
        return score(self.files, self.predicted())

    def seeds(self) -> dict[int, Scored]:
        """Return the scores of each seed.

        Raises:
            Skipped: as `predicted`, or a seed has no valid predictions.
        """
        scored, problems = self.scores
        wanted = files_of(self.field("seeds"))
        if problems or scored.keys() != set(wanted.values()):
            raise Skipped("not all seeds have valid predictions")
        return {seed: scored[name] for seed, name in wanted.items()}


def _differences(stated: Parsed, data: DataFile) -> Iterator[str]:
    header, predicted = data.header, stated.fields.get("data_set")
    if stated.data_set not in (None, header.name):
        yield f"{STATEMENT} states {stated.data_set}, but {data.path} is {header.name}"
    if predicted and predicted.content_sha256 != header.content_sha256:
        yield (
            f"{STATEMENT} states content {predicted.content_sha256[:12]}, but {data.path} has "
            f"{header.content_sha256[:12]}: predict the images of that file, or correct the hash"
        )


@contextmanager
def opened_entry(
    path: Path, file: Path | None, find: Callable[[str], Path], known: Mapping[str, Record]
) -> Iterator[Opened]:
    """Yield the opened submission `path`; arguments as for `check.check`.

    Raises:
        UsageError: there is no such submission, or `open_intact` refuses the dataset file.
        Refused: none of its files can be read.
    """
    with open_submission(path) as files:
        stated = _stated(files)
        data_file, not_found = (file, "") if file else _data_file(stated.data_set, find)
        if data_file is None:
            yield Opened(files, stated, None, not_found, known)
            return
        with open_intact(data_file) as data:
            yield Opened(files, stated, data, "", known)


def _stated(files: Files) -> Parsed:
    if STATEMENT not in files.packed:
        return unread(["the file is missing: docs/submissions.md describes it"])
    try:
        return parse(files.read(STATEMENT, LARGEST_STATEMENT))
    except Refused as error:
        return unread(error.problems)


def _data_file(name: str | None, find: Callable[[str], Path]) -> tuple[Path | None, str]:
    """Return the file of a dataset, or None and the reason ("" if there is no name)."""
    if name is None:
        return None, ""
    try:
        return find(name), ""
    except UsageError as error:
        return None, str(error)
