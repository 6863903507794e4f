"""Predictions files: one JSON line per image of a split, written here or anywhere else.

A line is `{"id": 17, "labels": [3, 3, 7], "confidence": 0.98}`: the image's row in the split, its
labels in any order, and, on all lines or none, the confidence. Each problem is reported once.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Integer

from hsal_bench import jsonio
from hsal_bench.checking import LISTED, listed
from hsal_bench.errors import UsageError
from hsal_bench.files import write_text

_KEYS = ("id", "labels", "confidence")
_SHOWN = 40
_LINES = 'a predictions file has one JSON object per line, {"id": 0, "labels": [...]}'
_OTHER_FORMS = {
    b"\x1f\x8b": "the file is compressed with gzip: decompress it first",
    b"\xef\xbb\xbf": "the file begins with a byte order mark: save it as UTF-8 without one",
    b"\xff\xfe": "the file is UTF-16: save it as UTF-8",
    b"\xfe\xff": "the file is UTF-16: save it as UTF-8",
    b"[": f"the file begins with a JSON array: {_LINES}",
}
"""The problem of a file of which no line can be read, by its first bytes."""

_EXTRA_LINES = ("duplicate id", "empty: remove it")
"""Causes that do not explain why another image has no line."""

Predictions = tuple[Int[np.ndarray, "images classes"], Float[np.ndarray, " images"] | None]


class BadPredictions(UsageError):  # noqa: N818 - the name states the problem
    """An invalid predictions file. `problems` are as `listed` returns them, one per cause.

    lines, last: number of lines and the highest id; 0 and -1 if the lines were not read.
    """

    def __init__(self, where: str, problems: Sequence[str], lines: int = 0, last: int = -1) -> None:
        self.where, self.lines, self.last = where, lines, last
        self.problems = listed(problems)
        number = len(problems)
        self.summary = f"{where}: not scored, {number:,} problem{'s' if number > 1 else ''}"
        super().__init__(f"{self.summary}: {'; '.join(self.problems)}")


class _BadLine(Exception):  # noqa: N818 - an outcome of reading a line
    """Raised with the problem of a line; lines whose problems have one `cause` are grouped."""

    def __init__(self, problem: str, cause: str = "") -> None:
        super().__init__(problem)
        self.cause = cause or problem


@dataclass
class _Reading:
    """The lines read so far.

    bad_lines: line numbers by cause; first: the problem of the first of them. without_id: number
    of bad lines that may belong to images without a line.
    """

    size: int
    num_classes: int
    lines: int = 0
    last: int = -1
    bad_lines: dict[str, list[int]] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    without_id: int = 0
    line_of: dict[int, int] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    confidence: dict[int, float] = field(default_factory=dict)

    def refuse(self, number: int, error: _BadLine) -> None:
        """Note the problem of a line."""
        self.bad_lines.setdefault(error.cause, []).append(number)
        self.first.setdefault(error.cause, str(error))

    def problems(self) -> list[str]:
        """Return all problems, one per cause: missing images first, then bad lines."""
        if not self.lines:
            return [
                f'the file is empty: write {{"id": 0, "labels": [...]}}, for {self.size:,} images'
            ]
        problems = list(_missing(self))
        for cause, (first, *more) in self.bad_lines.items():
            also = f" (also line{'s' * (len(more) > 1)} {_ranges(more)})" if more else ""
            problems.append(f"line {first:,}: {self.first[cause]}{also}")
        # Bad lines have no confidence noted: each is reported once.
        return problems or list(_partial_confidence(self))


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
        raise UsageError(f"no predictions file {path}: name one with a line per image")
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
    reading = _Reading(size, num_classes)
    for number, line in enumerate(lines, 1):
        if number == 1 and (form := _other_form(line)):
            raise BadPredictions(where, [form])
        _read_line(reading, number, line)
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


def _read_line(reading: _Reading, number: int, text: bytes) -> None:
    """Read a line; only its first problem is reported."""
    row = None
    try:
        line = _parsed(text)
        row = _row(line, reading, number)
        _refuse_keys(line)
        labels = _labels(line, reading.num_classes)
        if "confidence" in line:
            reading.confidence[row] = _confidence(line["confidence"])
    except _BadLine as error:
        reading.refuse(number, error)
        reading.without_id += row is None and error.cause not in _EXTRA_LINES
        return
    reading.rows += [row] * len(labels)
    reading.labels += labels


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        line = jsonio.parse(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _BadLine(f"byte {error.start + 1} is not UTF-8") from None
    except ValueError as error:
        problem = f"not JSON ({error})" if text.strip() else "empty: remove it"
        raise _BadLine(problem) from None
    if not isinstance(line, dict):
        raise _BadLine(
            f'{_short(line)} is not an object: write {{"id": 0, "labels": [...]}}', "no object"
        )
    return line


def _row(line: dict[str, Any], reading: _Reading, number: int) -> int:
    """Return the row of a line's image, which is no longer missing."""
    if "id" not in line:
        raise _BadLine("the key 'id' is missing")
    row = line["id"]
    if not _whole(row):
        raise _BadLine(f"id is {_short(row)}: it must be a whole number", "id type")
    reading.last = max(reading.last, row)
    if not 0 <= row < reading.size:
        raise _BadLine(
            f"id {_short(row)} is not in this split: ids go from 0 to {reading.size - 1:,}",
            "id range",
        )
    first = reading.line_of.setdefault(row, number)
    if first != number:
        raise _BadLine(f"duplicate id {row}, first on line {first:,}", "duplicate id")
    return row


