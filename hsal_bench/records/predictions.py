"""Predictions files: one JSON line per image of a split, written here or anywhere else.

A line is `{"id": 17, "labels": [3, 3, 7], "confidence": 0.98}`: the image's row in the split, the
predicted multiset in any order, and, on all lines or on none, how sure the method is. A file is
taken whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Integer

from hsal_bench import jsonio
from hsal_bench.errors import UsageError
from hsal_bench.files import write_text

LISTED = 20
"""Problems that are told one by one, and ranges of missing ids."""

_KEYS = ("id", "labels", "confidence")
_SHOWN = 40
_LINES = 'a predictions file has one JSON object per line, {"id": 0, "labels": [...]}'
_OTHER_FORMS = {
    b"\x1f\x8b": "it is packed with gzip: unpack it first",
    b"\xef\xbb\xbf": "it begins with a byte order mark: save it as UTF-8 without one",
    b"\xff\xfe": "it is UTF-16: save it as UTF-8",
    b"\xfe\xff": "it is UTF-16: save it as UTF-8",
    b"[": f"it begins a JSON array: {_LINES}",
}
"""What the first bytes of a file say, where no line of it could be read."""

Predictions = tuple[Int[np.ndarray, "images classes"], Float[np.ndarray, " images"] | None]


class BadPredictions(UsageError):  # noqa: N818 - it says what is the matter
    """A predictions file that is not taken; `problems` says why, a line each, at most `LISTED`.

    lines, last: how many it has and the highest id; 0 and -1 where its lines were not read.
    """

    def __init__(
        self, where: str, problems: Sequence[str], number: int, lines: int = 0, last: int = -1
    ) -> None:
        self.where, self.lines, self.last = where, lines, last
        more = [f"and {number - len(problems):,} more"] if number > len(problems) else []
        self.problems = (*problems, *more)
        self.told = f"{where}: {number:,} problem{'s' if number > 1 else ''}, nothing is scored"
        super().__init__(f"{self.told}: {'; '.join(self.problems)}")


class _Wrong(Exception):  # noqa: N818 - an outcome of reading a line
    """Raised with what is wrong with a line."""


@dataclass
class _Reading:
    """What has been read so far, and what was wrong with it."""

    size: int
    num_classes: int
    problems: list[str] = field(default_factory=list)
    number: int = 0
    lines: int = 0
    last: int = -1
    line_of: dict[int, int] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    confidence: dict[int, float] = field(default_factory=dict)

    def refuse(self, problem: str) -> None:
        """Note a problem."""
        self.number += 1
        if self.number <= LISTED:
            self.problems.append(problem)

    def refuse_first(self, problem: str) -> None:
        """Note a problem that is told before all others."""
        self.number += 1
        self.problems = [problem, *self.problems][:LISTED]


def write_predictions(
    counts: Int[np.ndarray, "images classes"],
    confidence: Float[np.ndarray, " images"] | None,
    path: Path,
) -> None:
    """Write one JSON line per image: its row in the split, its labels, the confidence if any."""
    classes, lines = np.arange(counts.shape[1]), []
    for row, multiset in enumerate(counts):
        line: dict[str, Any] = {"id": row, "labels": np.repeat(classes, multiset).tolist()}
        if confidence is not None:
            line["confidence"] = round(float(confidence[row]), 6)
        lines.append(json.dumps(line) + "\n")
    write_text(path, "".join(lines))


def read_predictions(path: Path, size: int, num_classes: int) -> Predictions:
    """Return the predictions of a split's `size` images, in the order of its rows.

    Counts are int64 [size, num_classes]; the confidence is float64 [size], None if no line has
    one. The file is read line by line; labels are 0..num_classes-1, ids 0..size-1, each once.

    Raises:
        UsageError: there is no such file.
        BadPredictions: something in it is not as it should be, or missing.
    """
    try:
        with path.open("rb") as file:
            return parse_predictions(file, str(path), size, num_classes)
    except FileNotFoundError:
        raise UsageError(f"no predictions file {path}: name one with a line per image") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder: name the predictions file in it") from None


def parse_predictions(
    lines: Iterable[bytes], where: str, size: int, num_classes: int
) -> Predictions:
    """Return the predictions in `lines` as `read_predictions` does; `where` opens an error.

    Raises:
        BadPredictions: something in it is not as it should be, or missing.
    """
    reading = _Reading(size, num_classes)
    for number, line in enumerate(lines, 1):
        if number == 1 and (form := _other_form(line)):
            raise BadPredictions(where, [form], 1)
        _take(reading, number, line)
        reading.lines = number
    if not reading.number and not reading.line_of:
        reading.refuse(
            f'the file is empty: write {{"id": 0, "labels": [...]}}, for {size:,} images'
        )
    else:
        _refuse_missing(reading)
        _refuse_part_confidence(reading)
    if reading.number:
        raise BadPredictions(where, reading.problems, reading.number, reading.lines, reading.last)
    counts = np.zeros((size, num_classes), np.int64)
    np.add.at(counts, (reading.rows, reading.labels), 1)
    if not reading.confidence:
        return counts, None
    return counts, np.array([reading.confidence[row] for row in range(size)])


def counts_sha256(counts: Integer[np.ndarray, "images classes"]) -> str:
    """Return the hash of predicted multisets: of their counts alone, in the order of the images.

    Two files that name the same multisets have the same hash, whatever the order of their lines
    and labels, and the confidence.
    """
    shape = " ".join(map(str, counts.shape))
    whole = np.ascontiguousarray(counts, dtype="<i8")
    return hashlib.sha256(f"counts {shape}\n".encode() + whole.tobytes()).hexdigest()


def _other_form(first: bytes) -> str:
    """Return what a file is, by its first line, that is none of lines; "" if it may be one."""
    if first.strip() == b"{":
        return f"its first object goes over several lines: {_LINES}"
    return next((told for start, told in _OTHER_FORMS.items() if first.startswith(start)), "")


def _take(reading: _Reading, number: int, text: bytes) -> None:
    """Read one line; each line has at most one problem told."""
    try:
        line = _parsed(text)
        row = _row(line, reading, number)
        _refuse_keys(line)
        labels = _labels(line, reading.num_classes)
        if "confidence" in line:
            reading.confidence[row] = _confidence(line["confidence"])
    except _Wrong as problem:
        reading.refuse(f"line {number:,}: {problem}")
        return
    reading.rows += [row] * len(labels)
    reading.labels += labels


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        line = jsonio.parse(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _Wrong(f"byte {error.start + 1} is not UTF-8") from None
    except ValueError as error:
        told = f"not JSON ({error})" if text.strip() else "empty: remove it"
        raise _Wrong(told) from None
    if not isinstance(line, dict):
        raise _Wrong(f'{_short(line)} is not an object: write {{"id": 0, "labels": [...]}}')
    return line


def _row(line: dict[str, Any], reading: _Reading, number: int) -> int:
    """Return the row that a line is of; from here on it is not missing."""
    if "id" not in line:
        raise _Wrong("the key 'id' is missing")
    row = line["id"]
    if not _whole(row):
        raise _Wrong(f"id is {_short(row)}: it must be a whole number")
    reading.last = max(reading.last, row)
    if not 0 <= row < reading.size:
        raise _Wrong(
            f"id {_short(row)} is not of this split: ids go from 0 to {reading.size - 1:,}"
        )
    first = reading.line_of.setdefault(row, number)
    if first != number:
        raise _Wrong(f"id {row} has a line already, line {first:,}")
    return row


def _refuse_keys(line: dict[str, Any]) -> None:
    if unknown := [key for key in line if key not in _KEYS]:
        raise _Wrong(f"no key is called {_short(unknown[0])}: known: {', '.join(_KEYS)}")
    if "labels" not in line:
        raise _Wrong("the key 'labels' is missing")


def _labels(line: dict[str, Any], num_classes: int) -> list[int]:
    labels = line["labels"]
    if not isinstance(labels, list):
        raise _Wrong(f"labels is {_short(labels)}: it must be a list of whole numbers")
    for label in labels:
        if not _whole(label):
            raise _Wrong(f"label {_short(label)} is not a whole number: write labels as 3, not 3.0")
        if not 0 <= label < num_classes:
            raise _Wrong(
                f"label {_short(label)} is no class: classes go from 0 to {num_classes - 1}"
            )
    return labels


def _confidence(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Wrong(f"confidence is {_short(value)}: it must be a number")
    try:
        return float(value)
    except OverflowError:
        raise _Wrong(f"confidence is {_short(value)}: it must be finite") from None


def _whole(value: Any) -> bool:
    # JSON's true is an int to Python.
    return isinstance(value, int) and not isinstance(value, bool)


def _refuse_missing(reading: _Reading) -> None:
    missing = reading.size - len(reading.line_of)
    if not missing:
        return
    ranges = list(islice(_gaps(reading.line_of, reading.size), LISTED + 1))
    shown = ", ".join(ranges[:LISTED]) + (", ..." if len(ranges) > LISTED else "")
    which = "id" if missing == 1 else "ids"
    # First: it says at a glance whether this is the split that was meant.
    reading.refuse_first(f"no line for {which} {shown} ({missing:,} of {reading.size:,} images)")


def _gaps(there: Iterable[int], size: int) -> Iterator[str]:
    """Yield the ranges of 0..size-1 that are not there, as texts."""
    for before, after in pairwise([-1, *sorted(there), size]):
        first, last = before + 1, after - 1
        if first <= last:
            yield str(first) if first == last else f"{first}-{last}"


def _refuse_part_confidence(reading: _Reading) -> None:
    sure = reading.confidence
    # Lines with a problem of their own have none noted: that is told once.
    if not sure or reading.number:
        return
    without = [row for row in reading.line_of if row not in sure]
    if without:
        reading.refuse(
            f"line {reading.line_of[without[0]]:,}: no confidence, while {len(sure):,} lines have "
            "one: give it on all lines or on none"
        )


def _short(value: Any) -> str:
    try:
        shown = json.dumps(value, ensure_ascii=False)
    except ValueError:  # a number of more digits than Python writes out
        return "a number of thousands of digits"
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
