"""Summary of the plan: the state and cost of every run, and the paper's Table 1."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from reproduction import BASELINE, HSAL, MULTISET, PREPARATION, SET, SVHN, Item
from reproduction_board import Board

from hsal_bench.comparison.grouping import NONE
from hsal_bench.record.record import Record
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


def status(board: Board, *, alive: bool) -> str:
    """Return the plan as tables in Markdown. alive: a queue is working on it."""
    return text_tables.markdown([item_sheet(board, alive=alive), part_sheet(board, datetime.now())])


def summary(board: Board) -> str:
    """Return the results and the plan with its costs as Markdown."""
    records = [board.done[item.name] for item in board.items if item.name in board.done]
    means = text_tables.metric_tables(metric_table.metric_table(records)) if records else []
    results = text_tables.markdown([beside_the_paper(board), *means])
    return f"# The paper's experiments\n\n{results}\n{status(board, alive=False)}"


def beside_the_paper(board: Board) -> TextTable:
    """Return means and standard deviations over the seeds of part 1 next to the paper's Table 1."""
    rows = []
    for (dataset, method), paper in TABLE_1.items():
        plan = [item for item in board.items if (item.part, item.variant) == (1, method)]
        plan = [item for item in plan if item.dataset.replace("synthetic", "mnist") == dataset]
        runs = [board.done[item.name] for item in plan if item.name in board.done]
        ours = [_mean(runs, metric) for metric in ("macro_f1", "exact_match")]
        cells = [f"{mean} ({number:.3f})" for mean, number in zip(ours, paper, strict=True)]
        rows.append((dataset, method, f"{len(runs)} of {len(plan)}", *cells))
    columns = ("dataset", "method", "seeds", "macro f1 (paper)", "exact match (paper)")
    return TextTable("Next to the paper's Table 1", columns, tuple(rows))


def item_sheet(board: Board, *, alive: bool) -> TextTable:
    """Return a row for each preparation and each run."""
    rows = []
    for item in [*board.preparations.values(), *board.items]:
        state, note = _state(board, item, alive=alive)
        first = item.part == PREPARATION
        who = ("preparation", "", "") if first else (item.variant, str(item.part), str(item.seed))
        rows.append((item.dataset, *who, state, board.progress(item), note))
    done = sum(item.name in board.done for item in board.items)
    columns = ("dataset", "method", "part", "seed", "state", "updates", "note")
    return TextTable(f"{done} of {len(board.items)} runs done", columns, tuple(rows))


def part_sheet(board: Board, now: datetime) -> TextTable:
    """Return the cost of each part, with the expected end below."""
    left, rows = board.seconds_left(), []
    for part in sorted({PREPARATION, *(item.part for item in board.items)}):
        items = [item for item in [*board.preparations.values(), *board.items] if item.part == part]
        done = [item for item in items if item.name in board.done]
        cpu = sum(board.state.cpu.get(item.name, 0.0) for item in items)
        seconds = [left.get(item.name) for item in items if item not in done]
        rest = NONE if None in seconds else _duration(sum(filter(None, seconds)))
        name = str(part) if part != PREPARATION else "preparation"
        rows.append((name, f"{len(done)} of {len(items)}", _duration(cpu), rest))
    columns = ("part", "done", "CPU time", "training left")
    return TextTable("Costs", columns, tuple(rows), (finish(board, left, now),))


def finish(board: Board, left: Mapping[str, float | None], now: datetime) -> str:
    """Return a line with the expected end, as far as paces have been measured."""
    if not left:
        return "all done"
    known = [seconds for seconds in left.values() if seconds is not None]
    uncounted = [f"{len(left) - len(known)} runs"] if len(known) < len(left) else []
    seconds = max(sum(known) / board.state.jobs, max(known, default=0.0))
    for dataset in dict.fromkeys(item.dataset for item in board.missing()):
        if not board.prepared(dataset):
            stage, stage_seconds = board.preparing(dataset)
            seconds += stage_seconds or 0.0
            uncounted.append(f"preparing {dataset}{' after this stage' if stage else ''}")
    if not seconds:
        return "no estimate yet: no pace has been measured"
    text = f"{'more than' if uncounted else 'about'} {_duration(seconds)} left, with "
    text += f"{board.state.jobs} at a time until {now + timedelta(seconds=seconds):%a %d %b %H:%M}"
    return f"{text}; not counted: {', '.join(uncounted)}" if uncounted else text


def _state(board: Board, item: Item, *, alive: bool) -> tuple[str, str]:
    """Return an item's state and a note on it."""
    if item.name in board.done:
        return "done", ""
    if alive and item.name in board.state.running:
        return "running", ""
    if reason := board.state.failed.get(item.name):
        return "failed", reason
    return "missing", board.notes.get(item.name, "")


def _mean(runs: Sequence[Record], metric: str) -> str:
    """Return "mean ± standard deviation" over runs."""
    values = [run.metrics[metric] for run in runs]
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}" if values else NONE


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:,.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"
