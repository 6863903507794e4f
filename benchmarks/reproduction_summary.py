"""What has come out of the plan: tables of records, the paper's numbers, the plan with costs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from attempts import Attempt
from reproduction import BASELINE, HSAL, Item

from hsal_bench import comparison, sheets, tables
from hsal_bench.record import Record
from hsal_bench.sheets import Sheet

TABLE_1 = {
    ("set", HSAL): (0.990, 0.960),
    ("set", BASELINE): (0.735, 0.478),
    ("multiset", HSAL): (0.978, 0.935),
    ("multiset", BASELINE): (0.726, 0.477),
}
"""The paper's Table 1: F1 and 0-1 (macro F1 and exact match here)."""


def summary(
    scale: str, plan: Sequence[Item], done: Mapping[str, Record], attempts: Sequence[Attempt]
) -> str:
    """Return all of it as Markdown. `done` holds the records of the plan by item."""
    means = sheets.metric_sheets(tables.metric_table(done.values())) if done else []
    shown = [*means, beside_the_paper(plan, done), plan_sheet(plan, done, attempts)]
    return f"# The plan at {scale} scale\n\n{sheets.markdown(shown)}"


def beside_the_paper(plan: Sequence[Item], done: Mapping[str, Record]) -> Sheet:
    """Return the means over seeds of part 1 beside the paper's Table 1."""
    rows = []
    for (task, method), (f1, exact) in TABLE_1.items():
        items = [item for item in plan if item.part == 1 and item.method == method]
        names = [item.name for item in items if item.data_set.endswith(f"-{task}")]
        runs = [done[name] for name in names if name in done]
        ours = (_mean(runs, name) for name in ("macro_f1", "exact_match"))
        cells = (f"{mean} ({paper:.3f})" for mean, paper in zip(ours, (f1, exact), strict=True))
        rows.append((task, method, str(len(runs)), *cells))
    columns = ("content", "method", "seeds", "macro f1 (paper)", "exact match (paper)")
    return Sheet("Beside the paper's Table 1", columns, tuple(rows))


def plan_sheet(
    plan: Sequence[Item], done: Mapping[str, Record], attempts: Sequence[Attempt]
) -> Sheet:
    """Return the plan as a table: what is done, and the seconds that all attempts took."""
    rows = []
    for item in plan:
        mine = [one for one in attempts if one.item == item.name]
        state = "done" if item.name in done else mine[-1].outcome if mine else "missing"
        numbers = f"{item.seed}", f"{item.budget:,}", state, *_costs(mine)
        rows.append((str(item.part), item.data_set, item.label, *numbers))
    columns = ("part", "data set", "method", "seed", "updates", "state", "seconds", "stages")
    count = sum(item.name in done for item in plan)
    return Sheet(f"Plan: {count} of {len(plan)} done", columns, tuple(rows))


def _costs(attempts: Sequence[Attempt]) -> tuple[str, str]:
    """Return the seconds of an item's attempts, whole and by stage."""
    names = dict.fromkeys(name for one in attempts for name in one.stages)
    stages = {name: sum(one.stages.get(name, 0.0) for one in attempts) for name in names}
    listed = ", ".join(f"{name} {seconds:,.0f}" for name, seconds in stages.items())
    return f"{sum(stages.values()):,.0f}" if stages else comparison.NONE, listed


def _mean(runs: Sequence[Record], name: str) -> str:
    return f"{statistics.mean(run.metrics[name] for run in runs):.3f}" if runs else comparison.NONE
