"""The attention picture: the glimpses of a method with a trace (P§5.1, figures 2 and 12)."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsal_bench.report.figures import style
from hsal_bench.report.figures.glimpses import Glimpses
from hsal_bench.report.figures.style import FONT, SMALL, TWO_COLUMNS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS = ("saliency\n$S_t$", "mask\n$M_t$", "priority\n$P_t$", "image,\nglimpses", "predicted")
GLIMPSES = (("s", "#56b4e9"), ("o", "#e69f00"), ("D", "#cc79a7"), ("^", "#009e73"))
"""Marker and colour by the order of the glimpses: the shapes differ in grey too."""

# All lengths are in inches.
_SMALLEST, _LARGEST = 0.33, 0.54
_GAP, _BLOCK_GAP, _MARGIN = 0.035, 0.26, 0.04
_ROW_NAMES, _LINE, _LABEL, _LEGEND = 0.56, 0.125, 0.27, 0.25
_ROOM = TWO_COLUMNS - _ROW_NAMES - _MARGIN


@dataclass(frozen=True)
class _Block:
    """The drawing of one image; `labels`: of the steps, one column each."""

    image: np.ndarray
    labels: tuple[int, ...]
    cells: tuple[tuple[int, ...], ...]
    maps: tuple[np.ndarray, ...]
    truth: str
    outcome: str

    @property
    def columns(self) -> int:
        # The heading needs the width of two columns.
        return max(len(self.labels), 2)


@dataclass(frozen=True)
class _Page:
    """A figure in inches from its upper left corner, with square cells of one size."""

    figure: Figure
    cell: float

    @property
    def pitch(self) -> float:
        return self.cell + _GAP

    def width(self, block: _Block) -> float:
        return block.columns * self.pitch - _GAP

    def box(
        self, left: float, top: float, width: float, height: float
    ) -> tuple[float, float, float, float]:
        """Return a rectangle in figure coordinates of matplotlib, from the lower left."""
        across, down = self.figure.get_size_inches()
        return left / across, 1 - (top + height) / down, width / across, height / down

    def axes(self, left: float, top: float) -> Axes:
        axis = self.figure.add_axes(self.box(left, top, self.cell, self.cell))
        axis.set_xticks([])
        axis.set_yticks([])
        for spine in axis.spines.values():
            spine.set(linewidth=0.4, color="0.5", visible=True)
        return axis

    def write(self, left: float, top: float, text: str, **options: Any) -> None:
        x, y, _, _ = self.box(left, top, 0, 0)
        self.figure.text(x, y, text, **{"fontsize": FONT, "va": "top", **options})


def attention_figure(glimpses: Glimpses, per_row: int = 3) -> Figure:
    """Return a figure with one block per image: a column per meta-step, a row per map.

    It is two columns of a page wide, with at most `per_row` images side by side. The glimpses are
    marked on the priority map and on the image.
    """
    blocks = [_block(glimpses, number) for number in range(len(glimpses.images))]
    with style.drawing():
        return _figure(blocks, glimpses.names, glimpses.trace.glimpses.shape[2], per_row)


def _block(glimpses: Glimpses, number: int) -> _Block:
    labels, trace = glimpses.labels(number), glimpses.trace
    steps = len(labels)
    maps = (trace.S_t, trace.masks, trace.priority)
    return _Block(
        glimpses.images[number],
        labels,
        tuple(tuple(cells) for cells in trace.glimpses[number, :steps].tolist()),
        tuple(values[number, :steps].float().cpu().numpy() for values in maps),
        f"true {style.multiset(glimpses.truths[number], glimpses.names)}",
        glimpses.verdict(number),
    )


def _figure(blocks: Sequence[_Block], names: Sequence[str], glimpses: int, per_row: int) -> Figure:
    from matplotlib.figure import Figure

    rows, cell = _arranged(blocks, per_row)
    page = _Page(Figure(), cell)
    heights = [_row_height(page, row) for row in rows]
    # Cells have a minimum size: with many steps, the figure is wider than two columns.
    width = max(sum(map(page.width, row)) + _BLOCK_GAP * (len(row) - 1) for row in rows)
    across = max(TWO_COLUMNS, _ROW_NAMES + width + _MARGIN)
    page.figure.set_size_inches(across, sum(heights) + _LEGEND)
    top = _MARGIN
    for row, height in zip(rows, heights, strict=True):
        left = _ROW_NAMES
        for block in row:
            _draw_block(page, block, left, top, _heading_height(page, row), names)
            left += page.width(block) + _BLOCK_GAP
        _draw_row_names(page, top + _heading_height(page, row))
        top += height
    _draw_legend(page, top, glimpses)
    return page.figure


def _arranged(blocks: Sequence[_Block], per_row: int) -> tuple[list[Sequence[_Block]], float]:
    """Return rows of at most `per_row` blocks and the cell size that fills the width."""
    for number in range(per_row, 0, -1):
        rows = [blocks[start : start + number] for start in range(0, len(blocks), number)]
        cell = min(_LARGEST, *map(_fitting, rows), _LARGEST)
        if cell >= _SMALLEST:
            break
    return rows, max(cell, _SMALLEST)


def _fitting(row: Sequence[_Block]) -> float:
    """Return the cell size at which a row fills the available width."""
    room = _ROOM - (len(row) - 1) * _BLOCK_GAP + len(row) * _GAP
    return room / sum(block.columns for block in row) - _GAP


def _draw_block(
    page: _Page, block: _Block, left: float, top: float, heading: float, names: Sequence[str]
) -> None:
    """Draw a block at (left, top); heading: the height of its heading."""
    lines = _heading(page, block)
    colour = style.RIGHT if block.outcome == "right" else style.WRONG
    for number, (line, is_outcome) in enumerate(lines):
        look = {"color": colour, "fontweight": "bold"} if is_outcome else {}
        # Bottom-aligned: next to the maps.
        page.write(left, top + heading - 0.03 - (len(lines) - number) * _LINE, line, **look)
    for t, label in enumerate(block.labels):
        x = left + t * page.pitch
        axes = [page.axes(x, top + heading + n * page.pitch) for n in range(len(ROWS) - 1)]
        for axis, maps in zip(axes, block.maps, strict=False):
            axis.imshow(maps[t], cmap=style.MAP, vmin=0.0, vmax=1.0)
        _show_image(axes[-1], block.image)
        _mark_glimpses(axes[-2], block.maps[0].shape[1:], block, t, page.cell)
        _mark_glimpses(axes[-1], block.image.shape[1:], block, t, page.cell)
        text, size = _step_label(page, "stop" if label == len(names) else names[label])
        axes[-1].set_xlabel(text, fontsize=size, fontweight="bold", labelpad=1.5)


def _show_image(axis: Axes, image: np.ndarray) -> None:
    axis.imshow(style.as_pixels(image), cmap="gray", vmin=0, vmax=255)


def _mark_glimpses(axis: Axes, shape: tuple[int, ...], block: _Block, t: int, cell: float) -> None:
    """Mark the glimpsed cells of a step on a map or image of `shape` pixels."""
    from matplotlib.patheffects import Normal, Stroke

    height, width = shape
    rows, columns = block.maps[0].shape[1:]
    size = max(4.5, 72 * cell / max(rows, columns))
    halo = [Stroke(linewidth=1.9, foreground="black"), Normal()]
    for order, number in enumerate(block.cells[t]):
        x = (number % columns + 0.5) * width / columns
        y = (number // columns + 0.5) * height / rows
        # Later marks are smaller, so that two in the same cell are both visible.
        marker = _marker(order, size * (1 - 0.3 * (order % len(GLIMPSES))))
        axis.plot(x - 0.5, y - 0.5, **marker, path_effects=halo, clip_on=False)


def _draw_row_names(page: _Page, top: float) -> None:
    middles = [top + number * page.pitch + page.cell / 2 for number in range(len(ROWS) - 1)]
    # The last name is for the labels below the images.
    middles.append(top + len(middles) * page.pitch + 0.05)
    for middle, name in zip(middles, ROWS, strict=True):
        place = {"ha": "right", "va": "center", "linespacing": 1.1}
        page.write(_ROW_NAMES - 0.07, middle, name, parse_math=True, **place)


def _draw_legend(page: _Page, top: float, glimpses: int) -> None:
    """Draw the legend of the markers and the colour bar of the maps."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.lines import Line2D

    width, _ = page.figure.get_size_inches()
    shapes = range(min(glimpses, len(GLIMPSES)))
    handles = [
        Line2D([], [], **_marker(order, 5.0), label=_glimpse_name(order, glimpses))
        for order in shapes
    ]
    middle = top + 0.1
    page.figure.legend(
        handles=handles,
        loc="center left",
        bbox_to_anchor=page.box(_ROW_NAMES, middle, 0, 0)[:2],
        ncols=len(handles),
        borderpad=0,
        handletextpad=0.2,
        columnspacing=1.2,
    )
    bar = page.figure.add_axes(page.box(width - _MARGIN - 0.9, middle - 0.09, 0.8, 0.08))
    scale = page.figure.colorbar(ScalarMappable(cmap=style.MAP), cax=bar, orientation="horizontal")
    scale.set_ticks([0, 1], labels=["0", "1"])
    scale.outline.set_linewidth(0.4)
    bar.tick_params(labelsize=SMALL, length=1.5, pad=1.5)
    place = {"ha": "right", "va": "center"}
    page.write(width - _MARGIN - 1.0, middle - 0.05, "saliency, mask, priority", **place)


