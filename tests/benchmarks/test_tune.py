"""Equal tuning: as many trials for every method, and only the validation split decides."""

import csv
import dataclasses
from types import SimpleNamespace

import pytest

from hsal_bench import options, registry
from hsal_bench.record.record import Activation
from hsal_bench.runs import methods

METHODS = registry.names(registry.METHODS)


@pytest.fixture
def tune(scripts):
    return scripts.tune


@pytest.fixture
def trial(record_of):
    """Make the record of a trial from its validation scores, update by update."""

    def make(method, rate, scores, seed=0, model="ab" * 32, decay=0.0, **fields):
        curve = tuple(
            {"update": 10 * n, "valid_exact_match": exact, "valid_macro_f1": f1}
            for n, (exact, f1) in enumerate(scores)
        )
        run = {
            "method": method,
            "config": {"learning_rate": rate, "weight_decay": decay},
            "preset": "quick",
            "budget": {"updates": 20, "batch_size": 64},
            "metrics_version": 1,
        }
        record = record_of("mnist-multiset", run, seed=seed)
        activation = Activation("small", "from scratch", model)
        return dataclasses.replace(record, curve=curve, activation=activation, **fields)

    return make


def _chosen(tune, *records):
    rows = tune.chosen([tune.row_of(record) for record in records])
    return [row["chosen"] == "True" for row in rows]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_eight_different_trials_that_it_understands(tune, method):
    entries = [methods.method_run(model, "quick", {}) for model in tune.trials(method)]
    assert len({str(entry.config) for entry in entries}) == (10 if method in tune.MORE_RATES else 8)


def test_the_best_on_the_validation_split_is_chosen(tune, trial):
    records = [
        trial("a", 0.1, [(0.0, 0.0), (0.5, 0.7), (0.4, 0.9)]),
        trial("a", 0.2, [(0.0, 0.0), (0.6, 0.6), (0.1, 0.1)]),
        trial("b", 0.1, [(0.3, 0.3)]),
        trial("b", 0.2, [(0.3, 0.4)]),
        trial("b", 0.3, [(0.3, 0.4)]),
    ]
    assert _chosen(tune, *records) == [False, True, False, True, False]
    assert tune.row_of(records[1])["valid_exact_match"] == "0.6"


def test_the_test_split_has_no_say(tune, trial):
    better = trial("a", 0.1, [(0.5, 0.5)])
    worse = trial("a", 0.2, [(0.4, 0.4)])
    worse = dataclasses.replace(worse, metrics={**worse.metrics, "exact_match": 1.0})
    assert _chosen(tune, worse, better) == [False, True]


def test_a_failed_trial_is_in_the_table_and_never_chosen(tune, trial):
    gone = {"status": "failed", "reason": "diverged", "metrics": {}, "correct": None}
    failed = trial("a", 0.1, [(0.9, 0.9)], **gone)
    assert tune.row_of(failed)["status"] == "failed"
    assert _chosen(tune, failed, trial("a", 0.2, [(0.1, 0.1)])) == [False, True]
    assert _chosen(tune, failed) == [False]


def test_of_the_best_two_the_mean_over_seeds_decides(tune, trial):
    lucky = [trial("a", 0.1, [(exact, 0.5)], seed) for seed, exact in enumerate((0.9, 0.1, 0.1))]
    steady = [trial("a", 0.2, [(exact, 0.5)], seed) for seed, exact in enumerate((0.8, 0.7, 0.7))]
    third = trial("a", 0.3, [(0.7, 0.5)])
    assert _chosen(tune, *lucky, *steady, third) == [False] * 3 + [True] * 3 + [False]
    # As long as one of the two has fewer seeds, the first seed decides.
    assert _chosen(tune, *lucky, *steady[:2], third) == [True] + [False] * 5


def test_seeds_on_different_activation_models_are_not_averaged(tune, trial):
    other = "cd" * 32
    early = [trial("a", 0.1, [(0.9, 0.5)]), trial("a", 0.2, [(0.8, 0.5)])]
    late = [
        trial("a", rate, [(exact, 0.5)], seed, other)
        for rate, exact in ((0.1, 0.2), (0.2, 0.3))
        for seed in (1, 2)
    ]
    assert _chosen(tune, *early, *late[1:]) == [True] + [False] * 4
    assert _chosen(tune, *early, *late) == [False] * 4 + [True] * 2
    assert [row["activation_model"] for row in map(tune.row_of, late)] == ["cdcdcdcd"] * 4


def test_numbers_of_updates_are_chosen_for_one_by_one(tune, trial):
    short = [trial("a", 0.1, [(0.5, 0.5)]), trial("a", 0.2, [(0.4, 0.5)])]
    budget = {"updates": 6000, "batch_size": 64}
    long = [dataclasses.replace(record, budget=budget) for record in reversed(short)]
    long[0] = dataclasses.replace(long[0], curve=({**long[0].curve[0], "valid_exact_match": 0.9},))
    assert _chosen(tune, *short, *long) == [True, False, True, False]


