"""Comparison results as tables and as JSON values."""

from __future__ import annotations

import dataclasses
from typing import Any

from hsal_bench.comparison.paired_test import Estimate, PairedScore
from hsal_bench.comparison.sources import Source
from hsal_bench.comparison.two_sources import Comparison
from hsal_bench.jsonio import without_nan
from hsal_bench.report.text_tables import TextTable
from hsal_bench.text import shown


def comparison_tables(comparison: Comparison) -> list[TextTable]:
    """Return tables of the scores, McNemar's counts and the kinds of images, then the verdict.

    Differences are B minus A in percentage points; brackets hold 95 % bootstrap intervals over
    images.
    """
    result, (a, b) = comparison.result, (shown(source.name) for source in comparison.sources)
    headings = (f"A: {a}", f"B: {b}", "B-A (points)")
    title = (
        f"{comparison.data_set}, {result.images:,} images of {comparison.split} (content "
        f"{comparison.content[:8]}, metrics {comparison.sources[0].metrics_version})"
    )
    scores = [("exact match", result.exact_match), ("macro F1", result.macro_f1)]
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
    full_names = [
        f"full name of {letter}: {source.full_name}"
        for letter, source in zip("AB", comparison.sources, strict=True)
        if source.record and not source.name.startswith(source.full_name)
    ]
    notes = tuple(map(shown, (comparison.verdict, *comparison.cautions, *full_names)))
    return [*tables[:-1], dataclasses.replace(tables[-1], notes=notes)]


def plain(comparison: Comparison) -> dict[str, Any]:
    """Return all results as JSON values; NaN is None."""
    result = comparison.result
    a, b = comparison.sources
    return without_nan(
        {
            "a": _source(a),
            "b": _source(b),
            "data_set": {"name": comparison.data_set, "content_sha256": comparison.content},
            "split": comparison.split,
            "metrics_version": a.metrics_version,
            **dataclasses.asdict(result),
            "verdict": shown(comparison.verdict),
            "cautions": list(map(shown, comparison.cautions)),
        }
    )


def _source(source: Source) -> dict[str, str]:
    names = {"name": source.name, "full_name": source.full_name, "path": str(source.path)}
    return {key: shown(text) for key, text in names.items()}


def _cells(score: PairedScore) -> tuple[str, str, str]:
    return _cell(score.a), _cell(score.b), _cell(score.difference, 100, 1, "+")


def _cell(estimate: Estimate, size: int = 1, digits: int = 3, sign: str = "") -> str:
    value, low, high = (
        f"{round(size * number, digits) + 0.0:{sign}.{digits}f}"  # + 0.0: no minus before 0
        for number in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} ({low} to {high})"
