"""The paper's figures 2 to 6 and 12, from records and trained methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import numpy as np
import torch

from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.files import writable_folder, write_text
from hsal_bench.records.record import Record, unpack_correct
from hsal_bench.report.figures import captions, limits, style
from hsal_bench.report.figures.attention import attention_figure
from hsal_bench.report.figures.curves import MACRO_F1, SALIENCY, curves, curves_figure
from hsal_bench.report.figures.glimpses import drawn, looks
from hsal_bench.report.figures.limits_picture import limits_figure
from hsal_bench.report.rows import digits
from hsal_bench.text import one_line
from hsal_bench.training import checkpoint
from hsal_bench.training import train as training
from hsal_bench.training.restore import Trained, trained

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = {5: SALIENCY, 6: MACRO_F1}
LOOKS = {2: ((True, True, False),), 12: ((True,) * 4, (True,) * 4, (False,) * 4)}
"""Whether the images of each row are to be predicted right."""
LIMITS: dict[int, Callable[[limits.Seen], limits.Limit]] = {3: limits.crowded, 4: limits.faint}

T = TypeVar("T")
Run = tuple[Record, Path]
"""A record and its file; the run's folder is the one that it lies in."""


@dataclass(frozen=True)
class Wanted:
    """What is to be made: numbers of figures, formats, where; how images are drawn for them."""

    numbers: Sequence[int]
    formats: Sequence[str]
    out: Path
    datasets: Path
    device: torch.device
    seed: int


def make(runs: Sequence[Run], wanted: Wanted) -> list[int]:
    """Write the figures of each data set, and a caption of each; return those there are none of.

    FIGURE.txt lies beside FIGURE.pdf. What a figure lacks is told, and the others are made.
    """
    trained_here = [run for run in runs if run[0].trained_on is None]
    if not trained_here:
        raise UsageError(
            "these records are of evaluations on other data sets, without training: name those of "
            "the runs that were evaluated"
        )
    writable_folder(wanted.out)
    made = set()
    for name, mine in _by_data_set(trained_here).items():
        for number in wanted.numbers:
            called = "-".join(filter(None, [f"figure-{number}", name]))
            try:
                figure, caption = _figure(number, mine, wanted)
            except Exception as error:  # whatever a method does: the other figures are made
                click.echo(f"{called} is not made: {_told(error)}", err=True)
                continue
            paths = [wanted.out / f"{called}.{suffix}" for suffix in wanted.formats]
            for path in paths:
                style.save(figure, path)
            write_text(wanted.out / f"{called}.txt", caption)
            click.echo(", ".join(map(str, paths)))
            made.add(number)
    return [number for number in wanted.numbers if number not in made]


def _by_data_set(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return the runs by the names of their data sets, "" where there is one data set."""
    found: dict[tuple[str, str], list[Run]] = {}
    for record, path in runs:
        key = record.data_set.name, record.data_set.content_sha256
        found.setdefault(key, []).append((record, path))
    if len(found) == 1:
        return {"": next(iter(found.values()))}
    names = [name for name, _ in found]
    known = digits(record for record, _ in runs)
    return {
        name if names.count(name) == 1 else f"{name}-{content[:known]}": mine
        for (name, content), mine in found.items()
    }


def _figure(number: int, runs: Sequence[Run], wanted: Wanted) -> tuple[Figure, str]:
    if number in CURVES:
        return _curves(CURVES[number], runs)
    candidates = _with_states(runs)
    run = max(candidates, key=lambda run: _validated(run[0]))
    record, path = run
    with trained(record, path.parent, wanted.datasets, wanted.device) as it:
        if number in LIMITS:
            return _limit(LIMITS[number], it, run, len(candidates))
        return _looks(np.array(LOOKS[number]), it, run, len(candidates), wanted.seed)


def _curves(metric: str, runs: Sequence[Run]) -> tuple[Figure, str]:
    figure = curves_figure([record for record, _ in runs], [metric])
    return figure, captions.of_curves(metric, [run for run in runs if curves([run[0]], metric)])


def _looks(places: np.ndarray, it: Trained, run: Run, out_of: int, seed: int) -> tuple[Figure, str]:
    record, _ = run
    assert record.correct is not None
    objects = it.test.counts.sum(1).cpu().numpy()
    rows = drawn(objects, unpack_correct(record.correct), places, seed)
    found = _traced(looks(it.method, it.test, it.data, rows), run)
    caption = captions.of_looks(found, rows, run, seed, out_of)
    return attention_figure(found, places.shape[1]), caption


def _limit(
    choose: Callable[[limits.Seen], limits.Limit], it: Trained, run: Run, out_of: int
) -> tuple[Figure, str]:
    limit = choose(_traced(limits.seen(it.method, it.test), run))
    if not len(limit.rows):
        raise UsageError(f"no test image of {run[0].data_set.name} shows what it is about")
    found = _traced(looks(it.method, it.test, it.data, limit.rows), run)
    boxes = it.data.rows("test", "boxes", limit.rows)
    return limits_figure(found, boxes, limit.marked), captions.of_limit(limit, run, out_of)


def _traced(seen: T | None, run: Run) -> T:
    if seen is None:
        raise UsageError(f"{run[1]} is of a method that does not show where it looks any more")
    return seen


def _with_states(runs: Sequence[Run]) -> list[Run]:
    """Return the runs of methods with a trace whose state is still there.

    Raises:
        UsageError: there is none.
    """
    traced = [run for run in runs if run[0].status == "ok" and SALIENCY in run[0].metrics]
    if not traced:
        raise UsageError(
            "no run is of a method that shows where it looks: make one, such as `hsal-bench run "
            "--model hsal-rl`"
        )
    found = [run for run in traced if checkpoint.has_best(run[1].parent)]
    if not found:
        raise UsageError(
            f"{traced[0][1].parent / 'best.pt'}, the trained state, is missing: name the folder "
            "that `hsal-bench run` left it in, or train again with --restart"
        )
    return found


def _told(error: Exception) -> str:
    text = one_line(str(error))
    return text if isinstance(error, HsalBenchError) else f"{type(error).__name__}: {text}"


def _validated(record: Record) -> float:
    scores = [line.get(f"valid_{training.SELECT_BY}", -math.inf) for line in record.curve]
    return max(scores, default=-math.inf)
