"""`hsal-bench table`: formats, columns, intervals, and what is refused."""

import io
import math

import pandas as pd
import pytest
from click.testing import CliRunner

from hsal_bench.cli.table import table
from hsal_bench.record.record import write_record
from hsal_bench.report.metric_table import HEADLINE


def command(*arguments):
    return CliRunner().invoke(table, list(map(str, arguments)))


def markdown(*arguments):
    return command(*arguments, "--format", "markdown").output


def numbers(*arguments):
    return pd.read_csv(io.StringIO(command(*arguments, "--format", "csv").output))


@pytest.fixture
def write(tmp_path):
    """Return a function that writes records as 0.json, 1.json and so on."""

    def write(*records):
        for number, record in enumerate(records):
            write_record(record, tmp_path / f"{number}.json")

    return write


@pytest.fixture
def looking(ok):
    """Return a function that makes a record of a run that shows where it looks."""

    def looking(seed=0):
        metrics = dict.fromkeys(HEADLINE[:5], 0.912) | {"exact_match": min(1.0, seed)}
        metrics |= {"pointing_hit": 0.5 + seed / 10, "pointing_hit_chance": 0.175}
        return ok(seed=seed, metrics=metrics, updates=18_750, wall_s=9000.0)

    return looking


def test_the_command(tmp_path, ok):
    write_record(ok(), tmp_path / "runs" / "one" / "record.json")
    shown = command(tmp_path / "runs", "--metrics", "exact_match,parameters")
    assert shown.exit_code == 0
    assert "hsal-rl" in shown.output
    assert "0.500" in shown.output
    assert "| macro_f1 | 0.750 | mean over classes" in markdown(tmp_path / "runs", "--all")
    everything = numbers(tmp_path / "runs", "--all")
    assert list(everything.columns) == ["metric", "value", "meaning"]
    assert dict(zip(everything["metric"], everything["value"], strict=True))["wall_s"] == 1234.5


def test_a_column_without_a_number_is_shown_where_it_was_asked_for(
    tmp_path, ok, bad, looking, write
):
    write(ok("blind"), bad(method="broken"))
    header, _, *rows = markdown(tmp_path).splitlines()[2:6]
    assert header == "| method | seeds | exact match | macro F1 | updates | time |"
    assert rows == [
        "| blind | 1 | 0.500 | 0.750 | 100 | 20.6 min |",
        "| broken [1] | 0 | — | — | — | — |",
    ]
    asked = markdown(tmp_path, "--metrics", "exact_match,pointing_hit")
    assert "| method | seeds | exact match | pointing hit |" in asked
    assert "pointing_hit" in numbers(tmp_path).columns
    write_record(looking(), tmp_path / "looking.json")
    assert "pointing hit (chance)" in markdown(tmp_path)


def test_intervals_stand_in_place_of_deviations_where_they_are_asked_for(
    tmp_path, looking, ok, write
):
    write(looking(0), looking(1), ok("one"))
    shown = markdown(tmp_path, "--intervals")
    # A t-interval of two seeds would go from -0.085 to 1.185. Times have no interval.
    assert "| 0.550 [too few seeds] (0.175) |" in shown
    assert "| 18,750 | 2.5 h |" in shown
    assert "| one [1] | 1–2 | 1 of 2 | **0.500 [too few seeds]** |" in shown
    note = "\n[low to high]: 95 % interval of the mean over seeds\n"
    assert note in shown
    assert "±" not in shown
    alone = markdown(tmp_path / "2.json", "--intervals")
    assert note not in alone
    assert "no intervals: no row has several seeds" in alone
    write_record(looking(3), tmp_path / "3.json")
    # Hits 0.5, 0.6 and 0.8: t_(0.975, 2) = 4.303 times 0.0882 to either side of their mean.
    assert "| 0.633 [0.254 to 1.000] (0.175) |" in markdown(tmp_path, "--intervals")


def test_the_suffix_chooses_the_format(tmp_path, ok, write):
    write(ok())
    for name, start in {
        "t.md": "**mnist-multiset",
        "t.CSV": "data_set,method,label,not_shown,n,seeds,exact",
        "t.tex": "% \\usepackage{booktabs}",
    }.items():
        assert command(tmp_path, "-o", tmp_path / name).exit_code == 0
        assert (tmp_path / name).read_text().startswith(start)
    assert command(tmp_path, "-o", tmp_path / "t.txt", "--format", "markdown").exit_code == 0
    assert (tmp_path / "t.txt").read_text() == (tmp_path / "t.md").read_text()


@pytest.mark.parametrize("name", ["table.txt", "table"])
def test_a_suffix_that_names_no_format_is_refused(tmp_path, name, ok, write):
    write(ok())
    refused = command(tmp_path, "-o", tmp_path / name)
    assert str(refused.exception) == (
        f"{tmp_path / name}: unknown suffix; use one of .md, .csv, .tex, or choose a --format "
        "(terminal, markdown, csv, latex)"
    )
    assert not (tmp_path / name).exists()


def test_csv_holds_the_plain_numbers(tmp_path, looking, write):
    write(looking(0), looking(1))
    (row,) = numbers(tmp_path).to_dict("records")
    assert row["exact_match_std"] == pytest.approx(1 / math.sqrt(2))
    assert row["pointing_hit_chance"] == pytest.approx(0.175)
    assert row["given_budget_updates"] == 100


def test_the_command_writes_a_file_and_reads_no_record_twice(tmp_path, ok, write):
    write(ok())
    written = tmp_path / "tables" / "table.csv"
    assert command(tmp_path, tmp_path / "0.json", "--format", "csv", "-o", written).exit_code == 0
    row = pd.read_csv(written).iloc[0]
    assert row["n"] == 1
    assert pd.isna(row["note"])


def test_the_command_refuses(tmp_path, ok, write):
    assert "no record in" in str(command(tmp_path).exception)
    write(ok(seed=0), ok(seed=1))
    for arguments, message in [
        (("--all",), "--all shows one run, not 2"),
        (("--all", "--metrics", "updates"), "--all cannot be combined with --metrics: drop one of"),
        (("--metrics", ""), "--metrics is empty: name metrics, or drop it"),
        (("--metrics", " , "), "--metrics is empty: name metrics, or drop it"),
    ]:
        assert str(command(tmp_path, *arguments).exception).startswith(message)
