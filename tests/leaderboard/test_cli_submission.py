"""`hsal-bench check-submission`: numbers are computed again, and all that is wrong is told."""

import json
import shutil
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

from hsal_bench import cli, tables
from hsal_bench.leaderboard import submission_check
from hsal_bench.record import read_record, unpack_correct, write_record
from hsal_bench.schema import PAD, SPLITS, Header, Layout

IMAGES, CONTENT = 20, "ab12" * 16
LAYOUT = Layout((1, 4, 4), 2, 3, dict.fromkeys(SPLITS, IMAGES))
LABELS = np.array([[image % 3, PAD if image % 2 else 1] for image in range(IMAGES)])


@pytest.fixture(scope="module")
def data_file(tmp_path_factory):
    """A data set of 20 images, one or two objects each, in `data/toy.h5`."""
    path = tmp_path_factory.mktemp("data") / "toy.h5"
    counts = np.stack([np.bincount(row[row >= 0], minlength=3) for row in LABELS])
    with h5py.File(path, "w") as file:
        for split in SPLITS:
            for name, (dtype, shape) in LAYOUT.arrays().items():
                array = {"labels": LABELS, "counts": counts}.get(name, np.zeros((IMAGES, *shape)))
                file[f"{split}/{name}"] = array.astype(dtype)
        header = Header("toy", "1", ("a", "b", "c"), {}, 0, "toy", "5" * 64, "1", "CC0", "x")
        file.attrs.update({**header.attributes(), "content_sha256": CONTENT})
    return path


@pytest.fixture
def call(tmp_path, data_file, monkeypatch, capsys):
    """Return a function that runs `check-submission` beside the data: code, out, err."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(data_file.parent)

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["hsal-bench", "check-submission", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        assert all(part.isprintable() for part in (captured.out + captured.err).split("\n"))
        return ended.value.code, captured.out, captured.err

    return call


def lines(wrong=()):
    """Return a predictions file that is right but for some images."""
    rows = [
        {"id": image, "labels": [] if image in wrong else [int(y) for y in row if y >= 0]}
        for image, row in enumerate(LABELS)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def hand_in(tmp_path):
    """Return a function that makes a submission's folder, with changes to what it states."""

    def hand_in(files=None, name="entry", **changes):
        stated = {
            "method": "my-counter",
            "authors": ["Ada Lovelace"],
            "link": "https://example.org/paper",
            "entry": "official",
            "data_set": {"name": "toy", "content_sha256": CONTENT},
            "split": "test",
            "seeds": [0],
            "extra_data": [],
            "parameters": 1000,
            "training_compute": "2 h on one GPU",
        }
        folder = tmp_path / name
        folder.mkdir()
        (folder / "submission.json").write_text(json.dumps(stated | changes))
        for file, text in (files or {"predictions.jsonl": lines([3])}).items():
            (folder / file).write_text(text)
        return folder

    return hand_in


def test_what_passes_becomes_a_record_of_the_recomputed_numbers(call, hand_in, tmp_path):
    hand_in(claimed={"exact_match": 0.95, "macro_f1": 0.974})
    code, out, err = call("entry", "-o", "new/record.json")
    assert (code, err) == (0, "record written: new/record.json\n")
    assert out.splitlines()[-1] == "entry: 6 checks passed, 1 skipped: copies"
    assert "ok       predictions: seed 0: exact_match 0.9500, macro_f1 0.97" in out
    record = read_record(tmp_path / "new" / "record.json")
    assert (record.method, record.seed, record.parameters) == ("my-counter", 0, 1000)
    assert record.metrics["exact_match"] == 0.95
    assert unpack_correct(record.correct).tolist() == [image != 3 for image in range(IMAGES)]
    assert (record.stated.entry, record.stated.authors) == ("official", ("Ada Lovelace",))
    assert (record.data_set.name, record.data_set.file) == ("toy", "toy.h5")
    (row,) = tables.metric_table([record]).to_dict("records")
    assert (row["method"], row["exact_match"]) == ("my-counter", 0.95)


