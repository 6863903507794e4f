"""What the predictions files of a submission come to: every metric is computed from them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hsal_bench.checking import LISTED
from hsal_bench.data.file import DataFile
from hsal_bench.metrics import scores as metrics
from hsal_bench.records.predictions import BadPredictions, counts_sha256, parse_predictions

from .files import STATEMENT, Files, Refused

LARGEST_LINE = 512
"""Bytes that a predictions file may have for each image, on average."""

LONGEST_LINE = 2**16
"""Bytes of any one line."""

SPLIT = "test"


@dataclass(frozen=True)
class Scored:
    """What the predictions in one file come to."""

    metrics: Mapping[str, float]
    correct: np.ndarray
    sha256: str


def score(files: Files, data: DataFile) -> tuple[dict[str, Scored], list[str]]:
    """Return what each predictions file comes to, by its name, and what is wrong with the others.

    All files are read, whatever seeds are stated.
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
    """Return the names of the predictions files that are there, in the order of their seeds."""
    names = [name for name in files.packed if name != STATEMENT]
    return sorted(names, key=lambda name: (len(name), name))


def _scored(files: Files, name: str, data: DataFile, truth: np.ndarray) -> Scored:
    size, classes = data.layout.sizes[SPLIT], data.layout.num_classes
    lines = _lines(name, files.read(name, LARGEST_LINE * size), size)
    counts, _ = parse_predictions(lines, name, size, classes)
    scores = metrics.score(truth, counts, data.layout.max_objects)
    return Scored(scores, metrics.correct(truth, counts), counts_sha256(counts))


def _lines(name: str, content: bytes, size: int) -> io.BytesIO:
    """Return the lines of a predictions file, unless parsing them would take long or much memory.

    Raises:
        BadPredictions: there are many more lines than images, or one is very long.
    """
    number = content.count(b"\n")
    if number > size + LISTED:
        told = f"it has {number:,} lines for {size:,} images: write one for each"
        raise BadPredictions(name, [told])
    if any(len(line) > LONGEST_LINE for line in io.BytesIO(content)):
        told = f"it has a line of more than {LONGEST_LINE:,} bytes: no prediction needs them"
        raise BadPredictions(name, [told])
    return io.BytesIO(content)
