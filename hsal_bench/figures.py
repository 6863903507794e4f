"""The attention picture: how a method with a trace looked at images (P§5.1, figure 2)."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsal_bench.files import replacing
from hsal_bench.method import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS = ("saliency\n$S_t$", "mask\n$M_t$", "priority\n$P_t$", "glimpses", "predicted")
COLOUR_MAP = "gist_heat_r"
"""White for nothing, so that a print of it is mostly paper; darker for more, in grey too."""
GLIMPSES = (("s", "#56b4e9"), ("o", "#e69f00"), ("D", "#cc79a7"), ("^", "#009e73"))
"""Marker and colour by the order of the glimpses: in grey, the shapes still tell them apart."""
RIGHT, WRONG = "#00694d", "#b34e00"

# All lengths are in inches.
_CELL, _GAP, _BLOCK_GAP, _MARGIN = 0.72, 0.05, 0.42, 0.12
_ROW_NAMES, _LINE, _LABEL = 0.85, 0.165, 0.26
_LEGEND, _LEGEND_WIDTH = 0.42, 5.6
_BLOCKS_PER_ROW, _STEPS_PER_ROW = 3, 20
_FONT = 9.0


@dataclass(frozen=True)
class _Block:
    """What is drawn of one image; `steps` are the columns that it takes."""

    image: np.ndarray
    labels: tuple[int, ...]
    cells: tuple[tuple[int, ...], ...]
    maps: tuple[np.ndarray, ...]
    sets: tuple[str, ...]
    outcome: tuple[str, ...]
    right: bool

    @property
    def steps(self) -> int:
        return len(self.labels)

    @property
    def width(self) -> float:
        return _width(self.steps)


def attention_picture(
    images: np.ndarray,
    trace: Trace,
    truths: Sequence[Sequence[int]],
    names: Sequence[str],
    path: Path,
) -> None:
    """Draw one block per image: a column per meta-step, a row per map, the glimpses on the image.

    images: uint8 [B, C, H, W]. truths: each image's true labels. names: of the classes; the number
    after the last is stop. Written as PNG to `path`, whole or not at all.
    """
    blocks = [
        _block(image, trace, number, truths[number], names) for number, image in enumerate(images)
    ]
    figure = _figure(blocks, names, trace.glimpses.shape[2])
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=200)


def verdict(truth: Iterable[int], predicted: Iterable[int], names: Sequence[str]) -> str:
    """Return "right", or "wrong: missing 3; extra 7, 7"."""
    true, guessed = Counter(truth), Counter(predicted)
    parts = {"missing": true - guessed, "extra": guessed - true}
    told = [f"{word} {_list(rest.elements(), names)}" for word, rest in parts.items() if rest]
    return f"wrong: {'; '.join(told)}" if told else "right"


def _block(
    image: np.ndarray, trace: Trace, number: int, truth: Sequence[int], names: Sequence[str]
) -> _Block:
    labels = tuple(int(y) for y in trace.labels[number] if y >= 0)
    steps = len(labels)
    predicted = [y for y in labels if y < len(names)]
    outcome = verdict(truth, predicted, names)
    mark = "✓" if outcome == "right" else "✗"
    sets = _wrapped(
        steps,
        f"true {{{_list(truth, names)}}}",
        f"predicted {{{_list(predicted, names)}}}",
    )
    maps = (trace.S_t, trace.masks, trace.priority)
    return _Block(
        image,
        labels,
        tuple(tuple(cells) for cells in trace.glimpses[number, :steps].tolist()),
        tuple(values[number, :steps].float().cpu().numpy() for values in maps),
        sets,
        _wrapped(steps, f"{mark} {outcome}"),
        outcome == "right",
    )


def _figure(blocks: Sequence[_Block], names: Sequence[str], glimpses: int) -> Figure:
    from matplotlib.figure import Figure

    longest = max(block.steps for block in blocks)
    per_row = min(_BLOCKS_PER_ROW, max(1, _STEPS_PER_ROW // longest))
    rows = [blocks[start : start + per_row] for start in range(0, len(blocks), per_row)]
    widths = [sum(block.width + _BLOCK_GAP for block in row) - _BLOCK_GAP for row in rows]
    heights = [_row_height(row) for row in rows]
    width = _ROW_NAMES + max(*widths, _LEGEND_WIDTH) + _MARGIN
    figure = Figure(figsize=(width, sum(heights) + _LEGEND + _MARGIN))
    top = _MARGIN
    for row, height in zip(rows, heights, strict=True):
        left = _ROW_NAMES
        for block in row:
            _draw_block(figure, block, left, top, _heading_height(row), names)
            left += block.width + _BLOCK_GAP
        _draw_row_names(figure, top + _heading_height(row))
        top += height
    _draw_legend(figure, top, glimpses)
    return figure


def _draw_block(
    figure: Figure, block: _Block, left: float, top: float, heading: float, names: Sequence[str]
) -> None:
    """Draw the block whose heading, `heading` high, begins at (left, top) of the figure."""
    for number, line in enumerate(block.sets):
        _write(figure, left, top + number * _LINE, line)
    colour = RIGHT if block.right else WRONG
    for number, line in enumerate(block.outcome, len(block.sets)):
        _write(figure, left, top + number * _LINE, line, color=colour, fontweight="bold")
    for t, label in enumerate(block.labels):
        x = left + t * (_CELL + _GAP)
        axes = [_axes(figure, x, top + heading + n * (_CELL + _GAP)) for n in range(len(ROWS) - 1)]
        for axis, maps in zip(axes, block.maps, strict=False):
            axis.imshow(maps[t], cmap=COLOUR_MAP, vmin=0.0, vmax=1.0)
        _draw_glimpses(axes[-1], block, t)
        text, size = _step_label("stop" if label == len(names) else names[label])
        axes[-1].set_xlabel(text, fontsize=size, fontweight="bold", labelpad=2)


def _draw_glimpses(axis: Axes, block: _Block, t: int) -> None:
    """Show the image with the step's glimpsed cells marked on it."""
    from matplotlib.patheffects import Normal, Stroke

    channels, height, width = block.image.shape
    kind: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 255} if channels == 1 else {}
    shown = block.image[0] if channels == 1 else block.image.transpose(1, 2, 0)
    axis.imshow(shown, **kind)
    rows, columns = block.maps[0].shape[1:]
    size = max(6.0, 72 * _CELL / max(rows, columns))
    halo = [Stroke(linewidth=2.6, foreground="black"), Normal()]
    for order, cell in enumerate(block.cells[t]):
        x, y = (cell % columns + 0.5) * width / columns, (cell // columns + 0.5) * height / rows
        # Later ones are drawn inside earlier ones, so that two of one cell are both seen.
        marker = _marker(order, size * (1 - 0.25 * (order % len(GLIMPSES))))
        axis.plot(x - 0.5, y - 0.5, **marker, path_effects=halo, clip_on=False)


def _draw_row_names(figure: Figure, top: float) -> None:
    for number, name in enumerate(ROWS):
        height = _CELL if number < len(ROWS) - 1 else _LABEL - 0.13
        middle = top + number * (_CELL + _GAP) + height / 2
        _write(figure, _ROW_NAMES - 0.1, middle, name, ha="right", va="center")


def _draw_legend(figure: Figure, top: float, glimpses: int) -> None:
    """Draw what the markers and the colours of the maps stand for."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.lines import Line2D

    width, height = figure.get_size_inches()
    shapes = range(min(glimpses, len(GLIMPSES)))
    handles = [
        Line2D([], [], **_marker(order, 8.0), label=_glimpse_name(order, glimpses))
        for order in shapes
    ]
    place = (_ROW_NAMES / width, 1 - (top + _LEGEND / 2) / height)
    figure.legend(
        handles=handles,
        loc="center left",
        bbox_to_anchor=place,
        ncols=len(handles),
        frameon=False,
        fontsize=_FONT,
        borderpad=0,
        handletextpad=0.2,
        columnspacing=1.2,
    )
    bar = figure.add_axes(_box(figure, width - _MARGIN - 1.3, top + _LEGEND / 2 - 0.06, 1.2, 0.12))
    scale = figure.colorbar(ScalarMappable(cmap=COLOUR_MAP), cax=bar, orientation="horizontal")
    scale.set_ticks([0, 1], labels=["0", "1"])
    bar.tick_params(labelsize=_FONT - 1, length=2, pad=2)
    _write(
        figure,
        width - _MARGIN - 1.4,
        top + _LEGEND / 2,
        "saliency, mask, priority",
        ha="right",
        va="center",
    )


def _marker(order: int, size: float) -> dict[str, Any]:
    shape, colour = GLIMPSES[order % len(GLIMPSES)]
    # A diamond's side, not its diagonal, is its size.
    points = size * (0.72 if shape == "D" else 1.0)
    return {
        "marker": shape,
        "markersize": points,
        "markerfacecolor": "none",
        "markeredgecolor": colour,
        "markeredgewidth": 1.4,
        "linestyle": "none",
    }


def _glimpse_name(order: int, glimpses: int) -> str:
    """Return "first glimpse"; "glimpses 1, 5" where a marker comes again."""
    same = range(order + 1, glimpses + 1, len(GLIMPSES))
    if len(same) > 1:
        return f"glimpses {', '.join(map(str, same))}"
    return f"{('first', 'second', 'third', 'fourth')[order]} glimpse"


def _axes(figure: Figure, left: float, top: float) -> Axes:
    axis = figure.add_axes(_box(figure, left, top, _CELL, _CELL))
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set(linewidth=0.5, color="0.5")
    return axis


def _box(
    figure: Figure, left: float, top: float, width: float, height: float
) -> tuple[float, float, float, float]:
    """Return inches from the upper left corner as matplotlib's shares from the lower left."""
    across, down = figure.get_size_inches()
    return left / across, 1 - (top + height) / down, width / across, height / down


def _write(figure: Figure, left: float, top: float, text: str, **options: Any) -> None:
    x, y, _, _ = _box(figure, left, top, 0, 0)
    shown: dict[str, Any] = {"fontsize": _FONT, "va": "top", **options}
    figure.text(x, y, text, **shown)


def _row_height(row: Sequence[_Block]) -> float:
    return _heading_height(row) + (len(ROWS) - 1) * (_CELL + _GAP) + _LABEL + 0.16


def _heading_height(row: Sequence[_Block]) -> float:
    return _LINE * max(len(block.sets) + len(block.outcome) for block in row) + 0.04


def _width(steps: int) -> float:
    # A heading needs the room of two columns.
    return max(steps, 2) * (_CELL + _GAP) - _GAP


def _step_label(text: str) -> tuple[str, float]:
    """Return what stands below a step, and its size: digits large, names of garments small."""
    size = _FONT + 2 if len(text) <= 2 else _FONT if len(text) <= 6 else _FONT - 2
    return "\n".join(textwrap.wrap(text, _letters(_CELL, size))), size


def _wrapped(steps: int, *texts: str) -> tuple[str, ...]:
    """Return the lines of texts that are to fit above a block."""
    letters = _letters(_width(steps), _FONT)
    return tuple(line for text in texts for line in textwrap.wrap(text, letters))


def _letters(width: float, size: float) -> int:
    # A letter is about 0.62 of the font's size wide, where it is bold.
    return int(width / (0.62 * size / 72))


def _list(labels: Iterable[int], names: Sequence[str]) -> str:
    return ", ".join(names[label] for label in sorted(labels))