def test_a_data_set_file_of_any_name_is_recorded(call, hand_in, data_file, tmp_path):
    hand_in()
    odd = tmp_path / "to\u00a0y\\x.h5"
    odd.symlink_to(data_file)
    assert call("entry", "--dataset", odd, "-o", "record.json")[0] == 0
    assert read_record(tmp_path / "record.json").data_set.file == "to_y_x.h5"


def test_a_zip_is_as_good_as_its_folder(call, hand_in):
    shutil.make_archive("entry", "zip", hand_in())
    with zipfile.ZipFile("entry.zip") as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    subprocess.run(
        [sys.executable, "-m", "zipfile", "-c", "../e.zip", *names], cwd="entry", check=True
    )
    (code, out, _), (folder_code, folder_out, _) = call("e.zip"), call("entry")
    assert code == folder_code == 0
    assert sorted(out.splitlines()[1:-1]) == sorted(folder_out.splitlines()[1:-1])


def test_every_seed_has_a_record_and_claims_are_of_their_mean(call, hand_in, tmp_path):
    files = {"seed-0.jsonl": lines([3]), "seed-5.jsonl": lines([3, 4])}
    hand_in(files, seeds=[0, 5], claimed={"exact_match": 0.925})
    code, _, err = call("entry", "--dataset", "data/toy.h5", "-o", "records")
    assert (code, err.count("record written")) == (0, 2)
    names = [f"toy--my-counter--submission--seed-{seed}.json" for seed in (0, 5)]
    assert sorted(path.name for path in (tmp_path / "records").iterdir()) == names
    assert read_record(tmp_path / "records" / names[1]).metrics["exact_match"] == 0.9
    told = "one.json is one file, and there are 2 seeds: name a folder"
    assert told in call("entry", "-o", "one.json")[2]


def test_the_same_entry_can_be_checked_again_and_a_copy_cannot(call, hand_in):
    hand_in()
    assert call("entry", "-o", "records")[0] == 0
    code, out, _ = call("entry", "--records", "records", "-o", "records")
    assert code == 0
    assert "skipped  copies: there are no other records of these images to compare with" in out
    jumbled = "".join(
        json.dumps(json.loads(line) | {"confidence": 0.5}) + "\n"
        for line in reversed(lines([3]).splitlines())
    )
    hand_in({"predictions.jsonl": jumbled}, "copy", method="other", authors=["B"])
    code, out, _ = call("copy", "--records", "records")
    assert code == 1
    assert (
        "FAILED   copies: seed 0 predicts what my-counter seed 0 "
        "(records/toy--my-counter--submission--seed-0.json) does, everywhere" in out
    )


def test_two_seeds_that_predict_the_same_are_one(call, hand_in):
    hand_in({"seed-0.jsonl": lines(), "seed-1.jsonl": lines()}, seeds=[0, 1])
    code, out, _ = call("entry")
    assert code == 1
    assert "FAILED   copies: seed 1 predicts what seed 0 does, everywhere: hand in one" in out
    assert "skipped" not in out


def test_of_a_record_without_a_hash_it_is_told_what_can_be(call, hand_in, tmp_path):
    hand_in()
    call("entry", "-o", "records/a.json")
    values = json.loads((tmp_path / "records" / "a.json").read_text())
    (tmp_path / "records" / "a.json").write_text(json.dumps(values | {"predictions_sha256": None}))
    hand_in({"predictions.jsonl": lines([3])}, "alike", method="alike")
    code, out, _ = call("alike", "--records", "records")
    assert code == 0
    assert (
        "skipped  copies: 1 of 1 records of these images cannot be compared: right on the same "
        "images, without a hash of what was predicted (records/a.json)\n" in out
    )
    hand_in({"predictions.jsonl": lines([4])}, "unlike", method="unlike")
    _, out, _ = call("unlike", "--records", "records")
    assert "ok       copies: none among 1 records of these images\n" in out


