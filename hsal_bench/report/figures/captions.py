"""Captions of figures: content, runs and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hsal_bench.comparison import grouping
from hsal_bench.record.record import Record
from hsal_bench.report.figures.curves import MACRO_F1, SALIENCY
from hsal_bench.report.figures.glimpses import Glimpses
from hsal_bench.report.figures.limits import Limit
from hsal_bench.text import shown

_ABOUT = {
    SALIENCY: "The saliency of the cells glimpsed (attn_saliency: raw, so its scale is that of the "
    "activation model)",
    MACRO_F1: "Macro F1",
}
_REVISION = 10


def of_curves(metric: str, runs: Sequence[tuple[Record, Path]]) -> str:
    """Return the caption of a figure with curves of `metric`; runs: those drawn."""
    records = [record for record, _ in runs]
    lines = dict(grouping.variants(records))
    labels = grouping.short_labels(lines)
    name = records[0].data_set.name
    text = [
        f"{_ABOUT[metric]} on the validation split during training on {name}.",
        _band([len(mine) for mine in lines.values()]),
        *(_line(labels[full], mine, metric) for full, mine in lines.items()),
    ]
    given = {labels[full]: grouping.conditions(mine[0]) for full, mine in lines.items()}
    if unequal := grouping.inequality(given):
        text.append(f"{unequal}.")
    return " ".join(text) + "\n\n" + list_records(runs)


def of_glimpses(
    glimpses: Glimpses, rows: np.ndarray, run: tuple[Record, Path], seed: int, out_of: int
) -> str:
    """Return the caption of a picture of a method's glimpses of the test images `rows`.

    seed: of the choice of images. out_of: the number of runs to choose from.
    """
    record, _ = run
    label, k = grouping.label(record), glimpses.trace.glimpses.shape[2]
    right = sum(glimpses.verdict(number) == "right" for number in range(len(rows)))
    numbers = ", ".join(f"{row}" for row in rows)
    share = record.metrics["exact_match"]
    text = [
        f"How {label} (seed {record.seed}) looks at {len(rows)} test images of "
        f"{record.data_set.name}. Each column is a step: the remaining saliency map S_t, the "
        "attention mask M_t, the priority map P_t, the image, and the label predicted. The "
        f"{'glimpsed cell is' if k == 1 else f'{k} glimpsed cells are'} marked on "
        "the priority map and on the image. All maps have the same scale, from 0 to 1.",
        f"The images are numbers {numbers} of the test split, in the order shown, chosen with seed "
        f"{seed} to have few to many objects, and to show right and wrong predictions. Of these "
        f"predictions {right} of {len(rows)} are right; on the complete split, "
        f"{100 * share:.1f} % are.",
    ]
    return " ".join([*text, *_chosen(out_of)]) + "\n\n" + list_records([run])


def of_limit(limit: Limit, run: tuple[Record, Path], out_of: int) -> str:
    """Return the caption of a picture of a limit of the saliency map; out_of: see `of_glimpses`."""
    record, _ = run
    numbers = ", ".join(f"{row}" for row in limit.rows)
    text = [
        limit.about,
        "Left: the image; right: its saliency map, scaled from its lowest to its highest value, of "
        f"{grouping.label(record)} (seed {record.seed}) on {record.data_set.name}. The most "
        "salient cell and the objects in question are outlined.",
        f"The images are numbers {numbers} of the test split, chosen by rule. {limit.rule}",
        limit.extent,
    ]
    return " ".join([*text, *_chosen(out_of)]) + "\n\n" + list_records([run])


def _chosen(out_of: int) -> list[str]:
    if out_of == 1:
        return []
    return [
        f"Of the {out_of} available runs with a trace, this one has the highest exact match on "
        "the validation split."
    ]


def list_records(runs: Sequence[tuple[Record, Path]]) -> str:
    """Return a line per record: its path and the commit of the run."""
    lines = [
        f"- {shown(str(path))}: {grouping.label(r)} seed {r.seed}, {_commit(r)}" for r, path in runs
    ]
    return "\n".join(["Records:", *lines]) + "\n"


def _band(seeds: Sequence[int]) -> str:
    if max(seeds) == 1:
        return "There is one seed per method, so no bands."
    return "Lines are means over seeds; bands range from the lowest to the highest seed."


def _line(label: str, runs: Sequence[Record], metric: str) -> str:
    numbers = ", ".join(str(run.seed) for run in sorted(runs, key=lambda run: run.seed))
    plural = "s" if len(runs) > 1 else ""
    form = "{:,.0f}" if metric == SALIENCY else "{:.3f}"
    text = form.format(np.mean([run.metrics[metric] for run in runs]))
    chance = [run.metrics.get(f"{metric}_chance", np.nan) for run in runs]
    if np.isfinite(chance).all():
        text += f" (chance {form.format(np.mean(chance))})"
    return f"{label}: {len(runs)} seed{plural} ({numbers}), {text} on the test split."


def _commit(record: Record) -> str:
    if record.git is None:
        return "not from a checkout"
    dirty = " with uncommitted changes" if record.git.dirty else ""
    return f"commit {record.git.revision[:_REVISION]}{dirty}"