def _refuse_keys(line: dict[str, Any]) -> None:
    if unknown := [key for key in line if key not in _KEYS]:
        raise _BadLine(f"unknown key {_short(unknown[0])}: known: {', '.join(_KEYS)}")
    if "labels" not in line:
        raise _BadLine("the key 'labels' is missing")


def _labels(line: dict[str, Any], num_classes: int) -> list[int]:
    labels = line["labels"]
    if not isinstance(labels, list):
        problem = f"labels is {_short(labels)}: it must be a list of whole numbers"
        raise _BadLine(problem, "labels type")
    for label in labels:
        if not _whole(label):
            problem = f"label {_short(label)} is not a whole number: write labels as 3, not 3.0"
            raise _BadLine(problem, "label type")
        if not 0 <= label < num_classes:
            raise _BadLine(
                f"label {_short(label)} is not a class: classes go from 0 to {num_classes - 1}",
                "label range",
            )
    return labels


def _confidence(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _BadLine(f"confidence is {_short(value)}: it must be a number", "confidence type")
    if abs(value) > sys.float_info.max:
        raise _BadLine(f"confidence is {_short(value)}: it must be finite", "infinite")
    return float(value)


def _whole(value: Any) -> bool:
    # JSON's true is an int to Python.
    return isinstance(value, int) and not isinstance(value, bool)


def _missing(reading: _Reading) -> Iterator[str]:
    """Yield the images without a line, unless bad lines account for all of them."""
    missing = [row for row in range(reading.size) if row not in reading.line_of]
    if len(missing) > reading.without_id:
        ids = f"id{'s' * (len(missing) > 1)} {_ranges(missing)}"
        yield f"no line for {ids} ({len(missing):,} of {reading.size:,} images)"


def _ranges(numbers: Sequence[int]) -> str:
    """Return ascending numbers as ranges, "2-4, 7", at most `LISTED` of them."""
    starts = [i for i, n in enumerate(numbers) if i == 0 or n != numbers[i - 1] + 1]
    ranges = [
        f"{numbers[i]}" if stop == i + 1 else f"{numbers[i]}-{numbers[stop - 1]}"
        for i, stop in pairwise([*starts, len(numbers)][: LISTED + 1])
    ]
    return ", ".join(ranges) + (", ..." if len(starts) > LISTED else "")


def _partial_confidence(reading: _Reading) -> Iterator[str]:
    confident = reading.confidence
    without = [line for row, line in reading.line_of.items() if row not in confident]
    if confident and without:
        lines = f"{len(confident):,} line{'s have' if len(confident) > 1 else ' has'}"
        yield f"line {without[0]:,}: no confidence, but {lines} one: give it on all or none"


def _short(value: Any) -> str:
    try:
        shown = json.dumps(value, ensure_ascii=False)
    except ValueError:  # a number of more digits than Python writes out
        return "a number of thousands of digits"
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
