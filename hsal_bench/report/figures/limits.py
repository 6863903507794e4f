"""Test images that show two limits of the saliency map (P§5.2, figures 3 and 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from hsal_bench.method.contract import Method
from hsal_bench.metrics.attention import cells_in_boxes
from hsal_bench.training.batches import ExampleSet, evaluation_batches
from hsal_bench.training.evaluate import BATCH_SIZE

SHOWN = 3


@dataclass(frozen=True)
class SplitPrediction:
    """The raw saliency S of a test split, the predicted counts, and the split."""

    S: Float[Tensor, "images h w"]
    counts: Int[Tensor, "images classes"]
    test: ExampleSet

    @property
    def objects(self) -> Bool[Tensor, "images objects"]:
        """The mask of objects in the truth: False for padding."""
        return self.test.labels >= 0


@dataclass(frozen=True)
class Limit:
    """A limit of the saliency map, the images that show it best, and its frequency.

    rows: int [B] of the test split, B <= 3. marked: bool [B, K], the objects in question. about,
    rule, extent: sentences of the caption.
    """

    rows: np.ndarray
    marked: np.ndarray
    about: str
    rule: str
    extent: str


Choice = Callable[[SplitPrediction], Limit]
"""A limit: a function that chooses the images that show it."""


def predict_split(method: Method, test: ExampleSet) -> SplitPrediction | None:
    """Return the saliency and predictions of a test split; None without a trace."""
    maps, counts = [], []
    for _, batch in evaluation_batches(test, BATCH_SIZE):
        prediction = method.predict(batch, trace=True)
        if prediction.trace is None:
            return None
        maps.append(prediction.trace.saliency.float())
        counts.append(prediction.counts)
    return SplitPrediction(torch.cat(maps), torch.cat(counts), test)


def crowded(prediction: SplitPrediction) -> Limit:
    """Return images with several objects in the cell of highest saliency (figure 3).

    An object is in a cell to the extent that its box covers it. Images are ranked by the second
    largest cover of that cell, ties by number.
    """
    cover = _cover_of_top(prediction)
    second = functional.pad(cover, (0, 1)).sort(1, descending=True)[0][:, 1]
    rows = _highest(second)
    several, many = second > 0, prediction.objects.sum(1) > 1
    right = (prediction.counts == prediction.test.counts).all(1)
    h, w = prediction.S.shape[1:]
    return Limit(
        rows.cpu().numpy(),
        (cover[rows] > 0).cpu().numpy(),
        f"The location of highest saliency on the {h} x {w} map, projected onto the image: a "
        "glimpse there takes in several objects at once.",
        "They are the images of the split in whose most salient cell the second object covers the "
        "largest area (an object is its box).",
        f"{_share('images', several)} have two or more objects in that cell; "
        f"{_rate(right, several)} of them are predicted right, and "
        f"{_rate(right, many & ~several)} of the remaining images with two or more objects.",
    )


def faint(prediction: SplitPrediction) -> Limit:
    """Return images with an object that is less salient than its surroundings (figure 4).

    The salience of an object is the highest S of the cells with their centre in its box; that of
    its surroundings is the highest S of the adjacent cells. Objects of a class that is predicted
    too rarely are shown, one per image, lowest ratio first.
    """
    ratio, known = _relative_salience(prediction)
    lacking = (prediction.test.counts - prediction.counts).clamp_min(0)
    missed = (lacking.gather(1, prediction.test.labels.clamp_min(0)) > 0) & known
    low, high = known & (ratio < 1), known & (ratio >= 1)
    score, worst = torch.where(missed & low, 1 - ratio, 0.0).max(1)
    rows = _highest(score)
    marked = functional.one_hot(worst[rows], ratio.shape[1]).bool()
    return Limit(
        rows.cpu().numpy(),
        marked.cpu().numpy(),
        "Objects in the truth that do not have high saliency relative to their surroundings.",
        "Of the objects whose class is predicted fewer times than it occurs, they are those with "
        "the lowest ratio of the object's saliency (the highest of the cells with their centre in "
        "its box) to that of the adjacent cells (their highest), one per image.",
        f"{_share('objects with such a cell', low, known)} are less salient than the adjacent "
        f"cells; the class of {_rate(missed, low)} of them is predicted too rarely, and that of "
        f"{_rate(missed, high)} of the remaining objects. This difference can have "
        "different causes, such as the size of objects.",
    )


def _cover_of_top(prediction: SplitPrediction) -> Float[Tensor, "images objects"]:
    """Return the share of the most salient cell that each object's box covers, in [0, 1]."""
    (height, width), (h, w) = prediction.test.image_size, prediction.S.shape[1:]
    top = prediction.S.flatten(1).argmax(1)[:, None]
    x0, y0, x1, y1 = prediction.test.boxes.unbind(2)
    across = _overlap(x0 * w / width, x1 * w / width, top % w)
    down = _overlap(y0 * h / height, y1 * h / height, top // w)
    return across * down * prediction.objects


def _overlap(start: Tensor, stop: Tensor, cell: Tensor) -> Tensor:
    return (torch.minimum(stop, cell + 1) - torch.maximum(start, cell)).clamp_min(0)


def _relative_salience(
    prediction: SplitPrediction,
) -> tuple[Float[Tensor, "images objects"], Bool[Tensor, "images objects"]]:
    """Return each object's salience relative to its surroundings, and where it is defined."""
    grid = prediction.S.shape[1:]
    inside = cells_in_boxes(prediction.test.boxes, prediction.test.image_size, (grid[0], grid[1]))
    within = inside.unflatten(2, grid).float()
    around = (functional.max_pool2d(within, 3, 1, 1) - within).flatten(2) > 0
    S = prediction.S.flatten(1)[:, None]
    own, others = (torch.where(cells, S, 0.0).amax(2) for cells in (inside, around))
    return own / others.clamp_min(1e-6), prediction.objects & inside.any(2) & around.any(2)


def _highest(scores: Float[Tensor, " images"]) -> Int[Tensor, " rows"]:
    """Return the images with the highest scores above 0; ties by number."""
    rows = scores.sort(descending=True, stable=True)[1][:SHOWN]
    return rows[scores[rows] > 0]


def _share(things: str, chosen: Tensor, of: Tensor | None = None) -> str:
    total = chosen.numel() if of is None else int(of.sum())
    count = int(chosen.sum())
    return f"{count:,} of {total:,} {things} ({100 * count / max(1, total):.1f} %)"


def _rate(events: Tensor, among: Tensor) -> str:
    total = int(among.sum())
    return f"{100 * int((events & among).sum()) / total:.1f} %" if total else "none"
