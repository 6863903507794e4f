"""Training curves from records: the validation split's metrics (the paper's figures 5 and 6).

One line per method or variant: the mean over its seeds, and a band of their lowest to highest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsal_bench.comparison.grouping import short_labels, variants
from hsal_bench.errors import UsageError
from hsal_bench.record.record import Record
from hsal_bench.report.figures import style
from hsal_bench.text import wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SALIENCY, MACRO_F1 = "attn_saliency", "macro_f1"
AXES = {SALIENCY: "glimpse saliency (validation)", MACRO_F1: "macro F1 (validation)"}
_HANDLE, _PAD, _SPACING, _EDGE = 2.6, 0.8, 2.0, 0.9
"""Legend sizes in ems: a line, the gap to its name, the gap between columns, the margins."""
_ROW, _FURTHER = 0.15, 0.12
"""Height in inches of a name, and of each further line of it."""
_MANY = 8
"""A single panel with more curves is two columns of a page wide, for the legend."""


@dataclass(frozen=True)
class Curve:
    """One variant's metric: ascending updates [n], values [seeds, n]; NaN if a seed has none."""

    name: str
    updates: np.ndarray
    values: np.ndarray


def curves(records: Sequence[Record], metric: str) -> list[Curve]:
    """Return a curve for each variant that has the validation `metric` at any update.

    A curve starts at update 0, the untrained state. Only runs with the status "ok" have curves, and
    methods with their own budget have none.
    """
    result = []
    trained = [run for run in records if run.status == "ok" and not run.own_budget]
    for name, runs in variants(trained):
        series = [points for run in runs if (points := _series(run, metric))]
        updates = sorted({update for points in series for update in points})
        if updates:
            values = [[points.get(update, np.nan) for update in updates] for points in series]
            result.append(Curve(name, np.array(updates), np.array(values)))
    return result


def curves_figure(records: Sequence[Record], metrics: Sequence[str]) -> Figure:
    """Return a figure with a panel for each of `metrics` that some record has.

    A panel is one column of a page wide; a single panel with more than 8 curves is two columns
    wide. A variant has the same line in all panels, and in all figures of the same records. The
    legend below has short labels (`grouping.short_labels`).

    Raises:
        UsageError: no record has such a curve, or the records are of several datasets.
    """
    from matplotlib.figure import Figure

    contents = {(record.data_set.name, record.data_set.content_sha256) for record in records}
    if len(contents) > 1:
        datasets = ", ".join(sorted(f"{name} {content[:8]}" for name, content in contents))
        raise UsageError(f"curves of several datasets ({datasets}): draw them one at a time")
    panels = {metric: drawn for metric in metrics if (drawn := curves(records, metric))}
    if not panels:
        raise UsageError(_without(metrics))
    present = {curve.name for drawn in panels.values() for curve in drawn}
    every = dict(variants([run for run in records if run.status == "ok"]))
    lines = {name: _line(k) for k, name in enumerate(every)}
    labels = short_labels({name: runs for name, runs in every.items() if name in present})
    wide = len(panels) > 1 or len(labels) > _MANY
    width = style.TWO_COLUMNS if wide else style.ONE_COLUMN
    with style.drawing():
        # The legend is below the panels and adds the height it needs.
        columns, wrapped_labels = _legend(list(labels.values()), width, 4 if wide else 2)
        height = (2.6 if wide and len(panels) == 1 else 1.95) + _legend_height(
            wrapped_labels, columns
        )
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, (metric, drawn) in zip(axes, panels.items(), strict=True):
            _draw(axis, drawn, lines, metric)
        _draw_legend(figure, axes, dict(zip(labels, wrapped_labels, strict=True)), columns)
    return figure


def curves_picture(records: Sequence[Record], path: Path) -> None:
    """Draw both metrics side by side to a PNG or PDF, by the suffix. Raises as `curves_figure`."""
    style.save(curves_figure(records, tuple(AXES)), path)


def _series(run: Record, metric: str) -> dict[int, float]:
    name = f"valid_{metric}"
    return {int(line["update"]): line[name] for line in run.curve if name in line}


def _without(metrics: Sequence[str]) -> str:
    if tuple(metrics) == (SALIENCY,):
        return (
            "no record has a curve of the glimpses' saliency: name runs of methods with a trace, "
            "such as one trained with `hsal-bench run --model hsal-rl`"
        )
    return "no record has a training curve: name records of finished runs"


def _draw(
    axis: Axes, drawn: Sequence[Curve], lines: Mapping[str, tuple[str, Any]], metric: str
) -> None:
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    for curve in drawn:
        colour, dashes = lines[curve.name]
        mean = np.nanmean(curve.values, axis=0)
        axis.plot(curve.updates, mean, color=colour, linestyle=dashes, label=curve.name)
        if len(curve.values) > 1:
            low, high = np.nanmin(curve.values, axis=0), np.nanmax(curve.values, axis=0)
            axis.fill_between(curve.updates, low, high, color=colour, alpha=0.2, linewidth=0)
    axis.set_xlabel("updates")
    axis.set_ylabel(AXES[metric])
    axis.set_xlim(0, max(int(curve.updates[-1]) for curve in drawn) or 1)
    axis.set_ylim(bottom=0)
    if metric == MACRO_F1:
        axis.set_ylim(top=min(1.0, axis.get_ylim()[1]))
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    if metric == SALIENCY:
        axis.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _draw_legend(
    figure: Figure, axes: Sequence[Axes], labels: Mapping[str, Sequence[str]], columns: int
) -> None:
    """Draw the legend below the panels; `labels`: the lines of each label, by full name."""
    drawn = {line.get_label(): line for axis in axes for line in axis.get_lines()}
    figure.legend(
        handles=[drawn[name] for name in labels],
        labels=["\n".join(lines) for lines in labels.values()],
        loc="outside lower left",
        ncols=columns,
        handlelength=_HANDLE,
        handletextpad=_PAD,
        columnspacing=_SPACING,
    )


def _legend(names: Sequence[str], width: float, most: int) -> tuple[int, list[list[str]]]:
    """Return the number of columns in a figure `width` inches wide, and the lines of each name.

    At most `most` columns, as many as keep each name on one line; else half of `most`.
    """
    for columns in range(most, most // 2 - 1, -1):
        room = (72 * width / style.FONT - 2 * _EDGE - _SPACING * (columns - 1)) / columns
        labels = [wrapped(name, room - _HANDLE - _PAD, style.ems) for name in names]
        if all(len(lines) == 1 for lines in labels):
            break
    return min(columns, len(names)), labels


def _legend_height(labels: Sequence[Sequence[str]], columns: int) -> float:
    """Return the height of the tallest column in inches; columns are split as in matplotlib."""
    lines = np.array([len(label) for label in labels])
    parts = np.array_split(lines, columns)
    return max(float(_ROW * len(part) + _FURTHER * (part.sum() - len(part))) for part in parts)


def _line(index: int) -> tuple[str, Any]:
    return style.LINES[index % len(style.LINES)], style.DASHES[index % len(style.DASHES)]
