"""docs/submissions.md: what it shows is taken, and the limits it tells are those of the code."""

import json
import re
from pathlib import Path

from click.testing import CliRunner

from hsal_bench.cli import main as cli
from hsal_bench.leaderboard.submissions import files, rules, scores
from hsal_bench.leaderboard.submissions.files import files_of
from hsal_bench.leaderboard.submissions.statement import Submission, parse

PAGE = (Path(__file__).parents[3] / "docs" / "submissions.md").read_text()


def _blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.S | re.M)


def test_the_example_is_taken_as_it_stands():
    (example,) = _blocks("json")
    found = parse(example.encode())
    assert found.problems == []
    assert files_of(found.submission.seeds) == {0: "predictions.jsonl"}
    assert json.loads(example).keys() == Submission.__dataclass_fields__.keys()


def test_every_field_is_explained():
    (fields,) = re.findall(r"^\| field .*?\n\n", PAGE, re.S | re.M)
    explained = [name for row in fields.splitlines() for name in re.findall("`(.*?)`", row[:30])]
    assert set(explained) >= Submission.__dataclass_fields__.keys()


def test_the_commands_are_commands():
    for line in _blocks("sh")[0].splitlines():
        if line.startswith("hsal-bench"):
            command = line.split()[1]
            assert CliRunner().invoke(cli.hsal_bench, [command, "--help"]).exit_code == 0


def test_every_check_is_explained_in_the_order_in_which_it_is_reported():
    (section,) = re.findall(r"^## What is checked\n(.*?)^##", PAGE, re.S | re.M)
    explained = re.findall(r"^- \*\*`(.*?)`\.\*\*", section, re.M)
    assert explained == list(rules.RULES)


def test_the_limits_are_those_of_the_code():
    assert f"At most {files.MOST_FILES} files" in PAGE
    assert f"{files.LARGEST_ARCHIVE // 2**20} MiB as a zip" in PAGE
    assert f"{scores.LARGEST_LINE:,} bytes per image" in PAGE
    assert f"{scores.LONGEST_LINE // 2**10} KiB in one line" in PAGE
    assert f"{files.LARGEST_TOTAL // 2**20} MiB in all" in PAGE
    assert f"at most {files.MOST_RATIO} times the packed size" in PAGE
