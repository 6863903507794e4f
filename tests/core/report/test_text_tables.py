"""Tables as texts: cells, marks and notes, and what a reader sees of their Markdown."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hsal_bench.record.correct import pack_correct
from hsal_bench.record.record import DataSet, PeakMemory
from hsal_bench.report import columns
from hsal_bench.report.metric_table import HEADLINE, metric_table
from hsal_bench.report.text_tables import TextTable, markdown, metric_tables, run_tables
from hsal_bench.text import escaped


def table_of(records, metrics=HEADLINE):
    """Return the only table of records of one dataset."""
    (table,) = metric_tables(metric_table(records, metrics))
    return table


def names(table):
    return [row[0] for row in table.rows]


@pytest.fixture
def of_200(ok):
    """Return a function that makes records of methods that have so many of 200 images right."""

    def of_200(seed=0, **rights):
        images = {name: pack_correct(np.arange(200) < right) for name, right in rights.items()}
        return [ok(name, seed, correct=correct) for name, correct in images.items()]

    return of_200


def test_markdown(ok, bad):
    means = metric_table(
        [ok(seed=0, exact_match=0.2), ok(seed=1, exact_match=0.4), bad(method="a|b")],
        ["exact_match", "updates", "wall_s"],
    )
    assert markdown(metric_tables(means)) == (
        "**mnist-multiset (content ab12ab12, metrics 1)**\n"
        "\n"
        "| method | seeds | exact match | updates | time |\n"
        "| :-- | --: | --: | --: | --: |\n"
        "| hsal-rl | 2 | 0.300 ± 0.141 | 100 | 20.6 ± 0.0 min |\n"
        "| a\\|b [1] | 0 of 2 | — | — | — |\n"
        "\n"
        "[1] 0 of 2 seeds; 1 failed: the loss is nan; no record of seed 1\n"
        "\n"
        "one activation model for all seeds\n"
    )


def test_a_row_of_markdown_is_a_line_whatever_a_cell_holds():
    table = TextTable("made", ("field", "content"), (("command", "run \\\n  a|b"),))
    assert markdown([table]).splitlines()[2:] == [
        "| field | content |",
        "| :-- | :-- |",
        "| command | run \\\\ a\\|b |",
    ]


def read(text):
    """Return what a reader sees of Markdown, a text for each cell or paragraph, and its styles."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    parts = [token.children for token in tokens if token.type == "inline"]
    seen = ["".join(part.content for part in children) for children in parts]
    return seen, {part.type for children in parts for part in children} - {"text", "text_special"}


@settings(deadline=None)
@given(st.text("\\`*_~<>&;|[]()!/ab1 ", min_size=1, max_size=12).filter(str.strip))
@example("*a* _b_ `c` <d> [e](f) | \\| ~g~ &lt; __h__ a_b")
def test_markdown_shows_names_as_they_stand(name):
    name = " ".join(name.split())
    table = TextTable(f"of {name} all", (f"A: {name}", "n"), ((name, "1"),), (f"[1] {name}",))
    seen, styles = read(markdown([table]))
    assert seen == [f"of {name} all", f"A: {name}", "n", name, "1", f"[1] {name}"]
    assert styles == {"strong_open", "strong_close"}  # of the title


def test_names_that_markdown_leaves_alone_are_not_escaped():
    text = "hsal-rl+teacher_forcing=true [a=0.1] 0.5 [-0.1 to 1.1] (0.2), 3 > 2!"
    assert escaped(text) == text
    assert escaped("cost: $1, _a_") == r"cost: \$1, \_a\_"


def test_long_names_are_cut_and_stay_unique(ok):
    records = [ok("x" * 199 + end, exact_match=share) for end, share in (("a", 0.5), ("b", 0.6))]
    table = metric_table(records)
    assert table["label"].is_unique
    assert table["method"].is_unique
    assert len(markdown(metric_tables(table))) < 2_000


def test_a_table_for_each_data_set(ok):
    other = DataSet("mnist-set", "ab12" * 16, {"train": 60, "test": 2}, "s.h5")
    assert [table.title for table in metric_tables(metric_table([ok(), ok(data_set=other)]))] == [
        "mnist-multiset (content ab12ab12, metrics 1)",
        "mnist-set (content ab12ab12, metrics 1)",
    ]


def test_a_method_that_cannot_run_is_a_dash_with_its_reason(bad):
    table = table_of([bad("unsupported", "it counts one object")])
    assert table.columns == ("method", "seeds", "exact match")
    assert table.rows == (("hsal-rl [1]", "0", "—"),)
    assert table.notes == ("[1] unsupported: it counts one object",)


def test_below_the_table_it_says_whether_seeds_share_the_activation_model(ok):
    def own(method="hsal-rl"):
        model = replace(ok().activation, recipe_sha256="ab" * 32)
        models = [replace(model, sha256=f"{seed:064x}", seed=seed) for seed in (0, 1)]
        return [ok(method, seed, activation=models[seed]) for seed in (0, 1)]

    def notes(*records):
        return [note for note in table_of(records).notes if note.startswith("one activation model")]

    shared, per_seed = "one activation model for all seeds", "one activation model per seed"
    assert notes(ok(seed=0), ok(seed=1)) == [shared]
    assert notes(*own()) == [per_seed]
    assert notes(ok("a", 0), ok("a", 1), *own("b")) == [f"{shared} (a); {per_seed} (b)"]
    assert notes(ok()) == notes(*(ok(seed=seed, activation=None) for seed in (0, 1))) == []


