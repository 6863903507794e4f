"""What a row opens to: its runs, their files, what they were given, what went wrong."""

from pathlib import Path

import pytest

from hsal_bench.leaderboard.page.panel import panel
from hsal_bench.leaderboard.page.sections import Entry, sections
from hsal_bench.record.record import DataSet

PAGE = Path("board.html")


def opened(entries, page=PAGE, name=None):
    (section,) = sections(entries)
    return panel(next(row for row in section.rows if name in (None, row.name)), page)


def fact(result, name):
    return next(fact.values for fact in result.facts if fact.name == name)


def test_a_panel_sums_up_its_runs(run):
    result = opened([run(seed=seed) for seed in (0, 1, 4)])
    assert result.summary == "3 runs (seeds 0-1, 4), preset quick, 100 updates"
    assert result.kind == "run here"
    assert result.seeds == (0, 1, 4)
    assert result.problems == ()


def test_runs_are_reported_with_their_records(run):
    entry = run(right=100, seed=2)
    (texts,) = opened([entry]).runs
    assert (texts.seed, texts.outcome, texts.tested) == (2, "ok", "100 of 100")
    assert (texts.time, texts.device, texts.git) == ("12.5 s", "cpu", "0123456789, with changes")
    assert texts.file == "runs/mnist-multiset/hsal-rl/seed-2/record.json"
    assert texts.href == "./runs/mnist-multiset/hsal-rl/seed-2/record.json"


@pytest.mark.parametrize(
    ("file", "page", "href"),
    [
        ("runs/a/record.json", "site/board.html", "./../runs/a/record.json"),
        ("javascript:alert(1).json", "board.html", "./javascript%3Aalert%281%29.json"),
        ('a"><b>.json', "board.html", "./a%22%3E%3Cb%3E.json"),
        ("\x1b\udcff.json", "board.html", "./%1B%FF.json"),
    ],
)
def test_a_link_to_a_record_is_a_path_whatever_its_name(file, page, href, run):
    entry = Entry(Path(file), run().record)
    (texts,) = opened([entry], Path(page)).runs
    assert texts.href == href
    assert texts.file.isprintable()


def test_what_went_wrong_is_said_with_its_reason(run, bad):
    entries = [run(seed=0), bad(seed=1), run("b", 2), run(seed=3, selected_update=0)]
    result = opened(entries, name="hsal-rl")
    assert result.problems == (
        "seed 1 failed: the loss is nan",
        "seed 2 is missing (other methods have it)",
        "seed 3 tested at update 0: training did not help on validation",
    )
    assert [run.outcome for run in result.runs] == ["ok", "failed: the loss is nan", "ok"]
    assert result.seeds == (0, 3)


def test_a_row_of_failures_alone_has_no_numbers(bad):
    result = opened([bad("unsupported", "built for at most 4 objects")])
    assert result.numbers == ()
    assert result.problems == ("seed 0 unsupported: built for at most 4 objects",)


def test_a_superseded_run_is_shown_as_such(run):
    result = opened([run(started="2025-06-01T00:00:00+00:00"), run(right=100)])
    assert [texts.note for texts in result.runs] == [
        "",
        "superseded: a later run of the same seed counts",
    ]


def test_every_number_has_its_meaning_and_a_value_per_seed(run):
    result = opened([run(seed=0, right=100), run(seed=1, right=300)])
    numbers = {number.name: number for number in result.numbers}
    first = numbers["exact_match"]
    assert first.meaning == "share of images whose multiset is predicted exactly (the paper's 0-1)"
    assert (first.mean, first.values) == ("0.500 ± 0.354", ("0.250", "0.750"))
    assert first.interval == "too few seeds"
    assert numbers["parameters"].values == ("1,000", "1,000")
    assert numbers["parameters"].interval == "—"
    assert "throughput_train" not in numbers


def test_what_it_was_made_with(run):
    trained_on = DataSet("mnist-set", "ee" * 32, {"train": 60}, "s.h5")
    result = opened([run(settings={"hidden": "128,512"}, trained_on=trained_on, curve=())])
    assert fact(result, "config") == {"learning_rate": "0.001", "hidden": "128,512"}
    assert fact(result, "settings") == {"hidden": "128,512"}
    assert fact(result, "dataset")["content sha256"] == "ab12" * 16
    assert fact(result, "trained on")[""] == "mnist-set"
    assert fact(result, "activation model")["single_object_accuracy"] == "0.98"
    assert fact(result, "environment")["torch"] == "2.8.0"
    assert fact(opened([run(activation=None)]), "activation model") == {
        "": "none: the method takes images"
    }


def test_commands_are_reported_once(run):
    same = [run(seed=seed) for seed in range(3)]
    assert opened(same).commands == ("hsal-bench run --model hsal-rl",)
    other = run(seed=3, command="hsal-bench run --seed 3")
    assert opened([*same, other]).commands[1] == "hsal-bench run --seed 3"


def test_predictions_made_elsewhere_are_marked_and_claim_no_run(elsewhere):
    entry = elsewhere()
    result = opened([entry])
    assert result.kind == "unofficial submission"
    assert result.stated == entry.record.stated
    assert result.summary == "1 run (seed 0)"
    assert [fact.name for fact in result.facts] == ["method", "dataset"]
    assert (result.runs[0].tested, result.runs[0].time, result.runs[0].git) == ("—", "—", "—")
    assert result.commands == ()
