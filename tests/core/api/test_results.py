"""Tables from Python: the headline by default, every column on request."""

import pandas as pd
import pytest

import hsal_bench as hb
from hsal_bench.errors import UsageError

MEANS = ["exact_match", "exact_match_std", "macro_f1", "macro_f1_std"]


def test_the_headline_fits_a_page(ok):
    table = hb.table([ok(seed=seed) for seed in (0, 1)])
    assert list(table.columns) == ["method", "rank", "n", "seeds", *MEANS]
    with pd.option_context("display.width", 90, "display.max_columns", 0):
        assert "..." not in str(table)


def test_all_columns_begin_with_the_headline(ok):
    table = hb.table([ok(seed=seed) for seed in (0, 1)], columns="all")
    assert list(table.columns[:9]) == ["method", "data_set", "rank", "n", "seeds", *MEANS]
    assert {"label", "rank_best", "exact_match_low", "updates", "note"} < set(table.columns[9:])
    assert table.columns.is_unique
    with pytest.raises(UsageError, match="no columns 'al': did you mean 'all'"):
        hb.table([ok()], columns="al")


def test_metrics_are_named_in_a_list_or_a_text(ok):
    expected = ["method", "rank", "n", "seeds", "macro_f1", "macro_f1_std", "updates"]
    for metrics in (["macro_f1", "updates"], "macro_f1,updates"):
        table = hb.table([ok()], metrics=metrics)
        assert list(table.columns[:7]) == expected