@pytest.mark.parametrize(
    "changes",
    [
        {"data_set": {"name": "toy", "content_sha256": "cd" * 32, "sizes": {"test": IMAGES}}},
        {"status": "failed", "reason": "no memory", "metrics": {}, "correct": None},
    ],
)
def test_records_of_other_images_or_of_failures_are_not_compared(call, hand_in, tmp_path, changes):
    hand_in()
    call("entry", "-o", "records/a.json")
    file = tmp_path / "records" / "a.json"
    values = json.loads(file.read_text())
    if "data_set" in changes:
        changes = {"data_set": values["data_set"] | changes["data_set"]}
    file.write_text(json.dumps(values | changes))
    hand_in({"predictions.jsonl": lines([3])}, "alike", method="alike")
    code, out, _ = call("alike", "--records", "records")
    assert code == 0
    assert "skipped  copies: there are no other records of these images to compare with" in out


def test_a_name_that_is_taken_is_refused(call, hand_in):
    hand_in()
    call("entry", "-o", "records")
    hand_in({"predictions.jsonl": lines([7])}, "other", authors=["Eve"])
    code, out, _ = call("other", "--records", "records")
    assert code == 1
    assert "FAILED   name: 'my-counter' is the name of an entry of Ada Lovelace (records/" in out
    hand_in(name="again", method="hsal-rl")
    assert "name: 'hsal-rl' is a method of this benchmark: choose another" in call("again")[1]


def test_a_claim_that_the_predictions_belie_is_told(call, hand_in):
    hand_in(claimed={"exact_match": 0.96, "cardinality_accuracy": 1, "multiset_iou": 0.9})
    code, out, err = call("entry", "-o", "record.json")
    assert code == 1
    assert (
        "FAILED   claimed numbers: exact_match is claimed as 0.96, and comes to 0.95: "
        "mend or drop the claim\n" in out
    )
    assert err == "error: entry: 1 of 7 checks failed: claimed numbers\n"


@pytest.mark.parametrize(
    ("claim", "ends"),
    [("0.8", 0), ("0.80", 1), ("0.800", 1), ("8.0e-1", 1), ("0.85", 0), ("0.849", 1), ("1", 1)],
)
def test_a_claim_is_held_to_the_digits_it_was_written_with(call, hand_in, claim, ends):
    folder = hand_in({"predictions.jsonl": lines([0, 1, 2])}, claimed={"exact_match": "claim"})
    stated = folder / "submission.json"
    stated.write_text(stated.read_text().replace('"claim"', claim))
    code, out, _ = call("entry")
    assert code == ends
    if ends:
        told = "0.80" if claim == "8.0e-1" else claim
        assert f"exact_match is claimed as {told}, and comes to 0.85: mend or drop" in out


def test_a_claim_that_no_number_can_hold_is_told(call, hand_in):
    stated = hand_in(claimed={"exact_match": "claim"}) / "submission.json"
    stated.write_text(stated.read_text().replace('"claim"', "1e-99999999999999999999"))
    code, out, err = call("entry")
    assert code == 1
    assert "submission.json: it is not JSON (it holds 1e-99999999999999999999)\n" in out
    assert "checks failed: submission.json" in err


def test_all_that_is_wrong_is_listed_and_nothing_is_written(call, hand_in, tmp_path):
    files = {"seed-0.jsonl": lines() + "{}\n[]\n", "seed-2.jsonl": lines()}
    hand_in(files, seeds=[0, 1], link="x", claimed={"macro_f1": 0.1})
    code, out, err = call("entry", "--dataset", "toy", "-o", "record.json")
    assert code == 1
    assert "FAILED   submission.json: link is not a web address" in out
    assert "         seed-0.jsonl: line 21: the key 'id' is missing\n" in out
    assert "         seed-0.jsonl: line 22: [] is not an object" in out
    assert err.startswith("error: entry: 2 of 6 checks failed: submission.json, predictions")
    assert not (tmp_path / "record.json").exists()


