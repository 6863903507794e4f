"""Checking a submission: every number is computed again, and what is wrong is told, all at once."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import numpy as np

from hsal_bench import metrics, registry
from hsal_bench.datafile import DataFile, open_data
from hsal_bench.errors import UsageError
from hsal_bench.plain_text import shown
from hsal_bench.predictions import LISTED, BadPredictions, counts_sha256, parse_predictions
from hsal_bench.record import DataSet, Record, pack_correct
from hsal_bench.surroundings import utc_now
from hsal_bench.verify import FAILED, PASSED, SKIPPED, Check

from .submission import Submission, parse
from .submission_copies import comparable, copies, twins, untold
from .submission_files import STATEMENT, Files, Refused, listed, opened

LARGEST_LINE = 512
"""Bytes that a predictions file may have for each image, on average."""

LONGEST_LINE = 2**16
"""Bytes of any one line."""

LARGEST_STATEMENT = 2**16
SPLIT = "test"
_SCORED = ("data set", "predictions", "claimed numbers", "copies")
_TOLD = ("exact_match", "macro_f1")
_EXACT = 1e-9
_LONGEST = 500
_BELOW = "\n" + " " * 9


@dataclass
class Outcome:
    """What was looked at, and the record of each seed if nothing failed."""

    checks: list[Check] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def note(self, name: str, problems: Sequence[str], seen: str = "") -> None:
        """Note a check: that it failed, with all its problems, or what was seen."""
        lines = [shown(line, _LONGEST) for line in problems or [seen]]
        if len(lines) > 1:
            lines.insert(0, f"{len(problems)} problems")
        self.checks.append(Check(name, FAILED if problems else PASSED, _BELOW.join(lines)))

    def skip(self, names: Iterable[str], reason: str) -> None:
        """Note that checks were not made."""
        self.checks += [Check(name, SKIPPED, reason) for name in names]


@dataclass(frozen=True)
class Scored:
    """What the predictions of one seed come to."""

    metrics: Mapping[str, float]
    correct: np.ndarray
    sha256: str


def check(
    path: Path, file: Path | None, find: Callable[[str], Path], known: Mapping[str, Record]
) -> Outcome:
    """Check the submission `path`, against `known` records, too, by their files' names.

    `file` is the data set's; where it is None, `find` returns it, given the name that
    `submission.json` states, or raises UsageError, which is a problem of the submission then.

    Raises:
        UsageError: there is no such submission; whatever `open_data` refuses.
    """
    outcome = Outcome()
    try:
        with opened(path) as files:
            outcome.note("files", listed(files.problems), ", ".join(files.packed))
            submission, stated = _submission(files, outcome)
            found = file or _found(stated, find, outcome)
            if found is not None:
                with open_data(found) as data:
                    _check_scores(files, submission, data, known, outcome)
        if submission is not None:
            outcome.note("name", list(_taken(submission, known)), submission.method)
    except Refused as error:
        outcome.note("files", error.problems)
    if any(one.outcome == FAILED for one in outcome.checks):
        outcome.records.clear()
    return outcome


def _submission(files: Files, outcome: Outcome) -> tuple[Submission | None, str | None]:
    """Return what is stated, None if anything is wrong with it, and the data set that is named."""
    if STATEMENT not in files.packed:
        outcome.note(STATEMENT, ["it is missing: docs/submissions.md says what stands in it"])
        return None, None
    try:
        content = files.read(STATEMENT, LARGEST_STATEMENT)
    except Refused as error:
        outcome.note(STATEMENT, error.problems)
        return None, None
    submission, problems, named = parse(content)
    seen = f"{submission.entry} entry of {', '.join(submission.authors)}" if submission else ""
    outcome.note(STATEMENT, problems, seen)
    return submission, named


def _found(stated: str | None, find: Callable[[str], Path], outcome: Outcome) -> Path | None:
    """Return the file of the data set that is stated; where there is none, note it."""
    if stated is None:
        outcome.skip(_SCORED, f"{STATEMENT} does not say what was predicted")
        return None
    try:
        return find(stated)
    except UsageError as error:
        outcome.note(_SCORED[0], [str(error)])
        outcome.skip(_SCORED[1:], "they take the data set")
        return None


def _check_scores(
    files: Files,
    submission: Submission | None,
    data: DataFile,
    known: Mapping[str, Record],
    outcome: Outcome,
) -> None:
    header = data.header
    other = list(_other_data(submission, data)) if submission else []
    outcome.note("data set", other, f"{header.name}, content {header.content_sha256[:12]}")
    if other:
        outcome.skip(_SCORED[1:], "they are of another data set")
        return
    scored, problems = _scores(files, submission, data)
    outcome.note("predictions", problems, "; ".join(_headline(scored)))
    if submission is None or problems:
        outcome.skip(_SCORED[2:], "there are no numbers of the whole submission")
        return
    outcome.note("claimed numbers", list(_belied(submission.claimed, scored)), "none is belied")
    outcome.records = [_record(submission, seed, scored[seed], data) for seed in scored]
    _check_copies(known, outcome)


def _other_data(submission: Submission, data: DataFile) -> Iterator[str]:
    stated, header = submission.data_set, data.header
    if stated.name != header.name:
        yield f"{STATEMENT} states {stated.name}, and {data.path} is {header.name}"
    if stated.content_sha256 != header.content_sha256:
        yield (
            f"{STATEMENT} states content {stated.content_sha256[:12]}, and {data.path} has "
            f"{header.content_sha256[:12]}: predict the images of that content"
        )


def _scores(
    files: Files, submission: Submission | None, data: DataFile
) -> tuple[dict[int, Scored], list[str]]:
    """Return what the predictions of each seed come to, and what is wrong with their files."""
    there = [name for name in files.packed if name != STATEMENT]
    wanted = submission.files if submission else dict(enumerate(there))
    problems = [f"{name} is missing" for name in wanted.values() if name not in there]
    problems += [
        f"{name} is of no seed in {STATEMENT}: {' and '.join(wanted.values())} would be"
        for name in there
        if name not in wanted.values()
    ]
    size, classes = data.layout.sizes[SPLIT], data.layout.num_classes
    truth = data.read(SPLIT, "counts")
    scored = {}
    for seed, name in wanted.items():
        if name not in there:
            continue
        try:
            lines = _lines(name, files.read(name, LARGEST_LINE * size), size)
            counts, _ = parse_predictions(lines, name, size, classes)
        except BadPredictions as error:
            problems += [f"{name}: {problem}" for problem in error.problems]
            continue
        except Refused as error:  # the others may be read all the same
            problems += error.problems
            continue
        scores = metrics.score(truth, counts, data.layout.max_objects)
        scored[seed] = Scored(scores, metrics.correct(truth, counts), counts_sha256(counts))
    return scored, list(dict.fromkeys(problems))


def _lines(name: str, content: bytes, size: int) -> io.BytesIO:
    """Return the lines of a predictions file, unless parsing them would take long or much memory.

    Raises:
        BadPredictions: there are many more lines than images, or one is very long.
    """
    number = content.count(b"\n")
    if number > size + LISTED:
        told = f"it has {number:,} lines for {size:,} images: write one for each"
        raise BadPredictions(name, [told], 1)
    if any(len(line) > LONGEST_LINE for line in io.BytesIO(content)):
        told = f"it has a line of more than {LONGEST_LINE:,} bytes: no prediction needs them"
        raise BadPredictions(name, [told], 1)
    return io.BytesIO(content)


def _headline(scored: Mapping[int, Scored]) -> Iterator[str]:
    for seed, one in scored.items():
        yield f"seed {seed}: " + ", ".join(f"{name} {one.metrics[name]:.4f}" for name in _TOLD)


def _belied(claimed: Mapping[str, Decimal], scored: Mapping[int, Scored]) -> Iterator[str]:
    """Yield which claims are not what the predictions come to, rounded as the claim is."""
    for name, claim in claimed.items():
        found = float(np.mean([one.metrics.get(name, math.nan) for one in scored.values()]))
        # A whole number is held to a tenth: a claim of 1 would else go with 0.6.
        rounding = 0.5 * 10.0 ** min(int(claim.as_tuple().exponent), -1)
        if not abs(found - float(claim)) <= rounding + _EXACT:
            yield f"{name} is claimed as {claim}, and comes to {found:.6g}: mend or drop the claim"


def _check_copies(known: Mapping[str, Record], outcome: Outcome) -> None:
    others = comparable(outcome.records, known)
    problems = [*twins(outcome.records), *copies(outcome.records, others)]
    unknown = untold(outcome.records, others)
    told = f"{len(others):,} records of these images"
    if problems:
        outcome.note("copies", problems)
    elif not others:
        outcome.skip(["copies"], "there are no other records of these images to compare with")
    elif unknown:
        reason = (
            f"{len(unknown):,} of {told} cannot be compared: right on the same images, without a "
            f"hash of what was predicted ({', '.join(unknown)})"
        )
        outcome.skip(["copies"], shown(reason, _LONGEST))
    else:
        outcome.note("copies", [], f"none among {told}")


def _taken(submission: Submission, known: Mapping[str, Record]) -> Iterator[str]:
    """Yield why an entry cannot have its name: somebody else's method has it."""
    name = submission.method
    if name in registry.names(registry.METHODS):
        yield f"{name!r} is a method of this benchmark: choose another name"
        return
    for file, record in known.items():
        authors = record.stated.authors if record.stated else None
        if record.method == name and authors != submission.authors:
            who = f"of {', '.join(authors)}" if authors else "of a run"
            yield f"{name!r} is the name of an entry {who} ({file}): choose another"
            return


def _record(submission: Submission, seed: int, scored: Scored, data: DataFile) -> Record:
    return Record(
        status="ok",
        method=submission.method,
        config={},
        preset=None,
        seed=seed,
        budget={},
        data_set=DataSet.of(data),
        activation=None,
        metrics=scored.metrics,
        correct=pack_correct(scored.correct),
        predictions_sha256=scored.sha256,
        updates=None,
        wall_s=None,
        parameters=submission.parameters,
        device="",
        environment=None,
        git=None,
        started=utc_now(),
        command="",
        stated=submission.statement,
        metrics_version=metrics.METRICS_VERSION,
    )
