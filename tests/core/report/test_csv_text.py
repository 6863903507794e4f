"""CSV: no text starts a formula, and numbers stay numbers."""

import csv
import dataclasses
import io

import numpy as np
import pandas as pd
import pytest

from hsal_bench.report.csv_text import csv_text
from hsal_bench.report.metric_table import metric_table


def cells(frame):
    return list(csv.reader(io.StringIO(csv_text(frame), newline="")))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝"])  # noqa: RUF001
def test_a_text_that_would_start_a_formula_gets_an_apostrophe(start):
    text = f"{start}cmd|' /C calc'!A0"
    assert cells(pd.DataFrame({text: [text, f"a{start}"]})) == [
        [f"'{text}"],
        [f"'{text}"],
        [f"a{start}"],
    ]


@pytest.mark.parametrize("end", ["\t", "\r", "\n", "\r\n"])
def test_no_line_break_starts_a_cell(end):
    text = f"a{end}=1+1"
    assert cells(pd.DataFrame({"x": [text, f"{end}=2"]})) == [
        ["x"],
        [f"a{ascii(end)[1:-1]}=1+1"],
        [f"{ascii(end)[1:-1]}=2"],
    ]


def test_numbers_and_missing_values_stay():
    frame = pd.DataFrame(
        {
            "float": [-0.5, np.nan],
            "nullable": pd.array([-1, None], "Int64"),
            "mixed": [-2, None],
            "objects": np.array([-3.5, "a"], object),
        }
    )
    assert cells(frame)[1:] == [["-0.5", "-1", "-2.0", "-3.5"], ["", "", "", "a"]]


def test_no_cell_of_a_table_of_records_starts_a_formula(ok):
    records = [
        ok(method="@sum", metrics={"exact_match": 0.5, "-x": -1.0}),
        dataclasses.replace(ok(seed=1), status="failed", reason="=1+1", metrics={}, correct=None),
    ]
    table = metric_table(records, ["exact_match", "-x"])
    for row in cells(table):
        for cell in row:
            assert not cell.startswith(("=", "+", "@"))
            assert not cell.startswith("-") or float(cell) < 0
