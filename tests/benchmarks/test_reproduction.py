"""The plan is the paper's experiments; a record counts for the run it is of, and no other."""

import dataclasses
import itertools
import shlex
from pathlib import Path

import pytest

from hsal_bench import registry
from hsal_bench.cli.run import run as run_command
from hsal_bench.errors import UsageError
from hsal_bench.record.find import find_records
from hsal_bench.record.record import DataSet

COMMITTED = Path(__file__).parents[2] / "leaderboard/records"
SCALES = ("S", "S-per-seed", "P6", "paper", "toy")


@pytest.fixture
def plan(scripts):
    return scripts.reproduction.plan


def test_table_1_is_three_datasets_two_methods_and_five_seeds(plan):
    runs = [(item.dataset, item.variant, item.seed) for item in plan("paper", ["1"])]
    datasets = ("mnist-multiset", "mnist-set", "svhn-multiset")
    assert sorted(runs) == sorted(
        itertools.product(datasets, ("hsal-rl", "cross-entropy"), range(5))
    )


@pytest.mark.parametrize("scale", SCALES)
def test_one_seed_of_everything_is_done_before_the_second(plan, scale):
    items = plan(scale)
    assert [item.seed for item in items] == sorted(item.seed for item in items)
    assert [item.part for item in items if item.seed == 0] == sorted(
        item.part for item in items if item.seed == 0
    )


@pytest.mark.parametrize("scale", SCALES)
def test_every_item_has_a_folder_and_a_name_of_its_own(plan, scale):
    items = plan(scale)
    assert len({item.name for item in items}) == len(items)
    assert len({item.folder(Path()) for item in items}) == len(items)


def test_the_grid_is_complete_and_nothing_in_it_runs_twice(plan):
    fields = (
        "class_loss",
        "label_structure",
        "label_feedback",
        "teacher_forcing",
        "location_reward",
    )
    runs = [
        (*(getattr(item.entry.config, name) for name in fields), item.seed)
        for item in plan("paper", ["1", "2"], ["mnist-multiset"], seeds=range(3))
    ]
    objectives = [
        *(
            (loss, "multiset", "sampled", False)
            for loss in ("reinforce", "expected-reward", "log-marginal", "multiset")
        ),
        ("reinforce", "list", "sampled", False),
        *(("cross-entropy", "multiset", feedback, False) for feedback in ("sampled", "greedy")),
        ("cross-entropy", "multiset", "sampled", True),
    ]
    assert sorted(runs) == sorted(
        (*objective, location, seed)
        for objective, location, seed in itertools.product(objectives, (False, True), range(3))
    )


def test_every_reading_is_one_that_differs_from_all_others(plan):
    items = plan("S", ["1", "3"], ["mnist-multiset"])
    configs = {(item.method, str(item.entry.config)) for item in items}
    readings = [item for item in items if item.part == 3]
    variants = {item.variant for item in readings}
    assert len(configs) == len(variants) + 2
    assert len(variants) < 20
    assert {item.seed for item in readings} == {0, 1, 2}


def test_every_method_is_in_the_plan(plan):
    planned = {item.method for item in plan("paper")} | {"hsal-multiset"}  # which the grid has
    assert planned == set(registry.names(registry.METHODS))


@pytest.mark.parametrize("scale", ["S", "P6"])
def test_photographs_have_no_published_activation_model(plan, scale):
    """The published models are of MNIST: on SVHN a run fine-tunes its own."""
    for item in plan(scale, ["1"]):
        expected = None if item.dataset == "svhn-multiset" else "published"
        assert item.request.activation_model == expected


def test_the_plan_is_narrowed(plan):
    items = plan("S", ["1", "4"], ["mnist-multiset"], ["rl", "hsal-rl"], (3,))
    assert [(item.variant, item.seed) for item in items] == [("hsal-rl", 3), ("rl", 3)]
    with pytest.raises(UsageError, match="--dataset mnist-sets: did you mean 'mnist-set'"):
        plan("S", datasets=["mnist-sets"])


@pytest.mark.parametrize("scale", SCALES)
def test_every_item_is_one_unit_of_work(plan, scale, tmp_path):
    for item in plan(scale):
        unit = item.unit(out=tmp_path)
        assert unit.folder == item.folder(tmp_path)
        asked = run_command.make_context("run", shlex.split(unit.request.command)[2:]).params
        assert (asked["models"], asked["dataset"]) == ((item.variant,), item.dataset)
        assert (asked["out"], asked["updates"] or item.updates) == (tmp_path, item.updates)
    with pytest.raises(UsageError, match="--backbone-weights applies to fine-tuning"):
        plan("S")[0].unit(backbone_weights="none")


@pytest.mark.parametrize("scale", ["S", "P6"])
def test_each_committed_record_is_one_run_of_the_plan(scripts, plan, scale):
    items = plan(scale)
    for record in find_records([COMMITTED / scale]).values():
        assert sum(scripts.reproduction.is_run_of(record, item) for item in items) == 1


def test_a_record_counts_for_its_own_run_alone(scripts, plan, record):
    item = plan("S", ["1"])[0]
    good, is_run_of = record(item), scripts.reproduction.is_run_of
    assert is_run_of(good, item)
    for changes in (
        {"seed": 1},
        {"preset": "paper"},
        {"method": "cross-entropy"},
        {"method_sha256": "12" * 32},
        {"config": {**good.config, "trajectories": 1}},
        {"budget": {**good.budget, "updates": 400}},
        {"metrics_version": good.metrics_version + 1},
        {"status": "failed", "reason": "no", "metrics": {}, "correct": None},
        {"trained_on": DataSet("mnist-set", "12" * 32, {"test": 8}, "s.h5")},
        {"data_set": dataclasses.replace(good.data_set, name="mnist-set")},
    ):
        assert not is_run_of(dataclasses.replace(good, **changes), item), changes


def test_runs_next_to_each_other_have_different_datasets(plan):
    first, second, *_ = plan("S", ["1"])
    assert first.method == second.method
    assert first.dataset != second.dataset