def test_a_data_set_that_is_misspelt_is_told_with_the_nearest_beside_all_else(call, hand_in):
    hand_in(data_set={"name": "mnist-multiste", "content_sha256": CONTENT}, link="x")
    code, out, err = call("entry")
    assert code == 1
    assert "FAILED   submission.json: link is not a web address" in out
    assert (
        "FAILED   data set: no data set 'mnist-multiste' and no file data/mnist-multiste.h5" in out
    )
    assert "did you mean 'mnist-multiset'" in out
    assert "skipped  predictions, claimed numbers, copies: they take the data set\n" in out
    assert err.startswith("error: entry: 2 of 6 checks failed: submission.json, data set")


def test_a_name_that_is_stated_is_not_taken_for_a_file(call, hand_in, tmp_path):
    for name in ("toy", "secret"):
        (tmp_path / name).write_text("no data set")
    hand_in()
    assert call("entry")[0] == 0
    assert "toy cannot be read as HDF5" in call("entry", "--dataset", "toy")[2]
    hand_in(name="other", data_set={"name": "secret", "content_sha256": CONTENT})
    assert "data set: no data set 'secret' and no file data/secret.h5" in call("other")[1]


def test_a_data_set_that_is_not_there_is_told_with_how_it_is_made(call, hand_in):
    hand_in(data_set={"name": "mnist-multiset", "content_sha256": CONTENT})
    code, out, _ = call("entry")
    assert code == 1
    assert "FAILED   data set: no data set file data/mnist-multiset.h5: build it with `hsal-" in out
    assert "ok       name: my-counter\n" in out


def test_predictions_are_checked_though_something_else_is_misstated(call, hand_in):
    hand_in({"predictions.jsonl": "{}\n" + lines()}, link="x")
    _, out, err = call("entry")
    assert "FAILED   predictions: predictions.jsonl: line 1: the key 'id' is missing\n" in out
    assert "checks failed: submission.json, predictions" in err


def test_of_a_file_that_cannot_be_read_the_others_are_told_too(call, hand_in):
    files = {"seed-0.jsonl": " " * 11_000, "seed-1.jsonl": lines() + "[]\n"}
    folder = hand_in(files, seeds=[0, 1])
    with (folder / "submission.json").open("a") as stated:
        stated.write(" " * 2**16)
    code, out, err = call("entry", "--dataset", "toy")
    assert code == 1
    assert "FAILED   submission.json: submission.json holds more than 65,536 bytes: no such" in out
    assert "         seed-0.jsonl holds more than 10,240 bytes: no such file needs them\n" in out
    assert "         seed-1.jsonl: line 21: [] is not an object" in out
    assert "checks failed: submission.json, predictions" in err


def test_a_file_too_many_is_told_beside_what_is_wrong_with_the_others(call, hand_in):
    folder = hand_in({"predictions.jsonl": lines() + "[]\n"}, link="x")
    (folder / ".DS_Store").touch()
    code, out, err = call("entry")
    assert code == 1
    assert "FAILED   files: .DS_Store does not belong there: a submission holds" in out
    assert "checks failed: files, submission.json, predictions" in err


def test_files_that_fit_no_seed_and_seeds_without_a_file_are_told(call, hand_in):
    hand_in({"seed-0.jsonl": lines(), "seed-2.jsonl": lines()}, seeds=[0, 1])
    code, out, _ = call("entry")
    assert code == 1
    assert "         seed-1.jsonl is missing\n" in out
    assert "seed-2.jsonl is of no seed in submission.json: seed-0.jsonl and seed-1.jsonl wou" in out


