"""Tables from records: what is averaged, what is kept apart, what is said below."""

import io
import math
import os
import statistics
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from hsal_bench import tables
from hsal_bench.cli_table import table
from hsal_bench.errors import UsageError
from hsal_bench.record import Activation, DataSet, Environment, Record, pack_correct, write_record

ENVIRONMENT = Environment("3.11.7", "0.1.0", "2.8.0", "2.0.0", "3.11.0", None, "Linux")
MULTISET = DataSet("mnist-multiset", "ab12" * 16, {"train": 60, "test": 2}, "m.h5")


def ok(method="hsal-rl", seed=0, exact_match=0.5, **changes):
    values = {
        "status": "ok",
        "method": method,
        "config": {"learning_rate": 0.001},
        "preset": "quick",
        "seed": seed,
        "budget": {"updates": 100, "batch_size": 64},
        "data_set": MULTISET,
        "activation": Activation("small", "from scratch on mnist-single", "cd" * 32, 0.98),
        "metrics": {"exact_match": exact_match, "macro_f1": 0.75},
        "correct": pack_correct(np.array([True, False])),
        "updates": 100,
        "wall_s": 1234.5,
        "device": "cpu",
        "environment": ENVIRONMENT,
        "git": None,
        "started": f"2025-01-02T03:04:{seed:02}+00:00",
        "command": "hsal-bench run --model hsal-rl",
        "metrics_version": 1,
    }
    return Record(**(values | changes))


def bad(status="failed", reason="the loss is nan", **changes):
    return ok(status=status, reason=reason, metrics={}, correct=None, **changes)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_means_and_sample_deviations(values):
    records = [ok(seed=seed, exact_match=value) for seed, value in enumerate(values)]
    (row,) = tables.metric_table(records).to_dict("records")
    assert row["n"] == len(values)
    assert row["exact_match"] == pytest.approx(statistics.fmean(values))
    assert row["exact_match_std"] == pytest.approx(statistics.stdev(values), abs=1e-12)


def test_one_seed_has_no_deviation():
    (row,) = tables.metric_table([ok()]).to_dict("records")
    assert (row["n"], row["exact_match"], row["note"]) == (1, 0.5, "")
    assert math.isnan(row["exact_match_std"])


def test_best_method_first_and_failures_last():
    records = [bad(method="a"), ok("b", exact_match=0.1), ok("c", exact_match=0.9)]
    assert tables.metric_table(records)["method"].tolist() == ["c", "b", "a"]


@pytest.mark.parametrize(
    "other",
    [
        {"data_set": DataSet("mnist-multiset", "ff" * 32, {"train": 60, "test": 2}, "m.h5")},
        {"data_set": DataSet("mnist-set", "ab12" * 16, {"train": 60, "test": 2}, "s.h5")},
        {"metrics_version": 2},
    ],
)
def test_other_data_and_other_metrics_are_another_table(other):
    means = tables.metric_table([ok(), ok(seed=1, **other)])
    assert means["n"].tolist() == [1, 1]
    assert means["data_set"].nunique() == 2
    assert len(tables.sheets(means)) == 2


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"config": {"learning_rate": 0.01}}, "learning_rate=0.01"),
        ({"config": {"learning_rate": 0.001, "carry": True}}, "carry=true"),
        ({"budget": {"updates": 7, "batch_size": 64}}, "budget.updates=7"),
        ({"activation": Activation("resnet34", "ImageNet", "cd" * 32)}, "backbone=resnet34"),
        ({"activation": Activation("small", "x", "ee" * 32)}, "activations=eeeeeeee"),
    ],
)
def test_variants_of_a_method_are_not_averaged(other, told):
    means = tables.metric_table([ok(), ok(seed=1, **other)])
    assert means["n"].tolist() == [1, 1]
    assert f"hsal-rl [{told}]" in means["method"].tolist()


def test_a_failed_seed_is_noted_and_not_averaged():
    records = [ok(seed=0, exact_match=0.2), bad(seed=1), ok(seed=2, exact_match=0.4)]
    (row,) = tables.metric_table(records).to_dict("records")
    assert row["n"] == 2
    assert row["exact_match"] == pytest.approx(0.3)
    assert row["note"] == "failed (1 of 3 seeds): the loss is nan"


def test_a_method_that_cannot_run_is_a_dash_with_its_reason():
    (sheet,) = tables.sheets(tables.metric_table([bad("unsupported", "it counts one object")]))
    assert sheet.rows == (("hsal-rl (1)", "0", *["—"] * len(tables.HEADLINE)),)
    assert sheet.notes == ("(1) unsupported: it counts one object",)


