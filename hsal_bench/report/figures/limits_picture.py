"""Pictures of limits of the saliency map: image left, map right (P§5.2, figures 3 and 4)."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from hsal_bench.report.figures import style
from hsal_bench.report.figures.glimpses import Glimpses
from hsal_bench.report.figures.limits import SHOWN
from hsal_bench.report.figures.style import TWO_COLUMNS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Outline = tuple[str, Any, str]
"""Colour, dashes and name."""
CELL: Outline = ("#e69f00", "-", "most salient cell")
OBJECT: Outline = ("#56b4e9", (0, (2, 1.2)), "object")
_LETTERS = 34
"""Of a line above an image and its map."""


def limits_figure(glimpses: Glimpses, boxes: np.ndarray, marked: np.ndarray) -> Figure:
    """Return a figure of each image next to its saliency map, two columns of a page wide.

    boxes: int [B, K, 4] in pixels (x0, y0, x1, y1, half-open). marked: bool [B, K], the objects to
    outline. The most salient cell is outlined too, on the image and on the map.
    """
    from matplotlib.figure import Figure

    saliency = glimpses.trace.saliency.float().cpu().numpy()
    with style.drawing():
        figure = Figure(figsize=(TWO_COLUMNS, 1.75), layout="constrained")
        axes = figure.subplots(1, 3 * SHOWN - 1, width_ratios=[1, 1, 0.08] * (SHOWN - 1) + [1, 1])
        for axis in (*axes[2::3], *axes[3 * len(saliency) :]):
            axis.set_visible(False)
        for k, S in enumerate(saliency):
            image, pair = glimpses.images[k], axes[3 * k : 3 * k + 2]
            _heading(pair[0], glimpses, k)
            pair[0].imshow(style.as_pixels(image), cmap="gray", vmin=0, vmax=255)
            pair[1].imshow(S, cmap=style.MAP)
            sizes = np.array([image.shape[1:], S.shape])
            for axis, size in zip(pair, sizes, strict=True):
                _outlines(axis, size, S, boxes[k][marked[k]] / np.tile(sizes[0][::-1], 2))
            pair[0].set_xlabel("image", labelpad=2)
            pair[1].set_xlabel(f"saliency, {S.shape[0]} x {S.shape[1]}", labelpad=2)
        _legend(figure)
    return figure


def _heading(axis: Axes, glimpses: Glimpses, number: int) -> None:
    verdict = glimpses.verdict(number)
    truth = f"true {style.multiset(glimpses.truths[number], glimpses.names)}"
    texts = (truth, f"{style.MARKS[verdict == 'right']} {verdict}")
    lines = [line for text in texts for line in textwrap.wrap(text, _LETTERS)]
    axis.set_title("\n".join(lines), loc="left", pad=3)


def _outlines(axis: Axes, size: np.ndarray, S: np.ndarray, boxes: np.ndarray) -> None:
    """Outline the boxes (in shares of the picture) and the most salient cell; `size`: (h, w)."""
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import Normal, Stroke

    row, column = np.unravel_index(S.argmax(), S.shape)
    h, w = S.shape
    cell = np.array([column / w, row / h, (column + 1) / w, (row + 1) / h])
    outlines = [*((box, OBJECT) for box in boxes), (cell, CELL)]
    for corners, (colour, dashes, _) in outlines:
        x0, y0, x1, y1 = corners * np.tile(size[::-1], 2) - 0.5
        look: dict[str, Any] = {
            "edgecolor": colour,
            "linestyle": dashes,
            "fill": False,
            "clip_on": False,
        }
        halo = [Stroke(linewidth=2.2, foreground="black"), Normal()]
        rectangle = Rectangle((x0, y0), x1 - x0, y1 - y0, linewidth=1.1, **look)
        rectangle.set_path_effects(halo)
        axis.add_patch(rectangle)
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set(linewidth=0.4, color="0.5", visible=True)


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, linestyle=dashes, label=name)
        for colour, dashes, name in (CELL, OBJECT)
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=2, borderpad=0.2)
