"""Scores of predicted multisets, from counts. The stop class is never counted.

c_nk is the count of class k in the truth of image n, p_nk the predicted one, and
TP_k = sum_n min(c_nk, p_nk). Counts are pooled over images before division.

Division by zero: a class that occurs in neither truth nor prediction is left out of means over
classes. A class that occurs but is never predicted has precision 0, and a class that is predicted
but never occurs has recall 0, so that omitting hard classes gains nothing. Without any object in
truth and prediction, all these scores are 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Integer

if TYPE_CHECKING:
    import pandas as pd

METRICS_VERSION = 1  # incremented when the definition of a metric changes

Counts = Integer[np.ndarray, "images classes"]

MEANINGS = {
    "exact_match": "share of images whose multiset is predicted exactly (the paper's 0-1)",
    "macro_f1": "mean over classes of 2 TP / (true + predicted objects)",
    "overall_precision": "share of predicted objects that are right (OP)",
    "overall_recall": "share of true objects that are predicted (OR)",
    "overall_f1": "harmonic mean of overall precision and recall (OF1)",
    "class_precision": "mean over classes of the precision (CP)",
    "class_recall": "mean over classes of the recall (CR)",
    "class_f1": "harmonic mean of class precision and class recall (CF1)",
    "multiset_iou": "mean over images of shared objects / objects in truth or prediction",
    "cardinality_accuracy": "share of images with the right number of objects",
    "cardinality_mae": "mean absolute error of the number of objects",
    "cardinality_bias": "mean of predicted minus true number of objects",
    "exact_match_repeat": "exact match on images in which a class occurs twice or more",
    "exact_match_no_repeat": "exact match on images without a repeated class",
    "f1_welleck2018": "F1 as in the code of arXiv:1711.05246; for comparison with old numbers only",
    "attn_saliency": "mean raw saliency at the glimpsed cells, in units of the activations",
    "attn_saliency_chance": "mean raw saliency over all cells: the expectation of random glimpses",
    "pointing_hit": "share of glimpses inside the box of an object",
    "pointing_hit_chance": "share of random glimpses inside the box of an object",
    "class_hit": "share of glimpses inside the box of an object of the class then predicted",
    "class_hit_chance": "share of random glimpses inside the box of an object of that class",
    "coverage": "share of objects with a glimpse inside their box",
    "coverage_chance": "expected share of objects for the same number of random glimpses",
}

HEADLINE = ("exact_match", "macro_f1", "cardinality_accuracy")
"""The metrics that every summary starts with."""

_LIMITS = {"cardinality_mae": (0.0, math.inf)} | dict.fromkeys(
    ("cardinality_bias", "attn_saliency", "attn_saliency_chance"), (-math.inf, math.inf)
)
"""The lowest and highest value of the metrics that are no shares."""


def score(truth: Counts, predicted: Counts, max_objects: int | None = None) -> dict[str, float]:
    """Return every metric by name; `MEANINGS` and `meaning` define them.

    `exact_match_m3` is the exact match on images with 3 true objects, and so on for every
    cardinality that occurs. Exact match over no image (no repeats in the data) is NaN.
    `max_objects` (K) is used only by `f1_welleck2018`.

    Raises:
        ValueError: counts have different shapes, are negative or not integers, or have no image.
    """
    c, p = _checked(truth, predicted)
    return {
        "exact_match": float((c == p).all(1).mean()),
        "macro_f1": _mean_over_classes(_f1_by_class(c, p)),
        **_overall(c, p),
        **_class_means(c, p),
        "multiset_iou": _multiset_iou(c, p),
        **_cardinality(c, p),
        **_exact_match_by_kind(c, p),
        "f1_welleck2018": f1_welleck2018(c, p, max_objects),
    }


def correct(truth: Counts, predicted: Counts) -> Bool[np.ndarray, " images"]:
    """Return which images are predicted exactly. Raises as `score`."""
    c, p = _checked(truth, predicted)
    return (c == p).all(1)


def per_class(truth: Counts, predicted: Counts, class_names: Sequence[str]) -> pd.DataFrame:
    """Return one row per class: true and predicted objects, precision, recall and F1.

    Columns: class, support (true objects), predicted, correct (TP), precision, recall, f1. The
    last three are NaN for a class that occurs in neither.

    Raises:
        ValueError: as `score`, or the number of names is not that of classes.
    """
    import pandas as pd

    c, p = _checked(truth, predicted)
    if len(class_names) != c.shape[1]:
        raise ValueError(f"{len(class_names)} class names for {c.shape[1]} classes")
    precision, recall = _precision_recall_by_class(c, p)
    return pd.DataFrame(
        {
            "class": list(class_names),
            "support": c.sum(0),
            "predicted": p.sum(0),
            "correct": np.minimum(c, p).sum(0),
            "precision": precision,
            "recall": recall,
            "f1": _f1_by_class(c, p),
        }
    )


def meaning(name: str) -> str:
    """Return the meaning of a metric in one line; "" for an unknown name."""
    m = name.removeprefix("exact_match_m")
    if m != name and m.isdigit():
        return f"exact match on images with {m} object{'' if m == '1' else 's'}"
    return MEANINGS.get(name, "")


def is_share(name: str) -> bool:
    """Return whether a metric is known and in [0, 1] by definition."""
    return limits(name) == (0.0, 1.0)


def limits(name: str) -> tuple[float, float]:
    """Return the lowest and highest value of a metric; infinite if it is not a known one."""
    return _LIMITS.get(name, (0.0, 1.0) if meaning(name) else (-math.inf, math.inf))


def f1_welleck2018(
    truth: Counts, predicted: Counts, max_objects: int | None = None, batch_size: int = 64
) -> float:
    """Return the F1 that the published code of arXiv:1711.05246 computes.

    Every row is filled with stop up to `max_objects` (K; by default the largest cardinality of
    the truth), and stop counts as a class. Per class, min(p, c)/max(p, 1) and min(p, c)/max(c, 1)
    are averaged over the images of a batch with c > 0; the F1 of these two means is averaged over
    the classes present in the batch's truth, then over batches. So it depends on the order of the
    images, and predicted objects of absent classes cost only through stop. That code decodes at
    most K labels; here, a predicted row with more than K objects is kept in full, without stop.
    NaN if K is 0: there is nothing to score.

    Raises:
        ValueError: as `score`, or a true row of more than K objects.
    """
    c, p = _checked(truth, predicted)
    largest = int(c.sum(1).max())
    K = largest if max_objects is None else max_objects
    if largest > K:
        raise ValueError(f"an image has {largest} objects, more than max_objects={K}")
    if K == 0:
        return float("nan")
    c, p = _with_stop(c, K), _with_stop(p, K)
    starts = np.arange(0, len(c), batch_size)
    hits, present = np.minimum(c, p), c > 0
    images = np.add.reduceat(present, starts, dtype=np.int64)
    precision = np.add.reduceat(present * hits / np.maximum(p, 1), starts)
    recall = np.add.reduceat(present * hits / np.maximum(c, 1), starts)
    precision, recall = precision / np.maximum(images, 1), recall / np.maximum(images, 1)
    f1 = _harmonic(precision, recall)
    return float((f1.sum(1) / (images > 0).sum(1)).mean())


def _checked(truth: Counts, predicted: Counts) -> tuple[Counts, Counts]:
    """Return both as int64: the differences of unsigned counts would wrap around."""
    for name, counts in (("truth", truth), ("predicted", predicted)):
        if not np.issubdtype(counts.dtype, np.integer):
            raise ValueError(f"{name} counts have type {counts.dtype}: expected integers")
        if counts.ndim != 2 or len(counts) == 0:
            raise ValueError(
                f"{name} counts have shape {counts.shape}: expected [images, classes], not empty"
            )
        if counts.min(initial=0) < 0:
            raise ValueError(f"{name} counts contain {counts.min()}: none may be negative")
    if truth.shape != predicted.shape:
        raise ValueError(f"truth has shape {truth.shape}, predicted {predicted.shape}")
    return truth.astype(np.int64), predicted.astype(np.int64)


def _f1_by_class(c: Counts, p: Counts) -> Float[np.ndarray, " classes"]:
    both = (c + p).sum(0)
    f1 = 2 * np.minimum(c, p).sum(0) / np.maximum(both, 1)
    return np.where(both > 0, f1, np.nan)


def _precision_recall_by_class(
    c: Counts, p: Counts
) -> tuple[Float[np.ndarray, " classes"], Float[np.ndarray, " classes"]]:
    hits, true, guessed = np.minimum(c, p).sum(0), c.sum(0), p.sum(0)
    absent = true + guessed == 0
    precision = np.where(absent, np.nan, hits / np.maximum(guessed, 1))
    return precision, np.where(absent, np.nan, hits / np.maximum(true, 1))


def _mean_over_classes(values: Float[np.ndarray, " classes"]) -> float:
    occurring = values[~np.isnan(values)]
    return float(occurring.mean()) if occurring.size else 1.0


def _overall(c: Counts, p: Counts) -> dict[str, float]:
    hits, true, guessed = int(np.minimum(c, p).sum()), int(c.sum()), int(p.sum())
    nothing = float(true + guessed == 0)
    return {
        "overall_precision": hits / guessed if guessed else nothing,
        "overall_recall": hits / true if true else nothing,
        "overall_f1": 2 * hits / (true + guessed) if true + guessed else 1.0,
    }


def _class_means(c: Counts, p: Counts) -> dict[str, float]:
    precision, recall = map(_mean_over_classes, _precision_recall_by_class(c, p))
    return {
        "class_precision": precision,
        "class_recall": recall,
        "class_f1": float(_harmonic(np.array(precision), np.array(recall))),
    }


def _multiset_iou(c: Counts, p: Counts) -> float:
    """Mean over images of sum_k min / sum_k max; 1 for an image empty in truth and prediction."""
    shared, either = np.minimum(c, p).sum(1), np.maximum(c, p).sum(1)
    return float(np.where(either > 0, shared / np.maximum(either, 1), 1.0).mean())


def _cardinality(c: Counts, p: Counts) -> dict[str, float]:
    error = p.sum(1) - c.sum(1)
    return {
        "cardinality_accuracy": float((error == 0).mean()),
        "cardinality_mae": float(np.abs(error).mean()),
        "cardinality_bias": float(error.mean()),
    }


def _exact_match_by_kind(c: Counts, p: Counts) -> dict[str, float]:
    exact, m, repeat = (c == p).all(1), c.sum(1), (c > 1).any(1)
    kinds = {f"exact_match_m{size}": m == size for size in np.unique(m)}
    kinds |= {"exact_match_repeat": repeat, "exact_match_no_repeat": ~repeat}
    return {
        name: float(exact[images].mean()) if images.any() else float("nan")
        for name, images in kinds.items()
    }


def _with_stop(counts: Counts, K: int) -> Integer[np.ndarray, "images classes_and_stop"]:
    return np.column_stack([counts, np.maximum(K - counts.sum(1), 0)])


def _harmonic(
    x: Float[np.ndarray, "*shape"], y: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """Return 2xy / (x + y), 0 where both are 0."""
    total = x + y
    return np.asarray(2 * x * y / np.where(total > 0, total, 1.0))
