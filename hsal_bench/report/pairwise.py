"""Comparison results as tables and as JSON values."""

from __future__ import annotations

import dataclasses
from typing import Any

from hsal_bench.compare.paired import Estimate, Scores
from hsal_bench.compare.pairwise import Contest
from hsal_bench.jsonio import without_nan
from hsal_bench.report.text_tables import TextTable
from hsal_bench.text import shown


def contest_tables(contest: Contest) -> list[TextTable]:
    """Return tables of the scores, McNemar's counts and the kinds of images, then the verdict.

    Differences are B minus A in percentage points; brackets hold 95 % bootstrap intervals over
    images.
    """
    result, (a, b) = contest.comparison, (shown(source.name) for source in contest.sources)
    headings = (f"A: {a}", f"B: {b}", "B-A (points)")
    title = (
        f"{contest.data_set}, {result.images:,} images of {contest.split} (content "
        f"{contest.content[:8]}, metrics {contest.sources[0].metrics_version})"
    )
    scores = [("exact match", result.exact_match), ("macro f1", result.macro_f1)]
    rows = tuple((name, *_cells(score)) for name, score in scores if score)
    images = (
        ("A right", f"{result.both:,}", f"{result.only_a:,}"),
        ("A wrong", f"{result.only_b:,}", f"{result.neither:,}"),
    )
    tables = [
        TextTable(title, ("metric", *headings), rows),
        TextTable("Images by exact match", ("images", "B right", "B wrong"), images),
    ]
    if result.kinds:
        lines = (
            (kind.name, f"{kind.images:,}", *_cells(kind.exact_match)) for kind in result.kinds
        )
        kinds = TextTable("Exact match by kind", ("images with", "images", *headings), tuple(lines))
        tables.append(kinds)
    notes = tuple(map(shown, (contest.verdict, *contest.cautions)))
    return [*tables[:-1], dataclasses.replace(tables[-1], notes=notes)]


def plain(contest: Contest) -> dict[str, Any]:
    """Return all results as JSON values; NaN is None."""
    result = contest.comparison
    a, b = contest.sources
    return without_nan(
        {
            "a": {"name": shown(a.name), "path": shown(str(a.path))},
            "b": {"name": shown(b.name), "path": shown(str(b.path))},
            "data_set": {"name": contest.data_set, "content_sha256": contest.content},
            "split": contest.split,
            "metrics_version": a.metrics_version,
            **dataclasses.asdict(result),
            "verdict": shown(contest.verdict),
            "cautions": list(map(shown, contest.cautions)),
        }
    )


def _cells(scores: Scores) -> tuple[str, str, str]:
    return _cell(scores.a), _cell(scores.b), _cell(scores.difference, 100, 1, "+")


def _cell(estimate: Estimate, size: int = 1, digits: int = 3, sign: str = "") -> str:
    value, low, high = (
        f"{round(size * number, digits) + 0.0:{sign}.{digits}f}"  # + 0.0: no minus before 0
        for number in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} ({low} to {high})"
