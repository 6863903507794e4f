"""Training curves from records: the validation split's metrics (the paper's figures 5 and 6).

One line per method or variant: the mean over its seeds, and a band of their lowest to highest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hsal_bench.comparison import variants
from hsal_bench.errors import UsageError
from hsal_bench.files import replacing
from hsal_bench.record import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = {"attn_saliency": "glimpse saliency", "macro_f1": "macro F1"}
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, told apart by the colour-blind; with more lines they begin again, dashed."""
_STYLES = ("-", "--", ":")
_DPI = 150


@dataclass(frozen=True)
class Curve:
    """One variant's metric: updates [n] ascending, values [seeds, n], NaN where a seed has none."""

    name: str
    updates: np.ndarray
    values: np.ndarray


def curves(records: Sequence[Record], metric: str) -> list[Curve]:
    """Return a curve for each variant that has the validation `metric` at any update.

    A record's curve starts at update 0, before the first one is made. Runs without an "ok" have
    none.
    """
    found = []
    for name, runs in variants([record for record in records if record.status == "ok"]):
        series = [
            {
                int(line["update"]): line[f"valid_{metric}"]
                for line in run.curve
                if f"valid_{metric}" in line
            }
            for run in runs
        ]
        updates = sorted({update for one in series for update in one})
        if updates:
            values = [[one.get(update, np.nan) for update in updates] for one in series]
            found.append(Curve(name, np.array(updates), np.array(values)))
    return found


def curves_picture(records: Sequence[Record], path: Path) -> None:
    """Draw `PANELS` side by side for the records of one data set, to a PNG or PDF by its suffix.

    Written whole or not at all.

    Raises:
        UsageError: no record has a curve, or they are of several data sets.
    """
    from matplotlib.figure import Figure

    contents = {(record.data_set.name, record.data_set.content_sha256) for record in records}
    if len(contents) > 1:
        told = ", ".join(sorted(f"{name} {content[:8]}" for name, content in contents))
        raise UsageError(f"curves of several data sets ({told}): draw them one at a time")
    panels = {metric: found for metric in PANELS if (found := curves(records, metric))}
    if not panels:
        raise UsageError("no record has a training curve: name records of finished runs")
    names = list(dict.fromkeys(curve.name for found in panels.values() for curve in found))
    figure = Figure(figsize=(4.0 * len(panels), 3.2), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (metric, found) in zip(axes, panels.items(), strict=True):
        _draw(axis, found, names)
        axis.set_ylabel(f"{PANELS[metric]} (validation)")
    axes[0].legend(frameon=False, fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.removeprefix("."), dpi=_DPI)


def _draw(axis: Axes, found: Sequence[Curve], names: Sequence[str]) -> None:
    for curve in found:
        index = names.index(curve.name)
        colour = COLOURS[index % len(COLOURS)]
        style = _STYLES[index // len(COLOURS) % len(_STYLES)]
        mean = np.nanmean(curve.values, axis=0)
        axis.plot(curve.updates, mean, color=colour, linestyle=style, label=curve.name)
        low, high = np.nanmin(curve.values, axis=0), np.nanmax(curve.values, axis=0)
        axis.fill_between(curve.updates, low, high, color=colour, alpha=0.2, linewidth=0)
    axis.set_xlabel("updates")
    axis.set_xlim(left=0)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
