"""Predictions files: one JSON line per image of a split, written here or anywhere else.

A line is `{"id": 17, "labels": [3, 3, 7], "confidence": 0.98}`: the image's row in the split, its
labels in any order, and, on all lines or none, the confidence. Each problem is reported once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Integer

from hsal_bench.checking import listed
from hsal_bench.errors import UsageError, near_path
from hsal_bench.files import write_text
from hsal_bench.record.prediction_lines import Reading, read_line

_LINES = 'a predictions file has one JSON object per line, {"id": 0, "labels": [...]}'
_OTHER_FORMS = {
    b"\x1f\x8b": "the file is compressed with gzip: decompress it first",
    b"\xef\xbb\xbf": "the file begins with a byte order mark: save it as UTF-8 without one",
    b"\xff\xfe": "the file is UTF-16: save it as UTF-8",
    b"\xfe\xff": "the file is UTF-16: save it as UTF-8",
    b"[": f"the file begins with a JSON array: {_LINES}",
}
"""The problem of a file of which no line can be read, by its first bytes."""

Predictions = tuple[Int[np.ndarray, "images classes"], Float[np.ndarray, " images"] | None]


class BadPredictions(UsageError):  # noqa: N818 - the name states the problem
    """An invalid predictions file. `problems` are as `listed` returns them, one per cause.

    lines, last: number of lines and the highest id; 0 and -1 if the lines were not read.
    """

    def __init__(self, where: str, problems: Sequence[str], lines: int = 0, last: int = -1) -> None:
        self.where, self.lines, self.last = where, lines, last
        self.problems = listed(problems)
        several = f", {len(problems):,} problems" if len(problems) > 1 else ""
        self.summary = f"{where} cannot be scored{several}"
        super().__init__(f"{self.summary}: {'; '.join(self.problems)}")


def write_predictions(
    counts: Int[np.ndarray, "images classes"],
    confidence: Float[np.ndarray, " images"] | None,
    path: Path,
) -> None:
    """Write one JSON line per image: its row in the split, its labels, and any confidence."""
    classes, lines = np.arange(counts.shape[1]), []
    for row, multiset in enumerate(counts):
        line: dict[str, Any] = {"id": row, "labels": np.repeat(classes, multiset).tolist()}
        if confidence is not None:
            line["confidence"] = round(float(confidence[row]), 6)
        lines.append(json.dumps(line) + "\n")
    write_text(path, "".join(lines))


def read_predictions(path: Path, size: int, num_classes: int) -> Predictions:
    """Return the predictions for the `size` images of a split, in the order of its rows.

    Counts are int64 [size, num_classes]; the confidence is float64 [size], None if no line has
    one. The file is read line by line; labels are 0..num_classes-1, ids 0..size-1, each once.

    Raises:
        UsageError: there is no such file.
        BadPredictions: the file is invalid or incomplete.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name the predictions file in it")
    if not path.exists():
        remedy = near_path(path) or "give a file with one line per image"
        raise UsageError(f"no predictions file {path}: {remedy}")
    if not path.is_file():
        raise UsageError(f"{path} is a pipe or a device: save the predictions in a file")
    try:
        with path.open("rb") as file:
            return parse_predictions(file, str(path), size, num_classes)
    except OSError as error:
        raise UsageError(f"cannot read the predictions {path} ({error.strerror})") from error


def parse_predictions(
    lines: Iterable[bytes], where: str, size: int, num_classes: int
) -> Predictions:
    """Return the predictions in `lines` as `read_predictions` does; errors begin with `where`.

    Raises:
        BadPredictions: the lines are invalid or incomplete.
    """
    reading = Reading(size, num_classes)
    for number, line in enumerate(lines, 1):
        if number == 1 and (form := _other_form(line)):
            raise BadPredictions(where, [form])
        read_line(reading, number, line)
        reading.lines = number
    if problems := reading.problems():
        raise BadPredictions(where, problems, reading.lines, reading.last)
    counts = np.zeros((size, num_classes), np.int64)
    np.add.at(counts, (reading.rows, reading.labels), 1)
    if not reading.confidence:
        return counts, None
    return counts, np.array([reading.confidence[row] for row in range(size)])


def counts_sha256(counts: Integer[np.ndarray, "images classes"]) -> str:
    """Return the SHA-256 of predicted multisets: of their counts only, in the order of the images.

    Files with the same multisets have the same hash, regardless of the order of lines and labels
    and of the confidence.
    """
    shape = " ".join(map(str, counts.shape))
    data = np.ascontiguousarray(counts, dtype="<i8").tobytes()
    return hashlib.sha256(f"counts {shape}\n".encode() + data).hexdigest()


def _other_form(first: bytes) -> str:
    """Return the problem of a file that is not one object per line, by its first line, or ""."""
    if first.strip() == b"{":
        return f"the first object spans several lines: {_LINES}"
    return next((problem for start, problem in _OTHER_FORMS.items() if first.startswith(start)), "")