def test_the_best_and_what_cannot_be_told_from_it_are_marked(of_200):
    table = table_of(of_200(good=150, fair=146, poor=40), ["macro_f1", "exact_match"])
    assert [row[4] for row in table.rows] == ["0.750", "0.730 †", "0.200"]
    assert table.bold == {(0, 4)}
    assert table.notes == (
        "† not significantly different from good, the highest exact match",
        "rank: range of ranks consistent with the tests (exact McNemar test over "
        "images, Holm over 3 pairs, level 5 %; one seed: compares the trained models, not the "
        "methods)",
    )
    assert "| good | 1–2 | 1 | 0.750 | **0.750** |" in markdown([table])


@pytest.mark.parametrize(
    ("rights", "best", "note"),
    [
        ({"a": 0, "b": 0}, 0, "no row has an exact match above 0"),
        ({"a": 150, "b": 40}, 1, "a is significantly better than all others in exact match"),
        ({"b": 100, "a": 100}, 2, "b and a have the same exact match"),
        (
            {"b": 100, "a": 100, "c": 97},
            2,
            "† not significantly different from b and a, the highest exact match",
        ),
        (dict.fromkeys("abcde", 100), 5, "a, b, c and 2 more have the same exact match"),
        (
            {**dict.fromkeys("abcde", 100), "f": 97},
            5,
            "† not significantly different from a, b, c and 2 more, the highest exact match",
        ),
    ],
)
def test_the_best_are_bold_and_the_first_note_names_them(of_200, rights, best, note):
    # The order of the names is that of the macro F1.
    records = [
        replace(record, metrics=record.metrics | {"macro_f1": 0.9 - place / 10})
        for place, record in enumerate(of_200(**rights))
    ]
    table = table_of(records)
    assert names(table) == list(rights)
    assert table.bold == {(row, 3) for row in range(best)}
    assert table.notes[0] == note


def test_ranks_stand_beside_the_names_whatever_the_columns(of_200, bad):
    records = [*of_200(good=150, fair=146, poor=40), bad(method="none")]
    table = table_of(records, ["macro_f1"])
    assert table.columns == ("method", "rank", "seeds", "macro F1")
    assert [row[1] for row in table.rows] == ["1–2", "1–2", "3", "—"]
    assert table.notes[1].startswith("rank: range of ranks consistent")
    assert table.bold == frozenset()


def test_a_method_alone_has_no_rank_and_no_mark(of_200):
    table = table_of(of_200(good=150), ["macro_f1", "exact_match"])
    assert table.columns == ("method", "seeds", "macro F1", "exact match")
    assert (table.notes, table.bold) == ((), frozenset())


def test_so_few_seeds_are_reported_below_the_table(of_200):
    records = [*of_200(0, good=150, poor=1), *of_200(1, good=151, poor=20)]
    assert (
        table_of(records, ["exact_match"])
        .notes[-1]
        .startswith(
            "Few seeds: with 2 per method, the difference is significant only above about 4.3 "
        )
    )
    assert "Few seeds" not in "".join(table_of(records[:2], ["exact_match"]).notes)


def test_a_note_that_every_row_has_is_reported_once_without_marks(ok):
    weak = replace(ok().activation, single_object_accuracy=0.3)
    a, b = (ok(name, activation=weak) for name in ("a", "b"))
    table = table_of([a, b])
    assert names(table) == ["a", "b"]
    assert table.notes[0].startswith("every row: weak activation model: 30.0 % single-object")
    assert names(table_of([a, b, ok("c")])) == ["a [1]", "b [1]", "c"]
    assert names(table_of([a])) == ["a [1]"]


def test_a_note_gives_the_settings_that_labels_leave_out(ok):
    given = {"a": {"x": "1"}, "b": {}, "c": {"y": "2", "x": "1"}, "d": {"x": "1"}}
    table = table_of([ok(name, settings=settings) for name, settings in given.items()])
    assert names(table) == list("abcd")
    assert table.notes[-1] == "settings not shown: x=1 (a and d); x=1, y=2 (c)"
    alike = table_of([ok(name, settings={"x": "1"}) for name in "ab"])
    assert alike.notes[-1] == "settings not shown: x=1 (every row)"


def test_unequal_budgets_of_rows_with_numbers_are_reported_below_the_numbered_notes(ok, bad):
    short = {"method": "short", "budget": {"updates": 7, "batch_size": 64}}
    table = table_of([ok(), ok(**short), bad(method="broken")])
    failed = "[1] failed: the loss is nan"
    unequal = "Not under equal conditions: updates 100 (hsal-rl) against updates 7 (short)"
    assert (table.notes[0], *table.notes[3:]) == (failed, unequal)
    assert table_of([ok(), bad(**short)]).notes == (failed,)


