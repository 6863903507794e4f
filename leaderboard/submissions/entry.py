"""An entry that is checked: its files, what they state, and what they are compared with.

What is asked of it and cannot be had (a field that is missing or wrong, a data set that is not
found) is the reason why the check that asks is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hsal_bench.checking import Skipped
from hsal_bench.data.file import DataFile, open_data
from hsal_bench.errors import UsageError
from hsal_bench.records.record import Record

from .files import STATEMENT, Files, Refused, opened
from .scores import Scored, score
from .statement import Parsed, files_of, parse, unread

LARGEST_STATEMENT = 2**16


@dataclass(frozen=True)
class Entry:
    """An entry, and what it is compared with.

    data: the data set; None where none is stated, or where it is `not_found`, which says why.
    known: records, by their files' names.
    """

    files: Files
    stated: Parsed
    data: DataFile | None
    not_found: str
    known: Mapping[str, Record]

    def told(self, name: str) -> Any:
        """Return a field of what is stated.

        Raises:
            Skipped: it is missing or wrong.
        """
        if name not in self.stated.fields:
            raise Skipped(self._untold(name))
        return self.stated.fields[name]

    def predicted(self) -> DataFile:
        """Return the data set that the predictions are of.

        Raises:
            Skipped: it is not stated or not found, or what is stated is another one.
        """
        if self.not_found:
            raise Skipped("they take the data set")
        if self.data is None:
            raise Skipped(self._untold("data_set"))
        if self.other_data:
            raise Skipped("they are of another data set")
        return self.data

    def _untold(self, name: str) -> str:
        if not self.stated.has_fields:
            return f"{STATEMENT} cannot be read"
        return f"the field {name!r} of {STATEMENT} is missing or wrong"

    @cached_property
    def other_data(self) -> list[str]:
        """In what the data set is not the one that is stated, as far as any is."""
        return list(_other_data(self.stated, self.data)) if self.data else []

    @cached_property
    def scores(self) -> tuple[dict[str, Scored], list[str]]:
        """What each predictions file comes to, and what is wrong with the others.

        Raises:
            Skipped: as `predicted`.
        """
        return score(self.files, self.predicted())

    def seeds(self) -> dict[int, Scored]:
        """Return what the predictions of each seed come to.

        Raises:
            Skipped: as `predicted`, or not all seeds have predictions.
        """
        scored, problems = self.scores
        wanted = files_of(self.told("seeds"))
        if problems or scored.keys() != set(wanted.values()):
            raise Skipped("there are no numbers of the whole submission")
        return {seed: scored[name] for seed, name in wanted.items()}


def _other_data(stated: Parsed, data: DataFile) -> Iterator[str]:
    header, predicted = data.header, stated.fields.get("data_set")
    if stated.data_set not in (None, header.name):
        yield f"{STATEMENT} states {stated.data_set}, and {data.path} is {header.name}"
    if predicted and predicted.content_sha256 != header.content_sha256:
        yield (
            f"{STATEMENT} states content {predicted.content_sha256[:12]}, and {data.path} has "
            f"{header.content_sha256[:12]}: predict the images of that file, or mend what is stated"
        )


@contextmanager
def opened_entry(
    path: Path, file: Path | None, find: Callable[[str], Path], known: Mapping[str, Record]
) -> Iterator[Entry]:
    """Yield the submission `path` with what `hsal_bench.leaderboard.submissions.check` is given.

    Raises:
        UsageError: there is no such submission; whatever `open_data` refuses.
        Refused: none of its files can be read.
    """
    with opened(path) as files:
        stated = _stated(files)
        found, not_found = (file, "") if file else _found(stated.data_set, find)
        if found is None:
            yield Entry(files, stated, None, not_found, known)
            return
        with open_data(found) as data:
            yield Entry(files, stated, data, "", known)


def _stated(files: Files) -> Parsed:
    if STATEMENT not in files.packed:
        return unread(["it is missing: docs/submissions.md says what stands in it"])
    try:
        return parse(files.read(STATEMENT, LARGEST_STATEMENT))
    except Refused as error:
        return unread(error.problems)


def _found(name: str | None, find: Callable[[str], Path]) -> tuple[Path | None, str]:
    """Return the file of the data set of that name, or why there is none, "" for no name."""
    if name is None:
        return None, ""
    try:
        return find(name), ""
    except UsageError as error:
        return None, str(error)
