"""Tables from Python: the headline by default, every column on request."""

import dataclasses

import pandas as pd
import pytest

import hsal_bench as hb
from hsal_bench.errors import UsageError

FIRST = ["method", "data_set", "rank", "n"]
MEANS = ["exact_match", "macro_f1"]


def test_the_headline_fits_a_terminal(ok):
    records = [ok("distribution-matching", seed=seed) for seed in (0, 1)]
    assert list(hb.table(records).columns) == ["method", "rank", "n", *MEANS]
    other = dataclasses.replace(records[0].data_set, name="mnist-set", content_sha256="e" * 64)
    table = hb.table([*records, dataclasses.replace(records[0], data_set=other)])
    assert list(table.columns) == [*FIRST, *MEANS]
    with pd.option_context("display.width", 80, "display.max_columns", 0):
        assert "..." not in str(table)


def test_all_columns_begin_with_the_headline(ok):
    table = hb.table([ok(seed=seed) for seed in (0, 1)], columns="all")
    assert list(table.columns[:6]) == [*FIRST, *MEANS]
    assert {"label", "seeds", "rank_best", "exact_match_std", "note"} < set(table.columns[6:])
    assert table.columns.is_unique
    with pytest.raises(UsageError, match="no columns 'al': did you mean 'all'"):
        hb.table([ok()], columns="al")


def test_metrics_are_named_in_a_list_or_a_text(ok):
    for metrics in (["macro_f1", "updates"], "macro_f1,updates"):
        table = hb.table([ok()], metrics=metrics)
        assert list(table.columns) == ["method", "rank", "n", "macro_f1", "updates"]
