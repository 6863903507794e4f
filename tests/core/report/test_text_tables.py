"""Tables as texts, and the command that shows them."""

import io
import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hsal_bench.cli.table import table
from hsal_bench.record.correct import pack_correct
from hsal_bench.record.record import DataSet, PeakMemory, write_record
from hsal_bench.report import columns, metric_table, text_tables
from hsal_bench.text import escaped


def test_markdown(ok, bad):
    means = metric_table.metric_table(
        [ok(seed=0, exact_match=0.2), ok(seed=1, exact_match=0.4), bad(method="a|b")],
        ["exact_match", "updates", "wall_s"],
    )
    assert text_tables.markdown(text_tables.metric_tables(means)) == (
        "**mnist-multiset (content ab12ab12, metrics 1)**\n"
        "\n"
        "| method | seeds | exact match | updates | time |\n"
        "| :-- | --: | --: | --: | --: |\n"
        "| hsal-rl | 2 | 0.300 ± 0.141 | 100 | 20.6 ± 0.0 min |\n"
        "| a\\|b (1) | 0 of 2 | — | — | — |\n"
        "\n"
        "(1) 0 of 2 seeds; 1 failed: the loss is nan; no record of seed 1\n"
        "\n"
        "one activation model for all seeds\n"
    )


def test_below_the_table_it_says_whether_seeds_share_the_activation_model(ok):
    def own(seed):
        return replace(ok().activation, sha256=f"{seed:064x}", seed=seed, recipe_sha256="ab" * 32)

    def notes(*records):
        (table,) = text_tables.metric_tables(metric_table.metric_table(records, ["exact_match"]))
        return [note for note in table.notes if note.startswith("one activation model")]

    shared, per_seed = "one activation model for all seeds", "one activation model per seed"
    assert notes(ok(seed=0), ok(seed=1)) == [shared]
    assert notes(*(ok(seed=seed, activation=own(seed)) for seed in (0, 1))) == [per_seed]
    both = [ok("a", 0), ok("a", 1), *(ok("b", seed, activation=own(seed)) for seed in (0, 1))]
    assert notes(*both) == [f"{shared} (a); {per_seed} (b)"]
    assert notes(ok()) == notes(*(ok(seed=seed, activation=None) for seed in (0, 1))) == []