@pytest.fixture
def runs(tune, trial, monkeypatch):
    """Stand in for training: keep (model, seeds) of what is asked for, and score it by the rate."""
    asked = []

    def run_trials(models, seeds, args):
        asked.extend((model, seeds) for model in models)
        configs = [methods.method_run(model, "quick", {}).config for model in models]
        return [
            tune.row_of(
                trial(
                    "cnn-rnn",
                    config.learning_rate,
                    [(config.learning_rate * 10 + config.weight_decay, 0.5)],
                    seed,
                    args.model,
                    config.weight_decay,
                    budget={"updates": args.updates, "batch_size": 64},
                )
            )
            for config in configs
            for seed in seeds
        ]

    monkeypatch.setattr(tune, "run_trials", run_trials)
    return asked


def _arguments(**changes):
    given = {"preset": "quick", "updates": 20, "seeds": (0, 1, 2), "model": "ab" * 32}
    return SimpleNamespace(**given | changes)


def test_all_trials_have_one_seed_and_the_best_two_have_three(tune, runs):
    rows = tune.tune("cnn-rnn", [], _arguments())
    trials = tune.trials("cnn-rnn")
    assert runs[:8] == [(model, (0,)) for model in trials]
    assert sorted(runs[8:]) == sorted((model, (0, 1, 2)) for model in trials[-2:])
    assert len(rows) == 8 + 2 * 2  # the first seed of the best two is in the table once
    won = [row for row in tune.chosen(rows) if row["chosen"] == "True"]
    assert {(row["learning_rate"], row["value"]) for row in won} == {("0.01", "0.01")}
    assert sorted(row["seed"] for row in won) == ["0", "1", "2"]


def test_trials_that_are_in_the_table_are_not_made_again(tune, runs, tmp_path):
    tune.write(tune.tune("cnn-rnn", [], _arguments()), tmp_path / "t.csv")
    rows = tune.read(tmp_path / "t.csv")
    runs.clear()
    assert tune.tune("cnn-rnn", rows, _arguments(model="cd" * 32)) == []
    assert runs == []
    gone = [row for row in rows if (row["learning_rate"], row["value"]) != ("0.001", "0.0")]
    assert len(tune.tune("cnn-rnn", gone, _arguments())) == 1
    assert runs == [("cnn-rnn+learning_rate=0.001+weight_decay=0", (0,))]
    runs.clear()
    tune.tune("cnn-rnn", rows, _arguments(updates=6000))
    assert len(runs) == 8 + 2


def test_the_finals_are_on_one_activation_model(tune, runs):
    """Trials of an earlier model count, and the best two get all their seeds on today's."""
    early = [{**row, "activation_model": "b839c182"} for row in tune.tune("cnn-rnn", [], _first())]
    runs.clear()
    rows = [*early, *tune.tune("cnn-rnn", early, _arguments())]
    assert [seeds for _, seeds in runs] == [(0, 1, 2)] * 2
    won = [row for row in tune.chosen(rows) if row["chosen"] == "True"]
    assert {row["activation_model"] for row in won} == {"abababab"}
    assert len(won) == 3


def _first():
    return _arguments(seeds=(0,))


def test_the_summary_has_the_finals_of_each_method_the_best_first(tune, trial):
    lucky = [trial("a", 0.1, [(exact, 0.5)], seed) for seed, exact in enumerate((0.9, 0.1, 0.2))]
    steady = [trial("a", 0.2, [(exact, 0.5)], seed) for seed, exact in enumerate((0.8, 0.7, 0.6))]
    worst = trial("a", 0.3, [(0.0, 0.0)], decay=0.01)
    single = trial("b", 0.1, [(0.75, 0.5)])
    failed = trial("c", 0.1, [], status="failed", reason="diverged", metrics={}, correct=None)
    rows = [tune.row_of(record) for record in (*lucky, *steady, worst, single, failed)]
    lines = tune.summary(rows, "20").splitlines()[2:]
    tried, other = "`weight_decay`: 0.0", "0.400 ± 0.436 (0.1, 0.0)"
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines] == [
        ["`b`", "0.1", tried, "0.0", "0.750 (1 seed)", "—", "0.750"],
        ["`a`", "0.2", f"{tried}, 0.01", "0.0", "0.700 ± 0.100", other, "0.000"],
    ]
    assert len(tune.summary(rows, "6000").splitlines()) == 2


def test_writing_the_table_again_changes_nothing(tune, tmp_path):
    tune.write(tune.read(tune.TABLE), tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == tune.TABLE.read_text()


@pytest.mark.parametrize("method", METHODS)
def test_the_quick_preset_has_what_won(tune, method):
    with tune.TABLE.open() as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == method]
    usual = [row for row in rows if row["updates"] == "400"]
    settings = {tune._setting(model, "quick") for model in tune.trials(method)}
    tried = {tuple(row[name] for name in ("learning_rate", "field", "value")) for row in usual}
    assert len(tried) >= 6
    assert tried <= settings
    (won,) = {
        (row["learning_rate"], row["field"], row["value"])
        for row in usual
        if row["chosen"] == "True"
    }
    rate, field, text = won
    config = methods.method_run(method, "quick", {}).config
    assert config.learning_rate == float(rate)
    value = getattr(config, field)
    assert value == options.parse(text, type(value), field)