def _marker(order: int, size: float) -> dict[str, Any]:
    shape, colour = GLIMPSES[order % len(GLIMPSES)]
    # The size of a diamond is its side, not its diagonal.
    points = size * (0.72 if shape == "D" else 1.0)
    return {
        "marker": shape,
        "markersize": points,
        "markerfacecolor": "none",
        "markeredgecolor": colour,
        "markeredgewidth": 1.0,
        "linestyle": "none",
    }


def _glimpse_name(order: int, glimpses: int) -> str:
    """Return "first glimpse"; "glimpses 1, 5" if a marker repeats."""
    same = range(order + 1, glimpses + 1, len(GLIMPSES))
    if len(same) > 1:
        return f"glimpses {', '.join(map(str, same))}"
    return f"{('first', 'second', 'third', 'fourth')[order]} glimpse"


def _row_height(page: _Page, row: Sequence[_Block]) -> float:
    return _heading_height(page, row) + (len(ROWS) - 1) * page.pitch + _LABEL


def _heading_height(page: _Page, row: Sequence[_Block]) -> float:
    return _LINE * max(len(_heading(page, block)) for block in row) + 0.03


def _heading(page: _Page, block: _Block) -> list[tuple[str, bool]]:
    """Return the lines above a block, each with whether it shows the outcome."""
    letters = _letters(page.width(block), FONT)
    outcome = f"{style.MARKS[block.outcome == 'right']} {block.outcome}"
    parts = [outcome] if len(outcome) <= letters else outcome.split("; ")
    texts = [(block.truth, False), *((part, True) for part in parts)]
    return [
        (line, is_outcome) for text, is_outcome in texts for line in textwrap.wrap(text, letters)
    ]


def _step_label(page: _Page, text: str) -> tuple[str, float]:
    """Return the label below a step and its font size: short names are larger."""
    size = FONT + 1 if len(text) <= 2 else FONT if len(text) <= 5 else SMALL - 1
    return "\n".join(textwrap.wrap(text, _letters(page.cell, size))), size


def _letters(width: float, size: float) -> int:
    # A bold letter is about 0.6 of the font size wide.
    return int(width / (0.6 * size / 72))
