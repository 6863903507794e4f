"""Summary of the plan: the state and cost of every run, and the paper's Table 1."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from reproduction import BASELINE, HSAL, MULTISET, SET, SVHN, Item
from reproduction_board import Board

from hsal_bench.cluster.status import status
from hsal_bench.comparison.grouping import NONE
from hsal_bench.report import metric_table, text_tables
from hsal_bench.report.text_tables import TextTable

TABLE_1 = {
    (SET, HSAL): (0.990, 0.960),
    (SET, BASELINE): (0.735, 0.478),
    (MULTISET, HSAL): (0.978, 0.935),
    (MULTISET, BASELINE): (0.726, 0.477),
    (SVHN, HSAL): (0.973, 0.947),
    (SVHN, BASELINE): (0.589, 0.307),
}
"""The paper's Table 1: F1 and 0-1 (macro F1 and exact match here)."""


def state(board: Board, jobs: int) -> str:
    """Return the plan as tables in Markdown. jobs: runs at a time from now on."""
    return text_tables.markdown([item_sheet(board), part_sheet(board, jobs, datetime.now())])


def summary(board: Board, jobs: int) -> str:
    """Return the results and the plan with its costs as Markdown."""
    records = [board.done[item.name] for item in board.items if item.name in board.done]
    means = text_tables.metric_tables(metric_table.metric_table(records)) if records else []
    results = text_tables.markdown([beside_the_paper(board), *means])
    return f"# The paper's experiments\n\n{results}\n{state(board, jobs)}"


def beside_the_paper(board: Board) -> TextTable:
    """Return means and standard deviations over the seeds of part 1 next to the paper's Table 1."""
    rows = []
    for (dataset, method), paper in TABLE_1.items():
        plan = [item for item in board.items if (item.part, item.variant) == (1, method)]
        plan = [item for item in plan if item.dataset.replace("synthetic", "mnist") == dataset]
        runs = [board.done[item.name] for item in plan if item.name in board.done]
        ours = [
            mean_and_deviation([run.metrics[metric] for run in runs])
            for metric in ("macro_f1", "exact_match")
        ]
        cells = [f"{mean} ({number:.3f})" for mean, number in zip(ours, paper, strict=True)]
        rows.append((dataset, method, f"{len(runs)} of {len(plan)}", *cells))
    columns = ("dataset", "method", "seeds", "macro F1 (paper)", "exact match (paper)")
    return TextTable("Next to the paper's Table 1", columns, tuple(rows))


def item_sheet(board: Board) -> TextTable:
    """Return a row for each run."""
    rows = []
    for item in board.items:
        state, note = _state(board, item)
        updates = f"{board.reached(item).update:,} of {item.updates:,}"
        rows.append(
            (item.dataset, item.variant, str(item.part), str(item.seed), state, updates, note)
        )
    done = sum(item.name in board.done for item in board.items)
    columns = ("dataset", "method", "part", "seed", "state", "updates", "note")
    return TextTable(f"{done} of {len(board.items)} runs done", columns, tuple(rows))


def part_sheet(board: Board, jobs: int, now: datetime) -> TextTable:
    """Return the training time of each part, with the expected end below."""
    left, rows = board.seconds_left(), []
    for part in sorted({item.part for item in board.items}):
        items = [item for item in board.items if item.part == part]
        done = [item for item in items if item.name in board.done]
        seconds = [left[item.name] for item in items if item.name in left]
        rest = NONE if None in seconds else _duration(sum(filter(None, seconds)))
        spent = _duration(sum(board.reached(item).seconds for item in items))
        rows.append((str(part), f"{len(done)} of {len(items)}", spent, rest))
    columns = ("part", "done", "training time", "training left")
    return TextTable("Costs", columns, tuple(rows), (finish(left, jobs, now),))


def finish(left: Mapping[str, float | None], jobs: int, now: datetime) -> str:
    """Return a line with the expected end, as far as paces have been measured."""
    if not left:
        return "all done"
    known = [seconds for seconds in left.values() if seconds is not None]
    if not known:
        return "no estimate yet: no pace has been measured"
    seconds = max(sum(known) / jobs, max(known))
    uncounted = len(left) - len(known)
    text = f"{'more than' if uncounted else 'about'} {_duration(seconds)} left, with "
    text += f"{jobs} at a time until {now + timedelta(seconds=seconds):%a %d %b %H:%M}"
    return f"{text}; not counted: {uncounted} runs" if uncounted else text


def _state(board: Board, item: Item) -> tuple[str, str]:
    """Return an item's state and a note on it."""
    if item.name in board.done:
        return "done", ""
    run = status(item.folder(board.out))
    if run.state == "done":  # on other inputs
        return "missing", board.notes.get(item.name, "")
    return run.state, run.detail


def mean_and_deviation(values: Sequence[float]) -> str:
    """Return "mean ± standard deviation"; a dash without values."""
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}" if values else NONE


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:,.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"