def test_predictions_of_another_content_are_refused(call, hand_in):
    hand_in(data_set={"name": "toy", "content_sha256": "cd" * 32})
    code, out, _ = call("entry")
    assert code == 1
    assert (
        "FAILED   data set: submission.json states content cdcdcdcdcdcd, and data/toy.h5 has "
        "ab12ab12ab12: predict the images of that content\n" in out
    )
    assert "skipped  predictions, claimed numbers, copies: they are of another data set" in out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            " " * 10_000,
            "predictions: predictions.jsonl holds more than 10,240 bytes: no such file needs",
        ),
        (
            "\n" * 9_000,
            "predictions: predictions.jsonl: it has 9,020 lines for 20 images: write one",
        ),
    ],
)
def test_what_would_take_long_to_read_is_refused_unread(call, hand_in, more, said):
    hand_in({"predictions.jsonl": lines() + more})
    code, out, _ = call("entry")
    assert code == 1
    assert f"FAILED   {said}" in out


def test_a_very_long_line_is_refused_unread(call, hand_in, monkeypatch):
    monkeypatch.setattr(submission_check, "LONGEST_LINE", 500)
    hand_in({"predictions.jsonl": lines() + '{"id": 0, "labels": [' + "1" * 500})
    code, out, _ = call("entry")
    assert code == 1
    assert "predictions: predictions.jsonl: it has a line of more than 500 bytes: no pred" in out


def test_a_hostile_zip_fails_with_its_names_escaped(call, tmp_path):
    with zipfile.ZipFile(tmp_path / "e.zip", "w") as archive:
        for name in ("../x", "submission.json\x1b[2J\x1b]0;owned\x07"):
            archive.writestr(name, "{}")
    code, out, err = call("e.zip")
    assert code == 1
    assert "         ../x does not belong there: a submission holds" in out
    assert "         submission.json\\x1b[2J\\x1b]0;owned\\x07 does not belong there" in out
    assert err.startswith("error: e.zip: 2 of 6 checks failed: files, submission.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "e.zip"]


def test_what_is_stated_cannot_write_to_the_terminal(call, hand_in):
    escape = "\x1b[31m\x9b2J\u202e"
    hand_in(method=escape, claimed={escape: 1}, data_set={"name": escape, escape: 1}, **{escape: 1})
    code, out, _ = call("entry")
    assert code == 1
    assert "method is '\\x1b[31m\\x9b2J\\u202e': it must be" in out


def test_a_submission_that_states_nothing_is_told(call, hand_in, tmp_path):
    folder = hand_in()
    (folder / "submission.json").unlink()
    code, out, _ = call("entry")
    assert code == 1
    assert "FAILED   submission.json: it is missing: docs/submissions.md says what" in out
    waiting = "data set, predictions, claimed numbers, copies"
    assert f"skipped  {waiting}: submission.json does not say what was predicted" in out


def test_checks_as_json(call, hand_in):
    hand_in(entry="mine")
    code, out, _ = call("entry", "--dataset", "toy", "--json")
    told = json.loads(out)
    assert (code, told["submission"], told["passed"]) == (1, "entry", False)
    failed = [one for one in told["checks"] if one["outcome"] == "failed"]
    assert [one["name"] for one in failed] == ["submission.json"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["none.zip"],
            "no submission none.zip: name a folder or a zip, with submission.json in it",
        ),
        (["entry", "--dataset", "none.h5"], "no data set file none.h5: build it with"),
        (["entry", "--records", "none"], "no folder or record none: make a record with"),
        ([], "missing argument 'FOLDER|ZIP'"),
    ],
)
def test_wrong_use_is_one_line_and_ends_2(call, hand_in, arguments, said):
    hand_in()
    code, _, err = call(*arguments)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


def test_a_record_that_was_written_is_the_same_read_again(call, hand_in, tmp_path):
    hand_in()
    call("entry", "-o", "record.json")
    record = read_record(tmp_path / "record.json")
    write_record(record, tmp_path / "again.json")
    assert read_record(tmp_path / "again.json") == record


def test_checking_needs_no_torch(hand_in, data_file):
    code = (
        "import sys; from hsal_bench import cli\n"
        f"sys.argv = ['hsal-bench', 'check-submission', {str(hand_in())!r}, "
        f"'--dataset', {str(data_file)!r}]\n"
        "try: cli.main()\n"
        "finally: print('torch' in sys.modules, 'pandas' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "False False\n")