def test_a_row_of_markdown_is_a_line_whatever_a_cell_holds():
    table = text_tables.TextTable("made", ("field", "content"), (("command", "run \\\n  a|b"),))
    assert text_tables.markdown([table]).splitlines()[2:] == [
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
    table = text_tables.TextTable(
        f"of {name} all", (f"A: {name}", "n"), ((name, "1"),), (f"(1) {name}",)
    )
    seen, styles = read(text_tables.markdown([table]))
    assert seen == [f"of {name} all", f"A: {name}", "n", name, "1", f"(1) {name}"]
    assert styles == {"strong_open", "strong_close"}  # of the title


def test_names_that_markdown_leaves_alone_are_not_escaped():
    text = "hsal-rl+teacher_forcing=true [a=0.1] 0.5 [-0.1 to 1.1] (0.2), 3 > 2!"
    assert escaped(text) == text
    assert escaped("cost: $1, _a_") == r"cost: \$1, \_a\_"


def test_a_method_that_cannot_run_is_a_dash_with_its_reason(bad):
    means = metric_table.metric_table([bad("unsupported", "it counts one object")])
    (table,) = text_tables.metric_tables(means)
    assert table.columns == ("method", "seeds", "exact match")
    assert table.rows == (("hsal-rl (1)", "0", "—"),)
    assert table.notes == ("(1) unsupported: it counts one object",)


def ranked(ok, **rights):
    """A table of methods that have so many of 200 images right."""
    records = [
        ok(name, exact_match=number / 200, correct=pack_correct(np.arange(200) < number))
        for name, number in rights.items()
    ]
    return metric_table.metric_table(records, ["macro_f1", "exact_match"])


def test_the_best_and_what_cannot_be_told_from_it_are_marked(ok):
    (table,) = text_tables.metric_tables(ranked(ok, good=150, fair=146, poor=40))
    assert [row[4] for row in table.rows] == ["0.750", "0.730 †", "0.200"]
    assert table.bold == {(0, 4)}
    assert table.notes == (
        "† not significantly different from good, the highest exact match",
        "rank: range of ranks consistent with the tests (exact McNemar test over "
        "images, Holm over 3 pairs, level 5 %; one seed: compares the trained models, not the "
        "methods)",
    )
    assert "| good | 1–2 | 1 | 0.750 | **0.750** |" in text_tables.markdown([table])


def test_of_exact_matches_of_zero_none_is_marked(ok):
    (table,) = text_tables.metric_tables(ranked(ok, a=0, b=0))
    assert table.bold == frozenset()
    assert table.notes[0] == "no row has an exact match above 0"


def test_ranks_stand_beside_the_names_whatever_the_columns(ok, bad):
    records = [
        ok(name, exact_match=number / 200, correct=pack_correct(np.arange(200) < number))
        for name, number in {"good": 150, "fair": 146, "poor": 40}.items()
    ]
    means = metric_table.metric_table([*records, bad(method="none")], ["macro_f1"])
    (table,) = text_tables.metric_tables(means)
    assert table.columns == ("method", "rank", "seeds", "macro f1")
    assert [row[1] for row in table.rows] == ["1–2", "1–2", "3", "—"]
    assert table.notes[1].startswith("rank: range of ranks consistent")
    assert table.bold == frozenset()


def test_a_note_that_every_row_has_is_reported_once_without_marks(ok):
    weak = dict.fromkeys(("single_object_accuracy",), 0.3)
    records = [ok(name, activation=replace(ok().activation, **weak)) for name in ("a", "b")]
    (table,) = text_tables.metric_tables(metric_table.metric_table(records))
    assert [row[0] for row in table.rows] == ["a", "b"]
    assert table.notes[0].startswith("every row: weak activation model: 30.0 % single-object")
    (table,) = text_tables.metric_tables(metric_table.metric_table([*records, ok("c")]))
    assert [row[0] for row in table.rows] == ["a (1)", "b (1)", "c"]
    (table,) = text_tables.metric_tables(metric_table.metric_table(records[:1]))
    assert [row[0] for row in table.rows] == ["a (1)"]


def test_a_note_gives_the_full_names_of_short_labels(ok):
    records = [ok("a", settings={"x": "1"}), ok("b"), ok("c", settings={"y": "2"})]
    (table,) = text_tables.metric_tables(metric_table.metric_table(records))
    assert [row[0] for row in table.rows] == ["a", "b", "c"]
    assert table.notes[-1] == "full names: a: a+x=1; c: c+y=2"


def test_a_best_that_stands_alone_is_said_to(ok):
    (table,) = text_tables.metric_tables(ranked(ok, good=150, poor=40))
    assert table.notes[0] == "good is significantly better than all others in exact match"


def test_so_few_seeds_are_reported_below_the_table(ok):
    records = [
        ok(name, seed, exact_match=number / 200, correct=pack_correct(np.arange(200) < number))
        for name, numbers in {"good": (150, 151), "poor": (1, 20)}.items()
        for seed, number in enumerate(numbers)
    ]
    (table,) = text_tables.metric_tables(metric_table.metric_table(records, ["exact_match"]))
    assert table.notes[-1].startswith(
        "Few seeds: with 2 per method, the difference is significant only above about 4.3 "
    )
    (table,) = text_tables.metric_tables(metric_table.metric_table(records[::2], ["exact_match"]))
    assert [note for note in table.notes if "Few seeds" in note] == []


def test_a_method_alone_has_no_rank_and_no_mark(ok):
    (table,) = text_tables.metric_tables(ranked(ok, good=150))
    assert table.columns == ("method", "seeds", "macro f1", "exact match")
    assert (table.notes, table.bold) == ((), frozenset())


def test_a_table_for_each_data_set(ok):
    other = DataSet("mnist-set", "ab12" * 16, {"train": 60, "test": 2}, "s.h5")
    means = metric_table.metric_table([ok(), ok(data_set=other)])
    assert [table.title for table in text_tables.metric_tables(means)] == [
        "mnist-multiset (content ab12ab12, metrics 1)",
        "mnist-set (content ab12ab12, metrics 1)",
    ]


@pytest.fixture
def looking(ok):
    def looking(seed=0, **changes):
        """A run of a method that shows where it looks."""
        metrics = dict.fromkeys(metric_table.HEADLINE[:5], 0.912) | {"exact_match": min(1.0, seed)}
        metrics |= {"pointing_hit": 0.5 + seed / 10, "pointing_hit_chance": 0.175}
        return ok(
            **{"seed": seed, "metrics": metrics, "updates": 18_750, "wall_s": 9000.0} | changes
        )

    return looking


def test_a_chance_level_stands_beside_its_metric(ok, looking):
    records = [looking(0), looking(1), ok("blind"), ok("blind", 1)]
    (table,) = text_tables.metric_tables(metric_table.metric_table(records))
    cells = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert cells["hsal-rl"]["pointing hit (chance)"] == "0.550 ± 0.071 (0.175)"
    assert cells["blind"]["pointing hit (chance)"] == "—"
    assert "pointing hit chance" not in table.columns


def test_a_column_without_a_number_is_shown_where_it_was_asked_for(tmp_path, ok, bad, looking):
    write_record(ok("blind"), tmp_path / "blind.json")
    write_record(bad(method="broken"), tmp_path / "broken.json")
    header, _, *rows = command(tmp_path, "--format", "markdown").output.splitlines()[2:6]
    assert header == "| method | seeds | exact match | macro f1 | updates | time |"
    assert rows == [
        "| blind | 1 | 0.500 | 0.750 | 100 | 20.6 min |",
        "| broken (1) | 0 | — | — | — | — |",
    ]
    asked = command(tmp_path, "--format", "markdown", "--metrics", "exact_match,pointing_hit")
    assert "| method | seeds | exact match | pointing hit |" in asked.output
    assert "pointing_hit" in command(tmp_path, "--format", "csv").output
    write_record(looking(), tmp_path / "looking.json")
    assert "pointing hit (chance)" in command(tmp_path, "--format", "markdown").output


def test_without_its_chance_level_a_metric_stands_alone(looking):
    (table,) = text_tables.metric_tables(metric_table.metric_table([looking()], ["pointing_hit"]))
    assert (table.columns[-1], table.rows[0][-1]) == ("pointing hit", "0.500")
    means = metric_table.metric_table([looking()], ["pointing_hit_chance"])
    assert text_tables.metric_tables(means)[0].columns[-1] == "pointing hit chance"


def test_unequal_budgets_are_reported_below_the_numbered_notes(ok, bad):
    short = ok("short", budget={"updates": 7, "batch_size": 64})
    (table,) = text_tables.metric_tables(
        metric_table.metric_table([ok(), short, bad(method="broken")])
    )
    assert (table.notes[0], *table.notes[3:]) == (
        "(1) failed: the loss is nan",
        "Not under equal conditions: updates 100 (hsal-rl) against updates 7 (short)",
    )


def test_a_row_without_numbers_is_not_compared(ok, bad):
    short = bad(method="short", budget={"updates": 7, "batch_size": 64})
    (table,) = text_tables.metric_tables(metric_table.metric_table([ok(), short]))
    assert table.notes == ("(1) failed: the loss is nan",)


def rows_of(table):
    return {row[0]: row[1:] for row in table.rows}


def test_every_number_of_one_run_has_a_meaning(ok):
    memory = PeakMemory(612 * 2**20, None)
    record = ok(peak_memory_bytes=memory, throughput_train=237.4, parameters=604_241)
    rows = rows_of(text_tables.run_tables(record)[0])
    assert rows["macro_f1"][0] == "0.750"
    assert "mean over classes" in rows["macro_f1"][1]
    assert rows["updates"] == ("100", "number of gradient updates")
    assert rows["wall_s"] == ("20.6 min", "training time, including validation")
    assert rows["throughput_train"][0] == "237.4 /s"
    assert rows["parameters"][0] == "604,241"
    assert rows["peak_memory_process"][0] == "612.0 MiB"
    assert rows["peak_memory_device"][0] == "—"
    assert [name for name, (_, meaning) in rows.items() if not meaning] == []


def test_how_one_run_was_made(ok):
    config = {"learning_rate": 0.001, "hidden": [128, 512], "carry": True}
    record = ok(settings={"carry": "true"}, config=config)
    numbers, made = text_tables.run_tables(record)
    assert numbers.title.startswith("hsal-rl+carry=true, seed 0, on mnist-multiset (content")
    content = dict(made.rows)
    assert content["settings"] == "carry=true"
    assert content["preset"] == "quick"
    assert content["config"] == "learning_rate=0.001, hidden=128,512, carry=yes"
    assert content["device"] == "cpu"
    assert content["activation model"].startswith("backbone=small, weights=from scratch on mnist-")
    assert "torch=2.8.0" in content["environment"]
    assert content["dataset"] == (
        f"mnist-multiset, content sha256={'ab12' * 16}, train=60, test=20, file=m.h5"
    )
    assert content["command"] == "hsal-bench run --model hsal-rl"
    assert "git" not in content
    assert "trained on" not in content
    elsewhere = ok(trained_on=DataSet("mnist-set", "cd34" * 16, {"test": 2}, "s.h5"))
    content = dict(text_tables.run_tables(elsewhere)[1].rows)
    assert content["trained on"] == f"mnist-set, content sha256={'cd34' * 16}, test=2"
    assert rows_of(text_tables.run_tables(ok())[1])["settings"] == (
        "none: the config of the preset",
    )


def test_a_failed_run_says_why_below_its_numbers(bad):
    assert text_tables.run_tables(bad())[0].notes == ("failed: the loss is nan",)


def test_intervals_stand_in_place_of_deviations_where_they_are_asked_for(tmp_path, looking, ok):
    for seed, record in enumerate([looking(0), looking(1), ok("one")]):
        write_record(record, tmp_path / f"{seed}.json")
    shown = command(tmp_path, "--intervals", "--format", "markdown").output
    # A t-interval of two seeds would go from -0.085 to 1.185. Times have no interval.
    assert "| 0.550 [too few seeds] (0.175) |" in shown
    assert "| 18,750 | 2.5 h |" in shown
    assert "| one (1) | 1–2 | 1 of 2 | **0.500 [too few seeds]** |" in shown
    note = "\n[low to high]: 95 % interval of the mean over seeds\n"
    assert note in shown
    assert "±" not in shown
    alone = command(tmp_path / "2.json", "--intervals", "--format", "markdown").output
    assert note not in alone
    assert "no intervals: no row has several seeds" in alone
    write_record(looking(3), tmp_path / "3.json")
    # Hits 0.5, 0.6 and 0.8: t_(0.975, 2) = 4.303 times 0.0882 to either side of their mean.
    shown = command(tmp_path, "--intervals", "--format", "markdown").output
    assert "| 0.633 [0.254 to 1.000] (0.175) |" in shown


def test_memory_is_shown_in_mebibytes(ok):
    record = ok(peak_memory_bytes=PeakMemory(5 * 2**20, None))
    means = metric_table.metric_table([record], ["peak_memory_process"])
    (table,) = text_tables.metric_tables(means)
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


def command(*arguments):
    return CliRunner().invoke(table, list(map(str, arguments)))


def test_the_command(tmp_path, ok):
    write_record(ok(), tmp_path / "runs" / "one" / "record.json")
    shown = command(tmp_path / "runs", "--metrics", "exact_match,parameters")
    assert shown.exit_code == 0
    assert "hsal-rl" in shown.output
    assert "0.500" in shown.output
    everything = command(tmp_path / "runs", "--all", "--format", "markdown")
    assert "| macro_f1 | 0.750 | mean over classes" in everything.output
    numbers = pd.read_csv(
        io.StringIO(command(tmp_path / "runs", "--all", "--format", "csv").output)
    )
    assert list(numbers.columns) == ["metric", "value", "meaning"]
    assert dict(zip(numbers["metric"], numbers["value"], strict=True))["wall_s"] == 1234.5


def test_the_suffix_chooses_the_format(tmp_path, ok):
    write_record(ok(), tmp_path / "record.json")
    for name, start in (
        ("t.md", "**mnist-multiset"),
        ("t.CSV", "data_set,method,label,n,seeds,exact"),
    ):
        assert command(tmp_path / "record.json", "-o", tmp_path / name).exit_code == 0
        assert (tmp_path / name).read_text().startswith(start)
    assert command(tmp_path / "record.json", "-o", tmp_path / "t.tex").exit_code == 0
    assert (tmp_path / "t.tex").read_text().startswith("% \\usepackage{booktabs}")
    given = command(tmp_path / "record.json", "-o", tmp_path / "t.txt", "--format", "markdown")
    assert given.exit_code == 0
    assert (tmp_path / "t.txt").read_text() == (tmp_path / "t.md").read_text()


@pytest.mark.parametrize("name", ["table.txt", "table"])
def test_a_suffix_that_names_no_format_is_refused(tmp_path, name, ok):
    write_record(ok(), tmp_path / "record.json")
    refused = command(tmp_path, "-o", tmp_path / name)
    assert str(refused.exception) == (
        f"{tmp_path / name}: unknown suffix; use one of .md, .csv, .tex, or choose a --format "
        "(terminal, markdown, csv, latex)"
    )
    assert not (tmp_path / name).exists()


def test_csv_holds_the_plain_numbers(tmp_path, looking):
    for seed in (0, 1):
        write_record(looking(seed), tmp_path / f"{seed}.json")
    read = pd.read_csv(io.StringIO(command(tmp_path, "--format", "csv").output))
    assert read["exact_match_std"].tolist() == pytest.approx([1 / math.sqrt(2)])
    assert read["pointing_hit_chance"].tolist() == pytest.approx([0.175])
    assert read["given_budget_updates"].tolist() == [100]


def test_the_command_writes_a_file_and_reads_no_record_twice(tmp_path, ok):
    path = tmp_path / "one" / "record.json"
    write_record(ok(), path)
    written = tmp_path / "tables" / "table.csv"
    assert command(tmp_path, path, "--format", "csv", "-o", written).exit_code == 0
    row = pd.read_csv(written).iloc[0]
    assert row["n"] == 1
    assert pd.isna(row["note"])


def test_the_command_refuses(tmp_path, ok):
    assert "no record in" in str(command(tmp_path).exception)
    for seed in range(2):
        write_record(ok(seed=seed), tmp_path / f"{seed}.json")
    assert "--all shows one run, not 2" in str(command(tmp_path, "--all").exception)
    assert str(command(tmp_path, "--all", "--metrics", "updates").exception) == (
        "--all cannot be combined with --metrics: drop one of the two"
    )
    for nothing in ("", " , "):
        assert str(command(tmp_path, "--metrics", nothing).exception) == (
            "--metrics is empty: name metrics, or drop it"
        )


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from hsal_bench.cli.table import table; "
        "table(['--help'], standalone_mode=False); "
        "print(sorted({'torch', 'pandas', 'numpy', 'rich'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True
    )
    assert run.stdout.endswith("[]\n")


