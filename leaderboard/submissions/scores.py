"""Scores of the predictions files of a submission, and their comparison with other records.

Equal hashes prove that predictions are copied. Older records have no hash but say which images are
right: predictions that have different images right differ; those that have the same images right
may be copied or not.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hsal_bench.checking import LISTED
from hsal_bench.data.file import DataFile
from hsal_bench.metrics import scores as metrics
from hsal_bench.record.correct import pack_correct
from hsal_bench.record.predictions import BadPredictions, counts_sha256, parse_predictions
from hsal_bench.record.record import Record

from .files import STATEMENT, Files, Refused

LARGEST_LINE = 512
"""Most bytes per image of a predictions file, on average."""

LONGEST_LINE = 2**16
"""Most bytes of a single line."""

SPLIT = "test"


@dataclass(frozen=True)
class Scored:
    """The metrics of a predictions file, which images are right, and the hash of its counts."""

    metrics: Mapping[str, float]
    correct: np.ndarray
    sha256: str


def score(files: Files, data: DataFile) -> tuple[dict[str, Scored], list[str]]:
    """Return the scores of the valid predictions files by name, and the problems of the others.

    All files are read, whichever seeds are stated.
    """
    scored: dict[str, Scored] = {}
    problems: list[str] = []
    truth = data.read(SPLIT, "counts")
    for name in predictions_files(files):
        try:
            scored[name] = _scored(files, name, data, truth)
        except BadPredictions as error:
            problems += [f"{name}: {problem}" for problem in error.problems]
        except Refused as error:
            problems += error.problems
    return scored, list(dict.fromkeys(problems))


def predictions_files(files: Files) -> list[str]:
    """Return the names of the predictions files, in the order of their seeds."""
    names = [name for name in files.packed if name != STATEMENT]
    return sorted(names, key=lambda name: (len(name), name))


def comparable(
    method: str, seeds: Mapping[int, Scored], content: str, known: Mapping[str, Record]
) -> dict[str, Record]:
    """Return the known records of the same images by file name, without the entry's own records.

    An entry that is checked again may be among the known records.
    """
    return {
        file: record
        for file, record in known.items()
        if record.status == "ok"
        and record.data_set.content_sha256 == content
        and not (record.stated and record.method == method and record.seed in seeds)
    }


def duplicate_seeds(seeds: Mapping[int, Scored]) -> Iterator[str]:
    """Yield a problem for each seed with the same predictions as an earlier seed."""
    first: dict[str, int] = {}
    for seed, scored in seeds.items():
        other = first.setdefault(scored.sha256, seed)
        if other != seed:
            yield f"seeds {other} and {seed} have identical predictions: submit only one of them"


def copies(seeds: Mapping[int, Scored], others: Mapping[str, Record]) -> Iterator[str]:
    """Yield a problem for each seed with the same predictions as another record."""
    for file, other in others.items():
        for seed, scored in seeds.items():
            if scored.sha256 == other.predictions_sha256:
                yield (
                    f"seed {seed} has the same predictions as {other.method} seed {other.seed} "
                    f"({file}): submit predictions of your own"
                )


def undecided(seeds: Mapping[int, Scored], others: Mapping[str, Record]) -> list[str]:
    """Return the files of records that have no hash and the same images right as a seed."""
    right = [pack_correct(scored.correct) for scored in seeds.values()]
    return [
        file
        for file, other in others.items()
        if other.predictions_sha256 is None and other.correct in right
    ]


def _scored(files: Files, name: str, data: DataFile, truth: np.ndarray) -> Scored:
    size, classes = data.layout.sizes[SPLIT], data.layout.num_classes
    lines = _lines(name, files.read(name, LARGEST_LINE * size), size)
    counts, _ = parse_predictions(lines, name, size, classes)
    scores = metrics.score(truth, counts, data.layout.max_objects)
    return Scored(scores, metrics.correct(truth, counts), counts_sha256(counts))


def _lines(name: str, content: bytes, size: int) -> io.BytesIO:
    """Return the lines of a predictions file that is not expensive to parse.

    Raises:
        BadPredictions: there are many more lines than images, or a line is very long.
    """
    number = content.count(b"\n")
    if number > size + LISTED:
        problem = f"{number:,} lines for {size:,} images: write one line per image"
        raise BadPredictions(name, [problem])
    if any(len(line) > LONGEST_LINE for line in io.BytesIO(content)):
        problem = f"a line is too long: the limit is {LONGEST_LINE:,} bytes"
        raise BadPredictions(name, [problem])
    return io.BytesIO(content)
