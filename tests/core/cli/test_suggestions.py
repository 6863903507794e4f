"""The commands that messages suggest work when they are pasted."""

import ast
import json
import re
import shlex
from pathlib import Path

import click
import h5py
import pytest

from hsal_bench.cli import main as cli
from hsal_bench.data.file import open_data
from hsal_bench.record.commands import train_again
from hsal_bench.record.find import read_records
from hsal_bench.record.record import write_record

ROOT = Path(__file__).parents[3]
FOLDERS = ("hsal_bench", "generators", "baselines", "leaderboard")
SMALL = ("--train", "24", "--valid", "12", "--test", "12")
COMMAND = re.compile(r"`(hsal-bench [^`\n]+)`")


def _docstrings(tree):
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            yield body[0].value


def _texts(tree):
    """Yield the texts of the messages of a module; what they fill in becomes X."""
    parts = set(_docstrings(tree))
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr | ast.Constant)]
    parts |= {part for node in strings if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in strings:
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                part.value if isinstance(part, ast.Constant) else "X" for part in node.values
            )
        elif isinstance(node.value, str) and node not in parts:
            yield node.value


def _parse(command):
    """Parse a command as the shell and click do; raise if it is wrong."""
    _, name, *words = shlex.split(command)
    group = cli.hsal_bench
    found = group.get_command(click.Context(group), name)
    assert found is not None, command
    with found.make_context(name, words):
        pass


def _written():
    files = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))
    texts = [text for file in files for text in _texts(ast.parse(file.read_text()))]
    return sorted({command for text in texts for command in COMMAND.findall(text)})


def test_commands_in_messages_are_found():
    assert "hsal-bench run --model hsal-rl" in _written()


# `card` and `list` name X, which is filled in: a name of the user.
@pytest.mark.parametrize("command", _written())
def test_commands_in_messages_are_complete(command):
    if command == "hsal-bench list":  # in the help of --model
        assert cli.COMMANDS["list"]
    _parse(command)


