"""Tables from Python: what a reader looks for first is first."""

import hsal_bench as hb


def test_method_ranks_seeds_and_means_are_the_first_columns(ok):
    table = hb.table([ok(seed=seed) for seed in (0, 1)])
    first = ["method", "data_set", "rank_best", "rank_worst", "n", "seeds"]
    assert list(table.columns[:8]) == [*first, "exact_match", "macro_f1"]
    assert {"label", "exact_match_std", "note"} < set(table.columns[8:])
    assert table.columns.is_unique
    named = hb.table([ok()], metrics=["macro_f1"])
    assert list(named.columns[:7]) == [*first, "macro_f1"]
