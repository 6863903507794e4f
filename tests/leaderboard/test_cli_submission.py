"""`hsal-bench check-submission`: numbers are computed again, and every problem is reported."""

import json
import shutil
import subprocess
import sys
import zipfile

import pytest

from hsal_bench.leaderboard.submissions import scores
from hsal_bench.record.correct import unpack_correct
from hsal_bench.record.record import read_record, write_record
from hsal_bench.report import metric_table

IMAGES = 20
CONTENT = "56987d474b13686011f7d68539f197e3d51960cd127264c55ccb6a862c18b275"


def test_what_passes_becomes_a_record_of_the_recomputed_numbers(submit, hand_in, tmp_path):
    hand_in(claimed={"exact_match": 0.95, "macro_f1": 0.974})
    code, out, err = submit("entry", "-o", "new/record.json")
    assert (code, err) == (0, "record written: new/record.json\n")
    assert out.splitlines()[-1] == "entry: 7 checks passed, 1 skipped: copies"
    assert "ok       predictions: predictions.jsonl: exact_match 0.9500, macro_f1 0.97" in out
    record = read_record(tmp_path / "new" / "record.json")
    assert (record.method, record.seed, record.parameters) == ("my-counter", 0, 1000)
    assert record.metrics["exact_match"] == 0.95
    assert unpack_correct(record.correct).tolist() == [image != 3 for image in range(IMAGES)]
    assert (record.stated.entry, record.stated.authors) == ("official", ("Ada Lovelace",))
    assert (record.data_set.name, record.data_set.file) == ("toy", "toy.h5")
    (row,) = metric_table.metric_table([record]).to_dict("records")
    assert (row["method"], row["exact_match"]) == ("my-counter", 0.95)


def test_a_data_set_file_of_any_name_is_recorded(submit, hand_in, data_file, tmp_path):
    hand_in()
    odd = tmp_path / "to\u00a0y\\x.h5"
    odd.symlink_to(data_file)
    assert submit("entry", "--dataset", odd, "-o", "record.json")[0] == 0
    assert read_record(tmp_path / "record.json").data_set.file == "to_y_x.h5"


def test_a_zip_is_as_good_as_its_folder(submit, hand_in):
    shutil.make_archive("entry", "zip", hand_in())
    with zipfile.ZipFile("entry.zip") as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    subprocess.run(
        [sys.executable, "-m", "zipfile", "-c", "../e.zip", *names], cwd="entry", check=True
    )
    (code, out, _), (folder_code, folder_out, _) = submit("e.zip"), submit("entry")
    assert code == folder_code == 0
    assert sorted(out.splitlines()[1:-1]) == sorted(folder_out.splitlines()[1:-1])


def test_every_seed_has_a_record_and_claims_are_of_their_mean(submit, hand_in, tmp_path, lines):
    files = {"seed-0.jsonl": lines([3]), "seed-5.jsonl": lines([3, 4])}
    hand_in(files, seeds=[0, 5], claimed={"exact_match": 0.925})
    code, _, err = submit("entry", "--dataset", "data/toy.h5", "-o", "records")
    assert (code, err.count("record written")) == (0, 2)
    names = [f"toy--my-counter--submission--seed-{seed}.json" for seed in (0, 5)]
    assert sorted(path.name for path in (tmp_path / "records").iterdir()) == names
    assert read_record(tmp_path / "records" / names[1]).metrics["exact_match"] == 0.9
    message = "one.json is a file, but there are 2 seeds: name a folder"
    assert message in submit("entry", "-o", "one.json")[2]


def test_all_that_is_wrong_is_listed_and_nothing_is_written(submit, hand_in, tmp_path, lines):
    files = {"seed-0.jsonl": lines() + "{}\n[]\n", "seed-2.jsonl": lines()}
    hand_in(files, seeds=[0, 1], link="x", claimed={"macro_f1": 0.1})
    code, out, err = submit("entry", "--dataset", "toy", "-o", "record.json")
    assert code == 1
    assert "FAILED   submission.json: link is not a web address" in out
    assert "         seed-0.jsonl: line 21: the key 'id' is missing\n" in out
    assert "         seed-0.jsonl: line 22: [] is not an object" in out
    assert err.startswith("error: entry: 3 of 8 checks failed: submission.json, seeds, predictions")
    assert not (tmp_path / "record.json").exists()