def test_predictions_made_elsewhere_make_no_conditions_unequal(ok, elsewhere):
    (table,) = text_tables.metric_tables(metric_table.metric_table([ok(), elsewhere()]))
    assert [row[0] for row in table.rows] == ["hsal-rl", "theirs (1)"]
    assert table.rows[1][-2:] == ("—", "—")
    note, best, _ = table.notes
    assert best == "hsal-rl and theirs have the same exact match"
    assert note.startswith("(1) predictions made elsewhere, unofficial; trained on the train and")


def test_what_is_stated_of_predictions_made_elsewhere(elsewhere):
    _, made = text_tables.run_tables(elsewhere(parameters=120))
    rows = dict(made.rows)
    assert rows["made"] == "elsewhere, unofficial entry, as stated"
    assert (rows["authors"], rows["extra data"]) == ("A. Author, B. Author", "none")
    assert rows["training"] == "two days on one GPU"
    assert set(rows) & {"preset", "budget", "environment", "device", "command"} == set()


def test_of_equal_exact_matches_none_is_the_highest_alone(ok):
    tied = [ok("a", metrics={"macro_f1": 0.2}), ok("b", metrics={"macro_f1": 0.3})]
    (table,) = text_tables.metric_tables(metric_table.metric_table(tied))
    assert [row[0] for row in table.rows] == ["b", "a"]
    assert table.bold == {(0, 3), (1, 3)}
    assert table.notes[0] == "b and a have the same exact match"
    (table,) = text_tables.metric_tables(
        metric_table.metric_table([*tied, ok("c", exact_match=0.45)])
    )
    assert table.notes[0] == "† not significantly different from b and a, the highest exact match"


def test_of_many_with_the_same_highest_three_are_named(ok):
    tied = [ok(name, metrics={"macro_f1": 0.9 - k / 10}) for k, name in enumerate("abcde")]
    (table,) = text_tables.metric_tables(metric_table.metric_table(tied))
    assert table.notes[0] == "a, b, c and 2 more have the same exact match"
    lower = ok("f", correct=pack_correct(np.arange(20) < 9))
    (table,) = text_tables.metric_tables(metric_table.metric_table([*tied, lower]))
    expected = "† not significantly different from a, b, c and 2 more, the highest exact match"
    assert table.notes[0] == expected


def test_long_names_are_cut_and_stay_unique(tmp_path, ok):
    long = "x" * 199
    records = [ok(f"{long}{end}", exact_match=match) for end, match in (("a", 0.5), ("b", 0.6))]
    table = metric_table.metric_table(records)
    assert table["label"].is_unique
    assert table["method"].is_unique
    assert len(text_tables.markdown(text_tables.metric_tables(table))) < 2_000
