"""The attention picture: how a method with a trace looked at images (P§5.1, figure 2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsal_bench.files import replacing
from hsal_bench.method import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROWS = ("saliency $S_t$", "mask $M_t$", "priority $P_t$", "glimpses")
GLIMPSE_COLOURS = ("#56b4e9", "#e69f00", "#cc79a7", "#009e73")


def attention_picture(
    images: np.ndarray, trace: Trace, truths: Sequence[Sequence[int]], stop: int, path: Path
) -> None:
    """Draw one block per image: a column per meta-step, a row per map, the glimpses on the image.

    images: uint8 [B, C, H, W]. truths: each image's true labels. stop: the stop class's number.
    Written as PNG to `path`, whole or not at all.
    """
    from matplotlib.figure import Figure

    # No column for steps that come after every image's stop.
    steps = int((trace.labels >= 0).sum(1).max())
    figure = Figure(figsize=(1.25 * steps * len(images) + 1.0, 5.6), layout="constrained")
    blocks = figure.subfigures(1, len(images), wspace=0.04, squeeze=False)[0]
    for number, block in enumerate(blocks):
        axes = block.subplots(len(ROWS), steps, squeeze=False)
        labels = [int(y) for y in trace.labels[number] if 0 <= y < stop]
        block.suptitle(f"true {_text(truths[number])}\npredicted {_text(labels)}", fontsize=9)
        for t in range(steps):
            _draw_step(axes[:, t], images[number], trace, number, t, stop)
        if number == 0:
            for axis, name in zip(axes[:, 0], ROWS, strict=True):
                axis.set_ylabel(name, fontsize=9)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)


def _draw_step(
    axes: Sequence[Axes], image: np.ndarray, trace: Trace, number: int, t: int, stop: int
) -> None:
    """Draw one meta-step's column; the steps after the stop stay empty."""
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
    label = int(trace.labels[number, t])
    if label < 0:
        for axis in axes:
            axis.set_visible(False)
        return
    for axis, maps in zip(axes, (trace.S_t, trace.masks, trace.priority), strict=False):
        axis.imshow(maps[number, t].cpu().numpy(), cmap="magma", vmin=0.0, vmax=1.0)
    axis = axes[-1]
    shown = image.transpose(1, 2, 0)
    kind: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 255} if len(image) == 1 else {}
    axis.imshow(shown.squeeze(2) if len(image) == 1 else shown, **kind)
    _draw_glimpses(axis, trace, number, t, image.shape[1:])
    axis.set_xlabel("stop" if label == stop else str(label), fontsize=12, fontweight="bold")


def _draw_glimpses(axis: Axes, trace: Trace, number: int, t: int, size: tuple[int, ...]) -> None:
    """Outline the glimpsed cells on the image, numbered in their order."""
    from matplotlib.patches import Rectangle

    rows, columns = trace.saliency.shape[1:]
    height, width = size[0] / rows, size[1] / columns
    for order, cell in enumerate(trace.glimpses[number, t].tolist()):
        colour = GLIMPSE_COLOURS[order % len(GLIMPSE_COLOURS)]
        # Later glimpses are drawn inside earlier ones, so that two of one cell are both seen.
        inset = 1.0 + 1.5 * order
        x, y = (cell % columns) * width - 0.5 + inset, (cell // columns) * height - 0.5 + inset
        axis.add_patch(
            Rectangle((x, y), width - 2 * inset, height - 2 * inset, fill=False, ec=colour, lw=1.8)
        )


def _text(labels: Sequence[int]) -> str:
    return "{" + ", ".join(str(label) for label in sorted(labels)) + "}"
