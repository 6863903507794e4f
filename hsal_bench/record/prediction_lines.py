"""Reading the lines of a predictions file, and collecting their problems."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hsal_bench import jsonio
from hsal_bench.checking import LISTED

_KEYS = ("id", "labels", "confidence")
_SHOWN = 40
_EXTRA_LINES = ("duplicate id", "empty: remove it")
"""Causes that do not explain why another image has no line."""


class BadLine(Exception):  # noqa: N818 - an outcome of reading a line
    """Raised with the problem of a line; lines whose problems have one `cause` are grouped."""

    def __init__(self, problem: str, cause: str = "") -> None:
        super().__init__(problem)
        self.cause = cause or problem


@dataclass
class Reading:
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

    def refuse(self, number: int, error: BadLine) -> None:
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


def read_line(reading: Reading, number: int, text: bytes) -> None:
    """Read a line; only its first problem is reported."""
    row = None
    try:
        line = _parsed(text)
        row = _row(line, reading, number)
        _refuse_keys(line)
        labels = _labels(line, reading.num_classes)
        if "confidence" in line:
            reading.confidence[row] = _confidence(line["confidence"])
    except BadLine as error:
        reading.refuse(number, error)
        reading.without_id += row is None and error.cause not in _EXTRA_LINES
        return
    reading.rows += [row] * len(labels)
    reading.labels += labels


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        line = jsonio.parse(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadLine(f"byte {error.start + 1} is not UTF-8") from None
    except ValueError as error:
        problem = f"not JSON ({error})" if text.strip() else "empty: remove it"
        raise BadLine(problem) from None
    if not isinstance(line, dict):
        raise BadLine(
            f'{_short(line)} is not an object: write {{"id": 0, "labels": [...]}}', "no object"
        )
    return line


def _row(line: dict[str, Any], reading: Reading, number: int) -> int:
    """Return the row of a line's image, which is no longer missing."""
    if "id" not in line:
        raise BadLine("the key 'id' is missing")
    row = line["id"]
    if not _whole(row):
        hint = " without quotation marks" if isinstance(row, str) else ""
        raise BadLine(f"id is {_short(row)}: it must be a whole number{hint}", "id type")
    reading.last = max(reading.last, row)
    if not 0 <= row < reading.size:
        raise BadLine(
            f"id {_short(row)} is not in this split: ids go from 0 to {reading.size - 1:,}",
            "id range",
        )
    first = reading.line_of.setdefault(row, number)
    if first != number:
        raise BadLine(f"duplicate id {row}, first on line {first:,}", "duplicate id")
    return row


def _refuse_keys(line: dict[str, Any]) -> None:
    if unknown := [key for key in line if key not in _KEYS]:
        raise BadLine(f"unknown key {_short(unknown[0])}: known: {', '.join(_KEYS)}")
    if "labels" not in line:
        raise BadLine("the key 'labels' is missing")


def _labels(line: dict[str, Any], num_classes: int) -> list[int]:
    labels = line["labels"]
    if not isinstance(labels, list):
        problem = f"labels is {_short(labels)}: it must be a list of whole numbers"
        raise BadLine(problem, "labels type")
    for label in labels:
        if not _whole(label):
            hint = "without quotation marks" if isinstance(label, str) else "not 3.0"
            problem = f"label {_short(label)} is not a whole number: write labels as 3, {hint}"
            raise BadLine(problem, "label type")
        if not 0 <= label < num_classes:
            raise BadLine(
                f"label {_short(label)} is not a class: classes go from 0 to {num_classes - 1}",
                "label range",
            )
    return labels


def _confidence(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadLine(f"confidence is {_short(value)}: it must be a number", "confidence type")
    if abs(value) > sys.float_info.max:
        raise BadLine(f"confidence is {_short(value)}: it must be finite", "infinite")
    return float(value)


def _whole(value: Any) -> bool:
    # JSON's true is an int to Python.
    return isinstance(value, int) and not isinstance(value, bool)


def _missing(reading: Reading) -> Iterator[str]:
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


def _partial_confidence(reading: Reading) -> Iterator[str]:
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