@pytest.fixture
def call(tmp_path, monkeypatch, hsal_bench):
    """Return a function that runs a command in `tmp_path`: (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("urllib.request.urlopen", _offline)

    def call(*words):
        alone = ["--workers", 1] if words[0] == "generate" else []
        return hsal_bench(*words, *alone)

    return call


def _offline(*_, **__):
    raise OSError("no route")


def _suggested(call, *words):
    """Return the words of the command that a failing command suggests."""
    code, _, err = call(*words)
    commands = COMMAND.findall(err)
    assert (code, len(commands)) == (2, 1), err
    return shlex.split(commands[0])[1:]


OFFLINE = [
    (["mnist-multiset-5to8", "--out", "my data"], "synthetic-multiset-5to8"),
    (["mnist-multiset", "--placement", "uniform"], "synthetic-multiset-uniform"),
    (["mnist-multiset-5to8", "--source", "synthetic", "--out", "x"], "synthetic-multiset-5to8"),
    (["mnist-set", "--clutter", "3", "--seed", "7"], "synthetic-set"),
]


@pytest.mark.parametrize(("words", "name"), OFFLINE)
def test_another_source_is_suggested_with_all_that_was_asked_for(call, words, name):
    suggested = _suggested(call, "generate", *words, *SMALL)
    assert suggested[:2] == ["generate", name]
    assert call(*suggested)[0] == 0
    folder = words[words.index("--out") + 1] if "--out" in words else "data"
    with open_data(Path(folder) / f"{name}.h5") as data:
        assert data.layout.sizes == {"train": 24, "valid": 12, "test": 12}
        assert data.header.seed == (7 if "--seed" in words else 0)


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "p.jsonl", "--dataset", "synthetic-multiset", "--datasets", "my data"),
        ("card", "my data/synthetic-multiset.h5"),
        ("preview", "my data/synthetic-multiset.h5", "-o", "sheet.png"),
        ("run", "--model", "hsal-rl", "--dataset", "my data/synthetic-multiset.h5"),
        ("check-submission", "entry", "--dataset", "synthetic-multiset", "--datasets", "my data"),
    ],
)
def test_a_missing_dataset_is_built_where_it_was_looked_for(call, words):
    assert call(*_suggested(call, *words), *SMALL)[0] == 0
    with open_data(Path("my data/synthetic-multiset.h5")) as data:
        assert data.header.name == "synthetic-multiset"


def test_a_damaged_dataset_is_built_again_as_it_was(call):
    folder = ["--out", "d"]
    assert call("generate", "synthetic-multiset-5to8", *SMALL, "--seed", 3, *folder)[0] == 0
    path = Path("d/synthetic-multiset-5to8.h5")
    whole = path.read_bytes()
    with h5py.File(path) as file:
        place = file["test/images"].id.get_chunk_info(0).byte_offset
    path.write_bytes(whole[: place + 40] + bytes(9) + whole[place + 49 :])
    suggested = _suggested(call, "preview", path, "-o", "sheet.png")
    code, _, err = call(*suggested)
    assert (code, err) == (0, "")
    assert path.read_bytes() == whole


def test_what_makes_a_first_record_has_the_folder_asked_for(call):
    for words in (("table", "my runs"), ("leaderboard",), ("figures", "my runs")):
        suggested = _suggested(call, *words)
        assert suggested[:3] == ["run", "--model", "hsal-rl"]
        assert ("my runs" in suggested) == ("my runs" in words)
        _parse(shlex.join(["hsal-bench", *suggested]))


def test_predictions_that_are_no_record_are_scored(call):
    assert call("generate", "synthetic-multiset", *SMALL, "--out", "data")[0] == 0
    Path("data/synthetic-multiset.h5").rename("data/mnist-multiset.h5")
    with open_data(Path("data/mnist-multiset.h5")) as data:
        rows = data.read("test", "labels").tolist()
    Path("my runs").mkdir()
    Path("my runs/p.jsonl").write_text(
        "".join(
            json.dumps({"id": row, "labels": [label for label in labels if label >= 0]}) + "\n"
            for row, labels in enumerate(rows)
        )
    )
    assert call(*_suggested(call, "table", "my runs/p.jsonl"))[0] == 0


def test_a_run_is_trained_again_by_its_own_command(ok):
    line = "hsal-bench run --model hsal-rl --restart --updates 9 --seeds 0-4"
    again = "hsal-bench run --model hsal-rl --updates 9 --seeds 0-4 --restart"
    assert train_again(ok(command=line)) == f"train it again: `{again}`"
    assert train_again(ok(command="hsal_bench.run(...)")).endswith("with restart=True")
    assert train_again(ok(command="hsal-bench run 'open")).endswith("with restart=True")
    _parse(again)


def test_compare_names_the_table_of_all_seeds(call, ok, tmp_path, monkeypatch):
    for name in "ab":
        for seed in (0, 1):
            exact_match = {"a": 0.5, "b": 0.75}[name]
            path = tmp_path / "my runs" / "d" / name / "quick" / f"seed-{seed}" / "record.json"
            write_record(ok(name, seed, exact_match), path)
    runs = [f"my runs/d/{name}/quick/seed-0" for name in "ab"]
    monkeypatch.setenv("COLUMNS", "60")
    (command,) = COMMAND.findall(call("compare", *runs)[1])
    words = shlex.split(command)[1:]
    assert words == ["table", "my runs/d/a/quick", "my runs/d/b/quick"]
    assert call(*words)[0] == 0
    assert len(read_records(map(Path, words[1:]))) == 4


def test_without_the_source_a_run_names_another_dataset_and_eval_on_does_not(call):
    code, _, err = call("run", "--model", "rl", "--preset", "quick", "--data-dir", "none")
    assert (code, err.rstrip().endswith("or use the dataset synthetic-multiset")) == (2, True)
    assert call("generate", "synthetic-multiset", *SMALL)[0] == 0
    line = ("--dataset", "synthetic-multiset", "--eval-on", "mnist-multiset", "--preset", "quick")
    code, _, err = call("run", "--model", "rl", *line)
    assert code == 2
    assert "put the file into data/MNIST/raw, or use --data-dir" in err
    assert not re.search("use (another source|the dataset)", err)


def test_ranges_of_seeds_are_explained(call):
    code, _, err = call("run", "--model", "rl", "--seeds", "0..3")
    line = "--seeds is '0..3': write whole numbers, such as 0,1,3 or the range 0-3"
    assert (code, line in err) == (2, True)
