"""Scoring predictions from Python: counts or label lists, as lists, NumPy arrays or tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int64

from hsal_bench.data import locate
from hsal_bench.data.file import open_data
from hsal_bench.data.schema import PAD, SPLITS
from hsal_bench.errors import UsageError, suggest
from hsal_bench.metrics import scores
from hsal_bench.record.predictions import read_predictions

Form = Literal["counts", "labels"]
Counts = Int64[np.ndarray, "images classes"]

FORMAT = (
    "counts [images, classes] of whole numbers, or with form='labels' one list of labels per "
    "image, such as [[3, 3, 7], []]"
)


def score(predicted: Any, true: Any, form: Form = "counts") -> dict[str, float]:
    """Return every metric of predicted multisets by name, as `hsal-bench evaluate --json` does.

    form: "counts", the number of objects of each class in each image, [images, classes], as
    lists, a NumPy array or a tensor, of integers or whole floats; or "labels", one list of labels
    per image, in any order; -1 pads. `hsal_bench.metrics.scores.MEANINGS` defines the metrics.

    Examples:
        >>> hsal_bench.score([[1, 0, 2]], [[1, 0, 2]])["exact_match"]
        1.0
        >>> hsal_bench.score([[2, 0, 2]], [[0, 2, 1]], form="labels")["exact_match"]
        0.0

    Raises:
        UsageError: the two are not in that form, or of different shapes.
    """
    if form == "labels":
        p, c = _lists(predicted, "predicted"), _lists(true, "true")
        classes = 1 + max((label for row in (*p, *c) for label in row), default=0)
        return _scored(_counted(p, classes), _counted(c, classes), None)
    _require_form(form)
    return _scored(_counts(predicted, "predicted"), _counts(true, "true"), None)


class Evaluator:
    """Scores predictions for a split of a dataset, whose truth it reads from the file.

    name, datasets, data_dir: as in `hsal_bench.load`.

    Examples:
        >>> evaluator = hsal_bench.Evaluator("mnist-multiset", split="test")
        >>> evaluator.eval(counts)["exact_match"]

    Raises:
        UsageError: there is no such dataset or split, or the file is damaged.
    """

    def __init__(
        self,
        name: str | PathLike[str],
        split: str = "test",
        datasets: str | PathLike[str] = "data",
        data_dir: str | PathLike[str] | None = None,
    ) -> None:
        if split not in SPLITS:
            raise UsageError(f"no split {split!r}: {suggest(split, SPLITS)}")
        text = str(name) if isinstance(name, str) else str(Path(name).absolute())
        sources = Path(datasets if data_dir is None else data_dir)
        self.path = locate.find_or_build(text, Path(datasets), sources)
        with open_data(self.path) as data:
            self.name, self.split = data.header.name, split
            self.content_sha256 = data.header.content_sha256
            self.class_names = data.header.class_names
            self._truth = data.read(split, "counts").astype(np.int64)
            self._most_objects = data.layout.max_objects

    @property
    def expected_format(self) -> str:
        """The form of the predictions that `eval` takes."""
        images, classes = self._truth.shape
        return (
            f"{images:,} rows, one per {self.split} image of {self.name} in the file's order: "
            f"{FORMAT}; {classes} classes; or the path of a predictions file"
        )

    def eval(self, predicted: Any, form: Form = "counts") -> dict[str, float]:
        """Return every metric of the predictions by name.

        predicted: as in `hsal_bench.score`, or the path of a predictions file (.jsonl).

        Raises:
            UsageError: they do not have the `expected_format`.
        """
        images, classes = self._truth.shape
        if isinstance(predicted, str | PathLike):
            counts = read_predictions(Path(predicted), images, classes)[0]
            return _scored(counts, self._truth, self._most_objects)
        try:
            if form == "labels":
                counts = _counted(_lists(predicted, "predicted"), classes)
            else:
                _require_form(form)
                counts = _counts(predicted, "predicted")
            return _scored(counts, self._truth, self._most_objects)
        except UsageError as error:
            raise UsageError(f"{error}; expected {self.expected_format}") from error

    def __repr__(self) -> str:
        return f"Evaluator({self.name!r}, split={self.split!r}, {len(self._truth):,} images)"


def _require_form(form: str) -> None:
    if form != "counts":
        raise UsageError(f"no form {form!r}: {suggest(form, ('counts', 'labels'))}")


def _scored(predicted: Counts, true: Counts, most_objects: int | None) -> dict[str, float]:
    if predicted.shape != true.shape:
        raise UsageError(f"predicted has the shape {predicted.shape}, true has {true.shape}")
    try:
        return scores.score(true, predicted, most_objects)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _plain(values: Any) -> Any:
    """Return a tensor, on any device, as a NumPy array; other values as they are."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else values


def _counts(values: Any, name: str) -> Counts:
    """Return counts as int64 [images, classes].

    Raises:
        UsageError: they are no counts.
    """
    try:
        array = np.asarray(_plain(values))
    except ValueError:  # rows of different lengths
        raise UsageError(
            f"{name} has rows of different lengths: give counts, or label lists with form='labels'"
        ) from None
    if array.ndim != 2:
        raise UsageError(f"{name} has the shape {array.shape}, not [images, classes]")
    if array.dtype.kind not in "iufb":
        raise UsageError(f"{name} holds values of type {array.dtype}, not whole numbers")
    with np.errstate(invalid="ignore"):
        whole = array.astype(np.int64)
    if bad := np.argwhere(whole != array).tolist():
        row, column = bad[0]
        value = array[row, column]
        raise UsageError(f"{name}[{row}, {column}] is {value}: counts are whole numbers")
    return whole


def _lists(rows: Iterable[Any], name: str) -> list[list[int]]:
    """Return label lists as lists of int.

    Raises:
        UsageError: one is no list of labels.
    """
    return [_labels(_plain(row), f"{name}[{number}]") for number, row in enumerate(rows)]


def _labels(row: Any, name: str) -> list[int]:
    shown = f"{name} is {row!s:.40}"
    try:
        array = np.asarray(row, dtype=None if len(row) else np.int64)
    except (TypeError, ValueError):
        raise UsageError(f"{shown}: give a list of labels, such as [3, 3, 7]") from None
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise UsageError(f"{shown}: give a list of labels, such as [3, 3, 7]")
    if not ((array >= PAD) & (array == np.floor(array)) & np.isfinite(array)).all():
        raise UsageError(f"{shown}: labels are whole numbers from 0, and -1 pads")
    return [int(label) for label in array if label != PAD]


def _counted(rows: Sequence[Sequence[int]], classes: int) -> Counts:
    """Return the counts of label lists.

    Raises:
        UsageError: a label is `classes` or more.
    """
    image = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    label = np.array([label for row in rows for label in row], np.int64)
    if len(label) and label.max() >= classes:
        at = int(np.argmax(label >= classes))
        raise UsageError(
            f"image {image[at]} has the label {label[at]}; labels are 0 to {classes - 1}"
        )
    counts = np.zeros((len(rows), classes), np.int64)
    np.add.at(counts, (image, label), 1)
    return counts
