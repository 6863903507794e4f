"""The paper's figures 2 to 6 and 12, from records and trained methods."""

from __future__ import annotations

import itertools
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
from hsal_bench.record.commands import train_again
from hsal_bench.record.correct import unpack_correct
from hsal_bench.record.record import Record
from hsal_bench.report.figures import captions, limits, style
from hsal_bench.report.figures.attention import attention_figure
from hsal_bench.report.figures.curves import MACRO_F1, SALIENCY, curves, curves_figure
from hsal_bench.report.figures.glimpses import choose_rows, glimpses_of
from hsal_bench.report.figures.limits_picture import limits_figure
from hsal_bench.report.rows import digits
from hsal_bench.text import one_line
from hsal_bench.training import checkpoint
from hsal_bench.training import train as training
from hsal_bench.training.restore import Trained, restore_method

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = {5: SALIENCY, 6: MACRO_F1}
GLIMPSES = {2: ((True, True, False),), 12: ((True,) * 4, (True,) * 4, (False,) * 4)}
"""Whether the images in each row should be predicted right."""
LIMITS: dict[int, limits.Choice] = {
    3: limits.crowded,
    4: limits.faint,
}

T = TypeVar("T")
RecordedRun = tuple[Record, Path]
"""A record and its file in the run's folder."""


@dataclass(frozen=True)
class Wanted:
    """The requested figures: numbers, formats, folders, and the seed for choosing images.

    cache: as for `restore_method`. target: returns the file to write for an output, or refuses it.
    """

    numbers: Sequence[int]
    formats: Sequence[str]
    out: Path
    datasets: Path
    device: torch.device
    seed: int
    cache: Path | None = None
    target: Callable[[Path], Path] = lambda path: path


def draw_figures(runs: Sequence[RecordedRun], wanted: Wanted) -> dict[int, list[Path]]:
    """Write the figures of each dataset with captions; return the files of each number.

    FIGURE.txt is next to FIGURE.pdf. Figures that cannot be drawn are reported; the rest are drawn.

    Raises:
        UsageError: no run was trained, or a file of a figure must not be written.
    """
    trained_here = [run for run in runs if run[0].trained_on is None]
    if not trained_here:
        raise UsageError(
            "these records are evaluations on different datasets, without training: name the "
            "records of the training runs"
        )
    writable_folder(wanted.out)
    files: dict[int, list[Path]] = {number: [] for number in wanted.numbers}
    groups = _by_data_set(trained_here)
    paths = {key: _paths(*key, wanted) for key in itertools.product(groups, wanted.numbers)}
    targets = {path: wanted.target(path) for key in paths for path in paths[key]}
    for name, mine in groups.items():
        for number in wanted.numbers:
            *pictures, text = paths[name, number]
            try:
                figure, caption = _figure(number, mine, wanted)
            except Exception as error:  # a method can raise anything: draw the rest
                click.echo(f"{text.stem} cannot be drawn: {_message(error)}", err=True)
                continue
            for path in pictures:
                style.save(figure, targets[path])
            write_text(targets[text], caption)
            click.echo(", ".join(map(str, pictures)))
            files[number] += pictures
    return files


def _paths(name: str, number: int, wanted: Wanted) -> list[Path]:
    """Return the files of a figure, its caption last."""
    stem = "-".join(filter(None, [f"figure-{number}", name]))
    return [wanted.out / f"{stem}.{suffix}" for suffix in (*wanted.formats, "txt")]


def _by_data_set(runs: Sequence[RecordedRun]) -> dict[str, list[RecordedRun]]:
    """Return the runs by dataset name; "" if there is only one dataset."""
    groups: dict[tuple[str, str], list[RecordedRun]] = {}
    for record, path in runs:
        key = record.data_set.name, record.data_set.content_sha256
        groups.setdefault(key, []).append((record, path))
    if len(groups) == 1:
        return {"": next(iter(groups.values()))}
    names = [name for name, _ in groups]
    shown = digits(record for record, _ in runs)
    return {
        name if names.count(name) == 1 else f"{name}-{content[:shown]}": mine
        for (name, content), mine in groups.items()
    }


def _figure(number: int, runs: Sequence[RecordedRun], wanted: Wanted) -> tuple[Figure, str]:
    if number in CURVES:
        return _curves(CURVES[number], runs)
    candidates = _with_states(runs)
    run = max(candidates, key=lambda run: _validated(run[0]))
    record, path = run
    folder = path.parent
    with restore_method(record, folder, wanted.datasets, wanted.device, wanted.cache) as it:
        if number in LIMITS:
            return _limit(LIMITS[number], it, run, len(candidates))
        return _glimpses(np.array(GLIMPSES[number]), it, run, len(candidates), wanted.seed)


def _curves(metric: str, runs: Sequence[RecordedRun]) -> tuple[Figure, str]:
    figure = curves_figure([record for record, _ in runs], [metric])
    return figure, captions.of_curves(metric, [run for run in runs if curves([run[0]], metric)])


def _glimpses(
    places: np.ndarray, it: Trained, run: RecordedRun, out_of: int, seed: int
) -> tuple[Figure, str]:
    record, _ = run
    assert record.correct is not None
    objects = it.test.counts.sum(1).cpu().numpy()
    rows = choose_rows(objects, unpack_correct(record.correct), places, seed)
    glimpses = _traced(glimpses_of(it.method, it.test, it.data, rows), run)
    caption = captions.of_glimpses(glimpses, rows, run, seed, out_of)
    return attention_figure(glimpses, places.shape[1]), caption


def _limit(
    choose: limits.Choice,
    it: Trained,
    run: RecordedRun,
    out_of: int,
) -> tuple[Figure, str]:
    limit = choose(_traced(limits.predict_split(it.method, it.test), run))
    if not len(limit.rows):
        raise UsageError(f"no test image of {run[0].data_set.name} shows this limit")
    glimpses = _traced(glimpses_of(it.method, it.test, it.data, limit.rows), run)
    boxes = it.data.rows("test", "boxes", limit.rows)
    return limits_figure(glimpses, boxes, limit.marked), captions.of_limit(limit, run, out_of)


def _traced(seen: T | None, run: RecordedRun) -> T:
    if seen is None:
        raise UsageError(f"{run[1]}: the method no longer has a trace")
    return seen


def _with_states(runs: Sequence[RecordedRun]) -> list[RecordedRun]:
    """Return the runs with a trace and an existing trained state.

    Raises:
        UsageError: there are none.
    """
    traced = [run for run in runs if run[0].status == "ok" and SALIENCY in run[0].metrics]
    if not traced:
        raise UsageError(
            "no run has a trace: train a method with one, such as `hsal-bench run --model hsal-rl`"
        )
    stored = [run for run in traced if checkpoint.has_best(run[1].parent)]
    if not stored:
        raise UsageError(
            f"{traced[0][1].parent / 'best.pt'}, the trained state, is missing: name the folder "
            f"where the run left it, or {train_again(traced[0][0])}"
        )
    return stored


def _message(error: Exception) -> str:
    text = one_line(str(error))
    return text if isinstance(error, HsalBenchError) else f"{type(error).__name__}: {text}"


def _validated(record: Record) -> float:
    scores = [line.get(f"valid_{training.SELECT_BY}", -math.inf) for line in record.curve]
    return max(scores, default=-math.inf)
