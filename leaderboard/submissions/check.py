"""Checking a submission: all numbers are recomputed and all problems are reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hsal_bench.checking import FAILED, PASSED, SKIPPED, Check, Failed, Skipped
from hsal_bench.data.file import DataFile
from hsal_bench.record.external_record import external_record
from hsal_bench.record.record import Record
from hsal_bench.text import shown

from .entry import Opened, opened_entry
from .files import Refused
from .rules import LONGEST, RULES, problem_text
from .scores import Scored
from .statement import Submission

NAMES = tuple(RULES)
"""All checks, in the order of the report."""


@dataclass(frozen=True)
class Outcome:
    """The checks, and the record of each seed if no check failed."""

    checks: list[Check]
    records: list[Record] = field(default_factory=list)


def check(
    path: Path, file: Path | None, find: Callable[[str], Path], known: Mapping[str, Record]
) -> Outcome:
    """Check the submission `path` and compare it with `known` records by file name.

    file: the dataset file. If it is None, `find` returns it for the name that `submission.json`
    states; a UsageError of `find` is a problem of the submission.

    Raises:
        UsageError: there is no such submission, or `open_data` refuses the dataset file.
    """
    try:
        with opened_entry(path, file, find, known) as entry:
            return _outcome(entry)
    except Refused as error:
        first, *others = NAMES
        skipped = [Check(name, SKIPPED, "the files cannot be read") for name in others]
        return Outcome([Check(first, FAILED, problem_text(error.problems)), *skipped])


def _outcome(entry: Opened) -> Outcome:
    checks = [_check(name, rule, entry) for name, rule in RULES.items()]
    submission = entry.stated.submission
    if submission is None or any(check.outcome == FAILED for check in checks):
        return Outcome(checks)
    data = entry.predicted()
    seeds = entry.seeds().items()
    return Outcome(checks, [_record(submission, seed, scored, data) for seed, scored in seeds])


def _check(name: str, rule: Callable[[Opened], str], entry: Opened) -> Check:
    try:
        return Check(name, PASSED, shown(rule(entry), LONGEST))
    except Skipped as reason:
        return Check(name, SKIPPED, shown(str(reason), LONGEST))
    except Failed as failure:
        return Check(name, FAILED, str(failure))


def _record(submission: Submission, seed: int, scored: Scored, data: DataFile) -> Record:
    return external_record(
        submission.method,
        seed,
        data,
        scored.metrics,
        scored.correct,
        scored.sha256,
        submission.statement,
        submission.parameters,
    )