def test_of_one_seed_run_twice_the_latest_counts():
    later = ok(exact_match=0.9, started="2025-01-02T03:04:00-05:00")
    (row,) = tables.metric_table([later, ok(exact_match=0.1)]).to_dict("records")
    assert (row["n"], row["exact_match"]) == (1, 0.9)
    assert row["note"] == "seed 0 run more than once: the latest counts"


def test_a_number_that_one_seed_lacks_has_no_mean():
    metrics = {"exact_match": 0.5, "macro_f1": math.nan}
    (row,) = tables.metric_table([ok(), ok(seed=1, metrics=metrics)]).to_dict("records")
    assert math.isnan(row["macro_f1"])
    assert row["exact_match"] == 0.5


def test_an_unknown_metric_is_refused():
    with pytest.raises(UsageError, match="no record has a metric 'macro_f2': did you mean 'macro_"):
        tables.metric_table([ok()], ["macro_f2"])


def test_markdown():
    means = tables.metric_table(
        [ok(seed=0, exact_match=0.2), ok(seed=1, exact_match=0.4), bad(method="a|b")],
        ["exact_match", "updates", "wall_s"],
    )
    assert tables.markdown(tables.sheets(means)) == (
        "**mnist-multiset (content ab12ab12, metrics 1)**\n"
        "\n"
        "| method | seeds | exact match | updates | time (s) |\n"
        "| :-- | --: | --: | --: | --: |\n"
        "| hsal-rl | 2 | 0.300 ± 0.141 | 100 | 1,234 |\n"
        "| a\\|b (1) | 0 | — | — | — |\n"
        "\n"
        "(1) failed: the loss is nan\n"
    )


def test_csv_holds_the_numbers():
    means = tables.metric_table([ok(seed=0, exact_match=0.2), ok(seed=1, exact_match=0.4)])
    read = pd.read_csv(io.StringIO(tables.csv(means)))
    assert read["exact_match_std"].tolist() == pytest.approx([0.2 / math.sqrt(2)])
    assert list(read.columns) == list(means.columns)


def test_terminal_shows_names_with_brackets():
    means = tables.metric_table([ok(), ok(config={"learning_rate": 0.01})], ["exact_match"])
    console = Console(file=io.StringIO(), width=120)
    console.print(tables.terminal(tables.sheets(means)))
    assert "hsal-rl [learning_rate=0.01]" in console.file.getvalue()


def test_the_headline_fits_into_80_columns():
    metrics = dict.fromkeys(tables.HEADLINE[:4], 0.912) | {"attn_saliency": 126.5}
    records = [
        ok("cross-entropy", seed, metrics=metrics | {"exact_match": seed}) for seed in (0, 1)
    ]
    console = Console(file=io.StringIO(), width=80)
    console.print(tables.terminal(tables.sheets(tables.metric_table(records))))
    shown = console.file.getvalue()
    assert "…" not in shown
    assert "cross-entropy" in shown
    assert "±0.707" in shown


def test_every_metric_of_one_run():
    sheet = tables.run_sheet(ok())
    rows = {row[0]: row[1:] for row in sheet.rows}
    assert rows["macro_f1"][0] == "0.750"
    assert "mean over classes" in rows["macro_f1"][1]
    assert rows["updates"][0] == "100"


def command(*arguments):
    return CliRunner().invoke(table, list(map(str, arguments)))


def test_the_command(tmp_path):
    write_record(ok(), tmp_path / "runs" / "one" / "record.json")
    shown = command(tmp_path / "runs", "--metrics", "exact_match,parameters")
    assert shown.exit_code == 0
    assert "hsal-rl" in shown.output
    assert "0.500" in shown.output
    everything = command(tmp_path / "runs", "--all", "--format", "markdown")
    assert "| macro_f1 | 0.750 | mean over classes" in everything.output
    assert command(tmp_path / "runs", "--all", "--format", "csv").output.startswith("metric,value")


def test_the_command_writes_a_file_and_reads_no_record_twice(tmp_path):
    path = tmp_path / "one" / "record.json"
    write_record(ok(), path)
    written = tmp_path / "tables" / "table.csv"
    assert command(tmp_path, path, "--format", "csv", "-o", written).exit_code == 0
    row = pd.read_csv(written).iloc[0]
    assert row["n"] == 1
    assert pd.isna(row["note"])


def test_the_command_refuses(tmp_path):
    assert "no record in" in str(command(tmp_path).exception)
    for seed in range(2):
        write_record(ok(seed=seed), tmp_path / f"{seed}.json")
    assert "--all shows one run, not 2" in str(command(tmp_path, "--all").exception)


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from hsal_bench.cli_table import table; "
        "table(['--help'], standalone_mode=False); "
        "print(sorted({'torch', 'pandas', 'numpy', 'rich'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True
    )
    assert run.stdout.endswith("[]\n")
