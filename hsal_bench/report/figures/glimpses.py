"""Glimpses of test images: the choice of images, and the trace of a method on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hsal_bench.data.file import DataFile
from hsal_bench.method.contract import Batch, Method, Trace
from hsal_bench.report.figures import style
from hsal_bench.training.batches import ExampleSet

PICTURED = 6
"""Images in a run's attention picture; the paper's figure 2 has 3."""


@dataclass(frozen=True)
class Glimpses:
    """Some test images and a method's predictions for them.

    images: uint8 [B, C, H, W]. truths: the true labels of each. names: of the classes; the next
    number is stop.
    """

    images: np.ndarray
    truths: Sequence[Sequence[int]]
    trace: Trace
    names: Sequence[str]

    def labels(self, number: int) -> tuple[int, ...]:
        """Return the predicted labels of image `number` by step, including stop if predicted."""
        return tuple(int(y) for y in self.trace.labels[number] if y >= 0)

    def verdict(self, number: int) -> str:
        """Return "right", or the missing and extra labels predicted for image `number`."""
        predicted = [y for y in self.labels(number) if y < len(self.names)]
        return verdict(self.truths[number], predicted, self.names)


def glimpses_of(
    method: Method, test: ExampleSet, data: DataFile, rows: np.ndarray
) -> Glimpses | None:
    """Return the method's glimpses of the rows [B] of the test split; None without a trace."""
    batch = Batch(test.rows(torch.from_numpy(rows).to(test.inputs.device)))
    trace = method.predict(batch, trace=True).trace
    if trace is None:
        return None
    truths = [[int(y) for y in row if y >= 0] for row in data.rows("test", "labels", rows)]
    return Glimpses(data.rows("test", "images", rows), truths, trace, data.header.class_names)


def verdict(truth: Iterable[int], predicted: Iterable[int], names: Sequence[str]) -> str:
    """Return "right", or "missing 3; extra 7, 7"."""
    true, guessed = Counter(truth), Counter(predicted)
    parts = {"missing": true - guessed, "extra": guessed - true}
    differences = [
        f"{word} {style.label_list(rest.elements(), names)}" for word, rest in parts.items() if rest
    ]
    return "; ".join(differences) or "right"


def rows_to_picture(objects: np.ndarray) -> np.ndarray:
    """Return at most six rows to picture, chosen by the numbers of objects [N].

    Cardinalities are spread from the fewest to the most objects, with the first image of each.
    The choice depends only on the data, not on predictions: it is the same for every method. In
    two rows of three, cardinalities ascend in each row.
    """
    number = min(PICTURED, len(objects))
    free = np.ones(len(objects), dtype=bool)
    rows = []
    for wanted in np.linspace(objects.min(), objects.max(), number):
        rows.append(int(np.where(free, np.abs(objects - wanted), np.inf).argmin()))
        free[rows[-1]] = False
    return np.array([*rows[::2], *rows[1::2]])


def choose_rows(
    objects: np.ndarray, right: np.ndarray, wanted: np.ndarray, seed: int
) -> np.ndarray:
    """Return random rows for the places of a grid, row by row, chosen with `seed`.

    objects: int [N]. right: bool [N]. wanted: bool [R, C], whether the image at that place should
    be predicted right. If too few are, other images replace them; no image occurs twice, so there
    are at most N. Each row of the grid is sorted by the number of objects, which can move an
    image from the place of its outcome.
    """
    order = np.random.default_rng(seed).permutation(len(objects))
    cardinalities = np.linspace(objects.min(), objects.max(), wanted.shape[1])
    rows: list[int] = []
    for (_, column), outcome in np.ndenumerate(wanted):
        free = order[~np.isin(order, rows)]
        if len(free):
            keys = (np.abs(objects[free] - cardinalities[column]), right[free] != outcome)
            rows.append(int(free[np.lexsort(keys)[0]]))
    # Stable: images with equal numbers of objects keep their places.
    places = np.arange(len(rows)) // wanted.shape[1]
    return np.array(rows)[np.lexsort((objects[rows], places))]
