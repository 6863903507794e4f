"""Which records a command is given: of folders and files, each once."""

import os
from pathlib import Path

import pytest

from hsal_bench.errors import UsageError
from hsal_bench.record.find import find_records, read_records, record_paths, stated_datasets
from hsal_bench.record.record import read_record, write_record


def test_a_folder_of_runs_and_a_flat_folder(ok, tmp_path):
    for name in ("b/record.json", "a/deep/record.json", "flat.json"):
        write_record(ok(command=name), tmp_path / name)
    (tmp_path / "a" / "other.json").write_text("{}")
    found = [read_record(path).command for path in record_paths(tmp_path)]
    assert found == ["a/deep/record.json", "b/record.json", "flat.json"]
    assert len(record_paths(tmp_path / "flat.json")) == 1


@pytest.mark.parametrize(
    ("command", "folder"),
    [
        ("hsal-bench run --model rl --datasets elsewhere --seeds 0", "elsewhere"),
        ("hsal-bench run --datasets=/data/sets", "/data/sets"),
        ("hsal-bench run --datasets 'my sets' --model rl", "my sets"),
        ("hsal_bench.run(models=['A'], datasets='here', out='runs')", "here"),
        ("hsal_bench.run(models=['A'], datasets=PosixPath('here/too'))", "here/too"),
        ("hsal-bench run --dataset data/few.h5", None),
    ],
)
def test_the_folder_of_the_datasets_is_in_the_command(ok, command, folder):
    assert stated_datasets(ok(command=command)) == (folder and Path(folder))


def test_a_missing_folder_is_said():
    with pytest.raises(UsageError, match="no folder or record missing"):
        record_paths(Path("missing"))


def test_a_record_that_is_named_twice_is_read_once(ok, tmp_path):
    for seed in range(2):
        write_record(ok(seed=seed), tmp_path / f"{seed}.json")
    found = read_records([tmp_path, tmp_path / "1.json", tmp_path / ".." / tmp_path.name])
    assert [(file.name, record.seed) for file, record in found.items()] == [
        ("0.json", 0),
        ("1.json", 1),
    ]


def test_no_record_at_all_is_an_error_where_one_is_needed(tmp_path):
    assert find_records([tmp_path]) == {}
    with pytest.raises(
        UsageError,
        match=f"no record in {tmp_path}: create one with `hsal-bench run --model hsal-rl --out ",
    ):
        read_records([tmp_path])


def test_unfinished_runs_are_reported(ok, tmp_path, capsys):
    stopped = tmp_path / "a" / "seed-0"
    stopped.mkdir(parents=True)
    (stopped / "checkpoint.pt").touch()
    unfinished = "unfinished; repeat the command that started it to resume"
    with pytest.raises(UsageError) as refused:
        read_records([tmp_path])
    assert str(refused.value) == f"no record in {tmp_path}: {stopped}: {unfinished}"
    write_record(ok(), tmp_path / "b" / "record.json")
    (tmp_path / "b" / "checkpoint.pt").touch()
    assert len(read_records([tmp_path])) == 1
    assert capsys.readouterr().err == f"no record in {stopped}: {unfinished}\n"
    stopped.rename(tmp_path / "a" / "\x1b[2J")
    read_records([tmp_path])
    assert "a/\\x1b[2J: unfinished; repeat" in capsys.readouterr().err


def test_records_of_any_name_are_found_at_any_depth(ok, tmp_path, capsys):
    write_record(ok(), tmp_path / "entries" / "deep" / "one.json")
    write_record(ok(seed=1), tmp_path / "seed-1" / "record.json")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "model.json").write_text('{"backbone": "small"}')
    assert [record.seed for record in read_records([tmp_path]).values()] == [0, 1]
    assert capsys.readouterr().err == ""
    whole = (tmp_path / "entries" / "deep" / "one.json").read_text()
    (tmp_path / "models" / "cut.json").write_text(whole[:90])
    (tmp_path / "models" / "new.json").write_text('{"record_version": 9}')
    assert len(read_records([tmp_path])) == 2
    skipped = capsys.readouterr().err.splitlines()
    assert [line.partition(".json ")[2][:6] for line in skipped] == ["is not", "has re"]


def test_a_broken_record_in_a_folder_is_skipped_and_reported(ok, tmp_path, capsys):
    write_record(ok(), tmp_path / "good.json")
    (tmp_path / "bad.json").write_text("[")
    assert list(read_records([tmp_path])) == [tmp_path / "good.json"]
    assert capsys.readouterr().err.startswith(f"skipped: {tmp_path / 'bad.json'} is not JSON")
    with pytest.raises(UsageError, match=r"bad\.json is not JSON"):
        read_records([tmp_path, tmp_path / "bad.json"])


@pytest.mark.parametrize("damage", ["empty", "cut", "binary", "folder", "pipe", "link", "device"])
def test_whatever_is_wrong_with_one_file_the_others_are_read(damage, ok, tmp_path, capsys):
    write_record(ok(), tmp_path / "good.json")
    content, bad = (tmp_path / "good.json").read_bytes(), tmp_path / "bad.json"
    if damage in ("empty", "cut", "binary"):
        bad.write_bytes({"empty": b"", "cut": content[:90], "binary": bytes(range(256))}[damage])
    elif damage == "folder":
        bad.mkdir()
    elif damage == "pipe":
        os.mkfifo(bad)
    else:
        bad.symlink_to("/dev/zero" if damage == "device" else "missing")
    assert list(read_records([tmp_path])) == [tmp_path / "good.json"]
    error = capsys.readouterr().err
    assert (error.count("\n"), str(bad) in error) == (1, True)


def test_of_many_broken_records_the_first_are_named(tmp_path, capsys):
    for number in range(9):
        (tmp_path / f"{number}.json").write_text("{}")
    with pytest.raises(UsageError, match="no record in"):
        read_records([tmp_path])
    *_, last = lines = capsys.readouterr().err.splitlines()
    assert (len(lines), last) == (6, "skipped: 4 more files that are not records")


def test_predictions_are_no_records_but_can_be_scored(tmp_path):
    (tmp_path / "p.jsonl").write_text("")
    with pytest.raises(
        UsageError, match=r"score predictions with `hsal-bench evaluate .*p\.jsonl`"
    ):
        read_records([tmp_path / "p.jsonl"])


@pytest.mark.parametrize("command", ["table", "leaderboard", "figures", "compare"])
@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"record_version": 1e999}', '{"record_version": 1, "\\u001b[2J": "\\ud800"}'],
)
def test_a_hostile_record_ends_a_command_in_a_line_that_names_it(
    command, text, tmp_path, hsal_bench
):
    path = tmp_path / "\x1b[2J.json"
    path.write_text(text)
    paths = [str(path)] * (2 if command == "compare" else 1)
    code, _, message = hsal_bench(command, *paths)
    assert (code, message.count("\n")) == (2, 1)
    assert message.startswith(f"error: {tmp_path}/\\x1b[2J.json")
    assert message.strip().isprintable()