def test_predictions_made_elsewhere_make_no_conditions_unequal(ok, elsewhere):
    table = table_of([ok(), elsewhere()])
    assert names(table) == ["hsal-rl", "theirs [1]"]
    assert table.rows[1][-2:] == ("—", "—")
    note, best, _ = table.notes
    assert best == "hsal-rl and theirs have the same exact match"
    assert note.startswith("[1] predictions made elsewhere, unofficial; trained on the train and")


def test_a_chance_level_stands_beside_its_metric(ok):
    hits = [{"pointing_hit": hit, "pointing_hit_chance": 0.175} for hit in (0.5, 0.6)]
    looking = [ok(seed=seed, metrics=metrics) for seed, metrics in enumerate(hits)]
    table = table_of([*looking, ok("blind"), ok("blind", 1)])
    cells = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert cells["hsal-rl"]["pointing hit (chance)"] == "0.550 ± 0.071 (0.175)"
    assert cells["blind"]["pointing hit (chance)"] == "—"
    assert "pointing hit chance" not in table.columns
    alone = table_of(looking[:1], ["pointing_hit"])
    assert (alone.columns[-1], alone.rows[0][-1]) == ("pointing hit", "0.500")
    assert table_of(looking, ["pointing_hit_chance"]).columns[-1] == "pointing hit chance"


def test_memory_is_shown_in_mebibytes(ok):
    means = metric_table(
        [ok(peak_memory_bytes=PeakMemory(5 * 2**20, None))], ["peak_memory_process"]
    )
    (table,) = metric_tables(means)
    assert (table.columns[-1], table.rows[0][-1]) == ("memory (MiB)", "5.000")
    assert means["peak_memory_process"].tolist() == [5 * 2**20]


@pytest.mark.parametrize(
    ("seconds", "std", "expected"),
    [
        (0.0004, math.nan, "0.00 s"),
        (0.25, 0.011, "0.25 ± 0.01 s"),
        (12.5, 1.25, "12.5 ± 1.2 s"),
        (119.9, math.nan, "119.9 s"),
        (1234.5, 60.0, "20.6 ± 1.0 min"),
        (7200, 0.0, "2.0 ± 0.0 h"),
        (200_000, math.nan, "2.3 d"),
        (math.nan, math.nan, "—"),
    ],
)
def test_times_have_the_unit_that_suits_them(seconds, std, expected):
    assert columns.cell("wall_s", seconds, std) == expected


def test_every_number_of_one_run_has_a_meaning(ok):
    memory = PeakMemory(612 * 2**20, None)
    record = ok(peak_memory_bytes=memory, throughput_train=237.4, parameters=604_241)
    rows = {name: (value, meaning) for name, value, meaning in run_tables(record)[0].rows}
    assert "mean over classes" in rows["macro_f1"][1]
    assert rows["updates"] == ("100", "number of gradient updates")
    assert rows["wall_s"] == ("20.6 min", "training time, including validation")
    expected = {
        "macro_f1": "0.750",
        "throughput_train": "237.4 /s",
        "parameters": "604,241",
        "peak_memory_process": "612.0 MiB",
        "peak_memory_device": "—",
    }
    assert {name: rows[name][0] for name in expected} == expected
    assert [name for name, (_, meaning) in rows.items() if not meaning] == []


def test_how_one_run_was_made(ok):
    config = {"learning_rate": 0.001, "hidden": [128, 512], "carry": True}
    numbers, made = run_tables(ok(settings={"carry": "true"}, config=config))
    assert numbers.title.startswith("hsal-rl+carry=true, seed 0, on mnist-multiset (content")
    content = dict(made.rows)
    expected = {
        "settings": "carry=true",
        "preset": "quick",
        "config": "learning_rate=0.001, hidden=128,512, carry=yes",
        "device": "cpu",
        "dataset": f"mnist-multiset, content sha256={'ab12' * 16}, train=60, test=20, file=m.h5",
        "command": "hsal-bench run --model hsal-rl",
    }
    assert {name: content[name] for name in expected} == expected
    assert content["activation model"].startswith("backbone=small, weights=from scratch on mnist-")
    assert "torch=2.8.0" in content["environment"]
    assert set(content) & {"git", "trained on"} == set()
    elsewhere = ok(trained_on=DataSet("mnist-set", "cd34" * 16, {"test": 2}, "s.h5"))
    content = dict(run_tables(elsewhere)[1].rows)
    assert content["trained on"] == f"mnist-set, content sha256={'cd34' * 16}, test=2"
    assert content["settings"] == "none: the config of the preset"


def test_a_failed_run_says_why_below_its_numbers(bad):
    assert run_tables(bad())[0].notes == ("failed: the loss is nan",)


def test_what_is_stated_of_predictions_made_elsewhere(elsewhere):
    _, made = run_tables(elsewhere(parameters=120))
    rows = dict(made.rows)
    assert rows["made"] == "elsewhere, unofficial entry, as stated"
    assert (rows["authors"], rows["extra data"]) == ("A. Author, B. Author", "none")
    assert rows["training"] == "two days on one GPU"
    assert set(rows) & {"preset", "budget", "environment", "device", "command"} == set()
