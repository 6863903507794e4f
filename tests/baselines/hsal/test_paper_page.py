"""docs/paper.md: every field of the paper's model and baseline has its row."""

import dataclasses
import re
from pathlib import Path

import pytest

from hsal_bench import options
from hsal_bench.baselines.hsal.method import CrossEntropy, CrossEntropyConfig, HsalConfig, HsalRL

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "paper.md").read_text()
TABLES = re.findall(r"^\| point \|.*\n(?:\|.*\n)+", PAGE, re.M)
ROWS = [line for table in TABLES for line in table.splitlines()]


@pytest.mark.parametrize("config", [HsalConfig, CrossEntropyConfig])
def test_every_field_is_in_a_table(config):
    code = [span for row in ROWS for span in re.findall(r"`([^`]+)`", row)]
    shown = {word for span in code for word in re.findall(r"\w+", span)}
    assert {field.name for field in dataclasses.fields(config)} - shown == set()


def test_a_reading_that_is_called_the_default_is_one():
    known = [HsalConfig(), CrossEntropyConfig()]
    known += [method.Config(**method.presets["quick"]) for method in (HsalRL, CrossEntropy)]
    types = options.field_types(HsalConfig)
    readings = [re.split(r"(?<!\\)\|", row)[3] for row in ROWS]
    pairs = [pair for text in readings for pair in re.findall(r"`(\w+)=([^`]+)`", text)]
    assert {name for name, _ in pairs} >= set(types)
    for name, text in pairs:
        if name in types:
            value = options.parse(text, types[name], name)
            assert value in [getattr(config, name) for config in known], name


def test_every_row_has_all_columns():
    # An escaped bar is no column's end.
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in ROWS} == {6}


def test_the_links_lead_somewhere():
    targets = re.findall(r"\]\((?!http)([^)#]+)", PAGE)
    assert targets
    assert [target for target in targets if not (DOCS / target).exists()] == []
