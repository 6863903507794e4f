"""Equal tuning: as many trials for every method, and only the validation split decides."""

import dataclasses

import pandas as pd
import pytest

from hsal_bench import options, plan, registry

METHODS = registry.names(registry.METHODS)


@pytest.fixture
def tune(scripts):
    return scripts.tune


@pytest.fixture
def trial(scripts):
    """Make the record of a trial from its validation scores, update by update."""

    def make(method, rate, scores, **fields):
        curve = tuple(
            {"update": 10 * n, "valid_exact_match": exact, "valid_macro_f1": f1}
            for n, (exact, f1) in enumerate(scores)
        )
        record = scripts.fake_hsal_bench.record(
            data_set="mnist-multiset", method=method, preset="quick", updates=20, seed=0
        )
        config = {"learning_rate": rate, "weight_decay": 0.0}
        return dataclasses.replace(record, config=config, curve=curve, **fields)

    return make


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_six_different_trials_that_it_understands(tune, method):
    entries = [plan.entry(model, "quick", {}) for model in tune.trials(method)]
    assert len({str(entry.config) for entry in entries}) == 6


def test_the_best_on_the_validation_split_is_chosen(tune, trial):
    records = [
        trial("a", 0.1, [(0.0, 0.0), (0.5, 0.7), (0.4, 0.9)]),
        trial("a", 0.2, [(0.0, 0.0), (0.6, 0.6), (0.1, 0.1)]),
        trial("b", 0.1, [(0.3, 0.3)]),
        trial("b", 0.2, [(0.3, 0.4)]),
        trial("b", 0.3, [(0.3, 0.4)]),
    ]
    table = tune.tabulate(records)
    chosen = table[table["chosen"]]
    assert list(chosen["method"]) == ["a", "b"]
    assert list(chosen["learning_rate"]) == [0.2, 0.2]
    assert list(chosen["valid_exact_match"]) == [0.6, 0.3]


def test_the_test_split_has_no_say(tune, trial):
    better = trial("a", 0.1, [(0.5, 0.5)])
    worse = trial("a", 0.2, [(0.4, 0.4)])
    worse = dataclasses.replace(worse, metrics={**worse.metrics, "exact_match": 1.0})
    table = tune.tabulate([worse, better])
    assert list(table["chosen"]) == [False, True]


def test_a_failed_trial_is_in_the_table_and_never_chosen(tune, trial):
    gone = {"status": "failed", "reason": "diverged", "metrics": {}, "correct": None}
    failed = trial("a", 0.1, [(0.9, 0.9)], **gone)
    table = tune.tabulate([failed, trial("a", 0.2, [(0.1, 0.1)])])
    assert list(table["status"]) == ["failed", "ok"]
    assert list(table["chosen"]) == [False, True]


@pytest.mark.parametrize("method", METHODS)
def test_the_quick_preset_has_what_won(tune, method):
    table = pd.read_csv(tune.TABLE, dtype=str, keep_default_na=False)
    tried = table[table["method"] == method]
    assert len(tried) == len(tune.trials(method))
    (won,) = tried[tried["chosen"] == "True"].to_dict("records")
    config = plan.entry(method, "quick", {}).config
    assert config.learning_rate == float(won["learning_rate"])
    value = getattr(config, won["field"])
    assert value == options.parse(won["value"], type(value), won["field"])
