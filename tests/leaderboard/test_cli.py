"""`hsal-bench leaderboard`: which records, which file, what is said."""

import pytest
from click.testing import CliRunner

from hsal_bench.errors import UsageError
from hsal_bench.leaderboard.cli import leaderboard
from hsal_bench.record.record import write_record


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        return CliRunner().invoke(leaderboard, arguments, catch_exceptions=False)

    return call


def test_the_runs_in_runs_are_written_to_a_page(call, run, tmp_path):
    for entry in (run("a"), run("b", right=3)):
        write_record(entry.record, tmp_path / entry.path)
    done = call()
    size = round(len((tmp_path / "leaderboard.html").read_bytes()) / 1e3)
    assert (done.exit_code, done.output) == (0, f"leaderboard.html: 2 runs, {size} kB\n")


def test_pictures_that_are_left_out_are_reported(call, run, tmp_path):
    entry = run("a")
    write_record(entry.record, tmp_path / entry.path)
    (tmp_path / entry.path).with_name("attention.png").write_bytes(b"no picture")
    assert call().stderr == ""
    assert call("--pictures").stderr == (
        "skipped the picture of a on mnist-multiset (content ab12ab12, metrics 1): attention.png "
        "is not a readable picture\n"
    )


def test_links_hold_from_where_the_page_is(call, run, tmp_path):
    write_record(run().record, tmp_path / "records" / "a.json")
    # The file and its folder name one record.
    assert "1 run," in call("records", "records/a.json", "-o", "site/deep/board.html").output
    text = (tmp_path / "site/deep/board.html").read_text()
    assert 'href="./../../records/a.json"' in text


def test_a_folder_without_records_is_refused(call, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        UsageError,
        match=r"^no record in empty: create one with `hsal-bench run --model hsal-rl --out empty`$",
    ):
        call("empty")


def test_without_any_runs_the_remedy_is_reported(call):
    with pytest.raises(UsageError, match="no folder or record runs: create one with `hsal"):
        call()


def test_a_record_that_cannot_be_read_leaves_the_page_as_it_was(call, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/bad.json").write_text("{")
    (tmp_path / "leaderboard.html").write_text("before")
    with pytest.raises(UsageError, match="no record in runs: create one"):
        call()
    assert (tmp_path / "leaderboard.html").read_text() == "before"