def test_a_data_set_that_is_misspelt_is_reported_with_the_nearest_beside_all_else(submit, hand_in):
    hand_in(data_set={"name": "mnist-multiste", "content_sha256": CONTENT}, link="x")
    code, out, err = submit("entry")
    assert code == 1
    assert "FAILED   submission.json: link is not a web address" in out
    assert "FAILED   dataset: no dataset 'mnist-multiste' and no file data/mnist-multiste.h5" in out
    assert "did you mean 'mnist-multiset'" in out
    assert "skipped  predictions, claimed numbers, copies: the dataset is missing\n" in out
    assert err.startswith("error: entry: 2 of 8 checks failed: submission.json, dataset")


def test_a_name_that_is_stated_is_not_taken_for_a_file(submit, hand_in, tmp_path):
    for name in ("toy", "secret"):
        (tmp_path / name).write_text("no data set")
    hand_in()
    assert submit("entry")[0] == 0
    assert "toy cannot be read as HDF5" in submit("entry", "--dataset", "toy")[2]
    hand_in(name="other", data_set={"name": "secret", "content_sha256": CONTENT})
    assert "dataset: no dataset 'secret' and no file data/secret.h5" in submit("other")[1]


def test_a_data_set_that_is_not_there_is_reported_with_how_it_is_made(submit, hand_in):
    hand_in(data_set={"name": "mnist-multiset", "content_sha256": CONTENT})
    code, out, _ = submit("entry")
    assert code == 1
    assert "FAILED   dataset: no dataset file data/mnist-multiset.h5: build it with `hsal-" in out
    assert "ok       name: my-counter\n" in out


def test_predictions_are_checked_though_something_else_is_misstated(submit, hand_in, lines):
    hand_in({"predictions.jsonl": "{}\n" + lines()}, link="x")
    _, out, err = submit("entry")
    assert "FAILED   predictions: predictions.jsonl: line 1: the key 'id' is missing\n" in out
    assert "checks failed: submission.json, predictions" in err


def test_of_a_file_that_cannot_be_read_the_others_are_reported_too(submit, hand_in, lines):
    files = {"seed-0.jsonl": " " * 11_000, "seed-1.jsonl": lines() + "[]\n"}
    folder = hand_in(files, seeds=[0, 1])
    with (folder / "submission.json").open("a") as stated:
        stated.write(" " * 2**16)
    code, out, err = submit("entry", "--dataset", "toy")
    assert code == 1
    assert "FAILED   submission.json: submission.json is too large: the limit is 65,536" in out
    assert "         seed-0.jsonl is too large: the limit is 10,240 bytes\n" in out
    assert "         seed-1.jsonl: line 21: [] is not an object" in out
    assert "checks failed: submission.json, predictions" in err


def test_a_file_too_many_is_reported_beside_what_is_wrong_with_the_others(submit, hand_in, lines):
    folder = hand_in({"predictions.jsonl": lines() + "[]\n"}, link="x")
    (folder / ".DS_Store").touch()
    code, out, err = submit("entry")
    assert code == 1
    assert "FAILED   files: .DS_Store is not allowed: a submission contains" in out
    assert "checks failed: files, submission.json, predictions" in err


def test_files_that_fit_no_seed_and_seeds_without_a_file_are_reported(submit, hand_in, lines):
    hand_in({"seed-0.jsonl": lines(), "seed-2.jsonl": lines()}, seeds=[0, 1])
    code, out, _ = submit("entry")
    assert code == 1
    assert "         seed-1.jsonl is missing\n" in out
    assert (
        "seed-2.jsonl matches no seed in submission.json: expected seed-0.jsonl and seed-1.jsonl"
        in out
    )


def test_predictions_of_another_content_are_refused(submit, hand_in):
    hand_in(data_set={"name": "toy", "content_sha256": "cd" * 32})
    code, out, _ = submit("entry")
    assert code == 1
    assert (
        "FAILED   dataset: submission.json states content cdcdcdcdcdcd, but data/toy.h5 has "
        "56987d474b13: predict the images of that file, or correct the hash\n" in out
    )
    assert "skipped  predictions, claimed numbers, copies: the dataset is not the stated one" in out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (" " * 10_000, "predictions: predictions.jsonl is too large: the limit is 10,240"),
        ("\n" * 9_000, "predictions: predictions.jsonl: 9,020 lines for 20 images: write one"),
    ],
)
def test_what_would_take_long_to_read_is_refused_unread(submit, hand_in, more, said, lines):
    hand_in({"predictions.jsonl": lines() + more})
    code, out, _ = submit("entry")
    assert code == 1
    assert f"FAILED   {said}" in out


