"""Figures of docs/findings.md: curves, dots and points, as SVG and PNG.

Each is one column of a page wide, has no information by colour alone, and can be read on a phone.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from reproduction import BASELINE, HSAL, MULTISET, SET
from reproduction_summary import TABLE_1
from train import count_operations

from hsal_bench import options
from hsal_bench.files import replacing
from hsal_bench.method.contract import Batch, Setup, Task
from hsal_bench.method.load import load_method
from hsal_bench.metrics.multiset import counts_from_labels
from hsal_bench.record.record import Record
from hsal_bench.report.figures import style
from hsal_bench.report.figures.curves import curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE = style.LINES[:2]
MARKERS = "o^sDvP*X"
EXACT_MATCHES = (0, 0.5, 0.8, 0.9, 0.95)
Runs = Mapping[tuple[str, str], Sequence[Record]]
"""Records by dataset and variant of the plan."""


def save(figure: Figure, path: Path) -> None:
    """Write a figure as SVG and PNG. The same figure gives the same bytes."""
    for kind, metadata in (("svg", {"Date": None}), ("png", {})):
        with (
            style.drawing(),
            rc_context({"svg.hashsalt": path.name, "svg.fonttype": "none"}),
            replacing(path.with_suffix(f".{kind}")) as temporary,
        ):
            figure.savefig(temporary, format=kind, dpi=style.DPI, metadata=metadata)


def curve_figure(s: Runs, p6: Runs) -> Figure:
    """Return exact match on the validation split during training, next to the paper's numbers."""
    figure, panels = _panels(2, 1, 4.4)
    for axes, dataset in zip(panels, (MULTISET, SET), strict=True):
        for method, colour in ((HSAL, BLUE), (BASELINE, ORANGE)):
            for runs, dash, size in (
                (s, "-", "small network"),
                (p6, (0, (4, 1)), "paper's network"),
            ):
                for curve in curves(runs.get((dataset, method), []), "exact_match"):
                    x, label = curve.updates / 1000, f"{method}, {size}"
                    mean, marker = curve.values.mean(0), "o" if method == HSAL else "^"
                    axes.plot(
                        x, mean, marker, color=colour, ls=dash, label=label, ms=3, markevery=4
                    )
                    low, high = curve.values.min(0), curve.values.max(0)
                    axes.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
            stated = TABLE_1[dataset, method][1]
            label = f"{method}, stated in the paper (test)"
            axes.axhline(stated, color=colour, lw=0.8, ls=(0, (1, 2)), zorder=0, label=label)
        axes.set(title=dataset, ylim=(0, 1), ylabel="exact match (validation)")
    panels[-1].set_xlabel("thousands of updates")
    entries = {
        label: line
        for axes in panels
        for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(entries.values(), entries.keys(), loc="outside lower center")
    return figure


def grid_figure(s: Runs, objectives: Mapping[str, Sequence[str]]) -> Figure:
    """Return exact match by objective: a mark per seed, with and without the location reward."""
    figure, (axes,) = _panels(1, 1, 2.6)
    kinds = (("with location reward", BLUE, "o", -0.13), ("without", ORANGE, "^", 0.13))
    for index, (label, colour, marker, shift) in enumerate(kinds):
        for place, variants in enumerate(objectives.values()):
            scores = _scores(s.get((MULTISET, variants[index]), []))
            axes.plot(
                scores,
                [place + shift] * len(scores),
                marker,
                color=colour,
                ms=4,
                alpha=0.8,
                label=label if place == 0 else None,
            )
    names = [name.replace("`", "").replace(" (", "\n(") for name in objectives]
    _exact_match(axes, "x")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(axis="x", lw=0.4, alpha=0.5)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def methods_figure(
    methods: Mapping[str, Sequence[Record]], short: Mapping[str, Sequence[Record]]
) -> Figure:
    """Return the methods' exact match after 400 and 6,000 updates, next to what training takes.

    methods: the runs of 6,000 updates, the best method first. short: those of 400 updates. Both by
    method.
    """
    figure, (scores, costs) = _panels(1, 2, 3.2)
    for place, (name, runs) in enumerate(methods.items()):
        before = _scores(short.get(name, []))
        scores.plot(_scores(runs), [place] * len(runs), "o", color=BLUE, ms=4, alpha=0.8)
        if before:
            scores.plot(statistics.mean(before), place, "^", color=ORANGE, ms=4, alpha=0.8)
        costs.plot(training_operations(runs[0]) / 1e12, place, "s", color="0.3", ms=4)
    scores.plot([], [], "o", color=BLUE, ms=4, label="6,000 updates, a mark per seed")
    scores.plot([], [], "^", color=ORANGE, ms=4, label="400 updates, mean")
    _exact_match(scores, "x")
    scores.set_yticks(range(len(methods)), list(methods))
    scores.invert_yaxis()
    costs.set(xscale="log", xlabel="operations (TFLOP)")
    costs.xaxis.set_major_formatter("{x:g}")
    for axes in (scores, costs):
        axes.grid(lw=0.4, alpha=0.5)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def attention_figure(s: Runs, objectives: Mapping[str, Sequence[str]]) -> Figure:
    """Return exact match against the share of glimpses that hit an object, a mark per run."""
    figure, (axes,) = _panels(1, 1, 4.0)
    for place, (name, variants) in enumerate(objectives.items()):
        colour, marker = style.LINES[place], MARKERS[place]
        for variant, face in zip(variants, (colour, "none"), strict=True):
            runs = s.get((MULTISET, variant), [])
            hits = [run.metrics["pointing_hit"] for run in runs]
            axes.plot(hits, _scores(runs), marker, color=colour, mfc=face, ms=4)
        axes.plot([], [], marker, color=colour, ms=4, label=name.replace("`", ""))
    axes.plot([], [], "o", color="0.4", mfc="none", ms=4, label="hollow: without location reward")
    for run in s.get((MULTISET, HSAL), [])[:1]:
        chance = run.metrics["pointing_hit_chance"]
        axes.axvline(chance, color="0.5", lw=0.8, ls=(0, (1, 2)))
        axes.annotate("chance", (chance, 0), (3, 2), textcoords="offset points", color="0.4")
    axes.set(xlabel="pointing hit (test)", xlim=(0, 1))
    _exact_match(axes, "y")
    figure.legend(loc="outside lower center", ncols=1)
    return figure


def training_operations(record: Record) -> float:
    """Return the floating-point operations of the matrix products in a training.

    Of the preset quick, on images of 1 to 4 objects of 10 classes: those of one update on random
    activations, times the updates.
    """
    assert record.preset == "quick" and record.updates is not None
    generator = torch.Generator().manual_seed(0)
    task = Task(10, 4, (192, 7, 7), class_objects=(1,) * 10)
    kind, size = load_method(record.method), record.budget["batch_size"]
    config: Any = options.from_json(kind.Config, record.config, record.method)
    # A captured update would hide its operations.
    method = type(f"Plain{kind.__name__}", (kind,), {"capturable": False})(
        task, config, Setup(torch.device("cpu"), 0, 10**9)
    )
    labels = torch.randint(0, 10, (size, 4), generator=generator)
    m = torch.randint(1, 5, (size, 1), generator=generator)
    labels = labels.masked_fill(torch.arange(4) >= m, -1)
    inputs = torch.rand(size, 192, 7, 7, generator=generator)
    batch = Batch(inputs, counts_from_labels(labels, 10), labels)
    return count_operations(partial(method.update, batch)) * record.updates


def _scores(runs: Sequence[Record]) -> list[float]:
    return [run.metrics["exact_match"] for run in runs]


def _exact_match(axes: Axes, which: str) -> None:
    """Label the axis x or y, and scale it by the logarithm of the share of wrong images.

    .9 and .95 are as far apart as 0 and .5: half as many images are wrong.
    """
    there = partial(np.interp, xp=(0, 1), fp=(0, 1 - 1e-9))  # 1 itself is infinitely far
    scale = (lambda right: -np.log(1 - there(right)), lambda place: 1 - np.exp(-place))
    getattr(axes, f"set_{which}scale")("function", functions=scale)
    axis = getattr(axes, f"{which}axis")
    axis.set_ticks(EXACT_MATCHES, [f"{right:g}" for right in EXACT_MATCHES])
    axis.set_ticks([], minor=True)
    axis.set_label_text("exact match (test)")
    getattr(axes, f"set_{which}lim")(0)


def _panels(rows: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure one column of a page wide, and its panels, which share an axis."""
    figure = Figure((style.ONE_COLUMN, height), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=rows > 1, sharey=columns > 1, squeeze=False)
    return figure, list(panels.flat)