def test_a_very_long_line_is_refused_unread(submit, hand_in, monkeypatch, lines):
    monkeypatch.setattr(scores, "LONGEST_LINE", 500)
    hand_in({"predictions.jsonl": lines() + '{"id": 0, "labels": [' + "1" * 500})
    code, out, _ = submit("entry")
    assert code == 1
    assert "predictions: predictions.jsonl: a line is too long: the limit is 500 bytes" in out


def test_a_hostile_zip_fails_with_its_names_escaped(submit, tmp_path):
    with zipfile.ZipFile(tmp_path / "e.zip", "w") as archive:
        for name in ("../x", "submission.json\x1b[2J\x1b]0;owned\x07"):
            archive.writestr(name, "{}")
    code, out, err = submit("e.zip")
    assert code == 1
    assert "         ../x is not allowed: a submission contains" in out
    assert "         submission.json\\x1b[2J\\x1b]0;owned\\x07 is not allowed" in out
    assert err.startswith("error: e.zip: 2 of 8 checks failed: files, submission.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "e.zip"]


def test_what_is_stated_cannot_write_to_the_terminal(submit, hand_in):
    escape = "\x1b[31m\x9b2J\u202e"
    hand_in(method=escape, claimed={escape: 1}, data_set={"name": escape, escape: 1}, **{escape: 1})
    code, out, _ = submit("entry")
    assert code == 1
    assert "method is '\\x1b[31m\\x9b2J\\u202e': use" in out


def test_checks_as_json(submit, hand_in):
    hand_in(entry="mine")
    code, out, _ = submit("entry", "--dataset", "toy", "--json")
    report = json.loads(out)
    assert (code, report["submission"], report["passed"]) == (1, "entry", False)
    failed = [one for one in report["checks"] if one["outcome"] == "failed"]
    assert [one["name"] for one in failed] == ["submission.json"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["none.zip"],
            "no submission none.zip: give a folder or zip that contains submission.json",
        ),
        (["entry", "--dataset", "none.h5"], "no dataset file none.h5: give a dataset file"),
        (["entry", "--records", "none"], "no folder or record none: create one with"),
        ([], "missing argument 'FOLDER|ZIP'"),
    ],
)
def test_wrong_use_is_one_line_and_ends_2(submit, hand_in, arguments, said):
    hand_in()
    code, _, err = submit(*arguments)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


def test_a_record_that_was_written_is_the_same_read_again(submit, hand_in, tmp_path):
    hand_in()
    submit("entry", "-o", "record.json")
    record = read_record(tmp_path / "record.json")
    write_record(record, tmp_path / "again.json")
    assert read_record(tmp_path / "again.json") == record


@pytest.mark.parametrize("changes", [{"authors": ["B. Other"]}, {"method": "another"}])
def test_another_submissions_record_is_kept(submit, hand_in, tmp_path, changes):
    hand_in()
    submit("entry", "-o", "record.json")
    assert submit("entry", "-o", "record.json")[0] == 0  # its own record is replaced
    before = (tmp_path / "record.json").read_bytes()
    shutil.rmtree("entry")
    hand_in(**changes)
    code, _, err = submit("entry", "-o", "record.json")
    assert code == 2
    assert "is a record of my-counter on toy, seed " in err
    assert "--force to replace it" in err
    assert (tmp_path / "record.json").read_bytes() == before
    assert submit("entry", "-o", "record.json", "--force")[0] == 0
    assert (tmp_path / "record.json").read_bytes() != before


def test_checking_needs_no_torch(hand_in, data_file):
    code = (
        "import sys; from hsal_bench.cli import main as cli\n"
        f"sys.argv = ['hsal-bench', 'check-submission', {str(hand_in())!r}, "
        f"'--dataset', {str(data_file)!r}]\n"
        "try: cli.main()\n"
        "finally: print('torch' in sys.modules, 'pandas' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "False False\n")


def test_its_records_are_in_the_table_of_the_folder_above(submit, hand_in, hsal_bench):
    hand_in()
    assert submit("entry", "-o", "runs/entries")[0] == 0
    for command in (["table", "--format", "csv"], ["leaderboard"]):
        _, out, _ = hsal_bench(*command)
        assert ("my-counter" if command[0] == "table" else "1 run,") in out
