"""Each rule of `check-submission` alone: always reported, whatever the other fields are."""

import json

import pytest

from hsal_bench.leaderboard.submissions.check import NAMES
from hsal_bench.record.record import write_record

CONTENT = "56987d474b13686011f7d68539f197e3d51960cd127264c55ccb6a862c18b275"


def test_the_same_entry_can_be_checked_again_and_a_copy_cannot(submit, hand_in, lines):
    hand_in()
    assert submit("entry", "-o", "records")[0] == 0
    code, out, _ = submit("entry", "--records", "records", "-o", "records")
    assert code == 0
    assert "skipped  copies: there are no other records of these images" in out
    jumbled = "".join(
        json.dumps(json.loads(line) | {"confidence": 0.5}) + "\n"
        for line in reversed(lines([3]).splitlines())
    )
    hand_in({"predictions.jsonl": jumbled}, "copy", method="other", authors=["B"])
    code, out, _ = submit("copy", "--records", "records")
    assert code == 1
    assert (
        "FAILED   copies: seed 0 has the same predictions as my-counter seed 0 "
        "(records/toy--my-counter--submission--seed-0.json): submit" in out
    )


def test_two_seeds_that_predict_the_same_are_one(submit, hand_in, lines):
    hand_in({"seed-0.jsonl": lines(), "seed-1.jsonl": lines()}, seeds=[0, 1])
    code, out, _ = submit("entry")
    assert code == 1
    assert "FAILED   copies: seeds 0 and 1 have identical predictions: submit only one" in out
    assert "skipped" not in out


def test_of_a_record_without_a_hash_it_is_reported_what_can_be(submit, hand_in, tmp_path, lines):
    hand_in()
    submit("entry", "-o", "records/a.json")
    values = json.loads((tmp_path / "records" / "a.json").read_text())
    (tmp_path / "records" / "a.json").write_text(json.dumps(values | {"predictions_sha256": None}))
    hand_in({"predictions.jsonl": lines([3])}, "alike", method="alike")
    code, out, _ = submit("alike", "--records", "records")
    assert code == 0
    assert (
        "skipped  copies: cannot be checked: older records without a predictions hash get the same "
        "images right (records/a.json; 1 of 1 records of these images)\n" in out
    )
    hand_in({"predictions.jsonl": lines([4])}, "unlike", method="unlike")
    _, out, _ = submit("unlike", "--records", "records")
    assert "ok       copies: none among 1 records of these images\n" in out


@pytest.mark.parametrize(
    "changes",
    [
        {"data_set": {"name": "toy", "content_sha256": "cd" * 32, "sizes": {"test": 20}}},
        {"status": "failed", "reason": "no memory", "metrics": {}, "correct": None},
    ],
)
def test_records_of_other_images_or_of_failures_are_not_compared(
    submit, hand_in, tmp_path, changes, lines
):
    hand_in()
    submit("entry", "-o", "records/a.json")
    file = tmp_path / "records" / "a.json"
    values = json.loads(file.read_text())
    if "data_set" in changes:
        changes = {"data_set": values["data_set"] | changes["data_set"]}
    file.write_text(json.dumps(values | changes))
    hand_in({"predictions.jsonl": lines([3])}, "alike", method="alike")
    code, out, _ = submit("alike", "--records", "records")
    assert code == 0
    assert "skipped  copies: there are no other records of these images" in out


def test_a_name_that_is_taken_is_refused(submit, hand_in, lines):
    hand_in()
    submit("entry", "-o", "records")
    hand_in({"predictions.jsonl": lines([7])}, "other", authors=["Eve"])
    code, out, _ = submit("other", "--records", "records")
    assert code == 1
    assert "FAILED   name: 'my-counter' is the name of an entry of Ada Lovelace (records/" in out
    hand_in(name="again", method="hsal-rl")
    assert "name: 'hsal-rl' is a method of this benchmark: choose a different" in submit("again")[1]


def test_a_claim_that_the_predictions_belie_is_checked(submit, hand_in):
    hand_in(claimed={"exact_match": 0.96, "cardinality_accuracy": 1, "multiset_iou": 0.9})
    code, out, err = submit("entry", "-o", "record.json")
    assert code == 1
    assert (
        "FAILED   claimed numbers: claimed exact_match 0.96, recomputed 0.95: "
        "correct or remove it\n" in out
    )
    assert err == "error: entry: 1 of 8 checks failed: claimed numbers\n"


@pytest.mark.parametrize(
    ("claim", "ends"),
    [("0.8", 0), ("0.80", 1), ("0.800", 1), ("8.0e-1", 1), ("0.85", 0), ("0.849", 1), ("1", 1)],
)
def test_a_claim_is_held_to_the_digits_it_was_written_with(submit, hand_in, claim, ends, lines):
    folder = hand_in({"predictions.jsonl": lines([0, 1, 2])}, claimed={"exact_match": "claim"})
    stated = folder / "submission.json"
    stated.write_text(stated.read_text().replace('"claim"', claim))
    code, out, _ = submit("entry")
    assert code == ends
    if ends:
        written = "0.80" if claim == "8.0e-1" else claim
        assert f"claimed exact_match {written}, recomputed 0.85: correct or remove" in out


def test_a_claim_that_no_number_can_hold_is_checked(submit, hand_in):
    stated = hand_in(claimed={"exact_match": "claim"}) / "submission.json"
    stated.write_text(stated.read_text().replace('"claim"', "1e-99999999999999999999"))
    code, out, err = submit("entry")
    assert code == 1
    assert "submission.json: the file is not JSON (a number has too many digits)\n" in out
    assert "checks failed: submission.json" in err


def checked(submit, *arguments):
    """Return the checks of a submission that fails: the outcome of each by its name, and why."""
    code, out, _ = submit(*arguments, "--json")
    checks = json.loads(out)["checks"]
    assert (code, [check["name"] for check in checks]) == (1, list(NAMES))
    return {check["name"]: (check["outcome"], check["detail"]) for check in checks}


def skipped(checks):
    return {name: why for name, (outcome, why) in checks.items() if outcome == "skipped"}


ALONE = {"copies": "there are no other records of these images"}


def invalid(field):
    return f"the field '{field}' of submission.json is missing or invalid"


UNPREDICTED = ("dataset", "predictions", "claimed numbers", "copies")


def test_a_submission_that_states_nothing_is_checked(submit, hand_in):
    (hand_in() / "submission.json").unlink()
    checks = checked(submit, "entry")
    missing = "the file is missing: docs/submissions.md describes it"
    assert checks["submission.json"] == ("failed", missing)
    unread = ("name", "seeds", *UNPREDICTED)
    assert skipped(checks) == dict.fromkeys(unread, "submission.json cannot be read")


@pytest.mark.parametrize(
    ("changes", "waiting"),
    [
        ({"link": "x"}, ALONE),
        ({"authors": []}, ALONE),
        ({"autors": ["Ada"]}, ALONE),
        ({"method": "My Method"}, dict.fromkeys(["name", "copies"], invalid("method"))),
        ({"claimed": {"accuracy": 1}}, {"claimed numbers": invalid("claimed")} | ALONE),
        ({"seeds": "all"}, dict.fromkeys(["seeds", "claimed numbers", "copies"], invalid("seeds"))),
        ({"data_set": {"name": "toy"}}, {"dataset": invalid("data_set")} | ALONE),
        (
            {"data_set": {"content_sha256": CONTENT}},
            dict.fromkeys(UNPREDICTED, invalid("data_set")),
        ),
    ],
)
def test_one_wrong_field_keeps_no_check_from_being_made_that_does_not_take_it(
    submit, hand_in, changes, waiting
):
    hand_in(**changes)
    checks = checked(submit, "entry")
    assert [name for name, (outcome, _) in checks.items() if outcome == "failed"] == [
        "submission.json"
    ]
    assert skipped(checks) == waiting


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        ({"method": "hsal-rl"}, "name", "'hsal-rl' is a method of this benchmark"),
        (
            {"claimed": {"exact_match": 0.5}},
            "claimed numbers",
            "claimed exact_match 0.5, recomputed",
        ),
        ({"seeds": [0, 1]}, "seeds", "3 problems\n         seed-0.jsonl is missing\n"),
        ({"data_set": {"name": "toys"}}, "dataset", "submission.json states toys, but data/toy.h"),
    ],
)
def test_what_else_is_wrong_beside_a_field_is_checked(submit, hand_in, changes, name, said):
    hand_in(link="x", **changes)
    outcome, why = checked(submit, "entry", "--dataset", "toy")[name]
    assert (outcome, why[: len(said)]) == ("failed", said)


def test_the_copy_of_another_seed_is_reported_though_the_method_has_no_name(submit, hand_in, lines):
    hand_in({"seed-0.jsonl": lines(), "seed-1.jsonl": lines()}, seeds=[0, 1], method="A")
    twins = "seeds 0 and 1 have identical predictions: submit only one of them"
    assert checked(submit, "entry")["copies"] == ("failed", twins)


def test_whose_a_name_is_is_not_told_of_an_entry_without_authors(submit, hand_in, lines):
    hand_in()
    submit("entry", "-o", "records/a.json")
    hand_in({"predictions.jsonl": lines([7])}, "again", authors=[])
    assert (
        skipped(checked(submit, "again", "--records", "records"))
        == {
            "name": "'my-counter' is the name of an entry of Ada Lovelace (records/a.json), but "
            "submission.json states no valid authors"
        }
        | ALONE
    )


def test_a_name_that_is_surely_taken_fails_whatever_else_is_doubtful(
    submit, hand_in, lines, run, tmp_path
):
    hand_in()
    submit("entry", "-o", "records/a.json")
    write_record(run("my-counter").record, tmp_path / "records" / "b.json")
    hand_in({"predictions.jsonl": lines([7])}, "again", authors=[])
    outcome, why = checked(submit, "again", "--records", "records")["name"]
    assert outcome == "failed"
    assert why == "'my-counter' is the name of a run (records/b.json): choose a different name"


def test_where_no_file_can_be_read_no_other_check_is_made(submit, tmp_path):
    (tmp_path / "e.zip").write_bytes(b"PK")
    checks = checked(submit, "e.zip")
    assert checks["files"][1].startswith("the file is not a readable zip")
    assert skipped(checks) == dict.fromkeys(NAMES[1:], "the files cannot be read")


def test_a_submission_without_predictions_is_checked(submit, hand_in):
    (hand_in() / "predictions.jsonl").unlink()
    checks = checked(submit, "entry")
    assert checks["seeds"] == ("failed", "predictions.jsonl is missing")
    assert skipped(checks)["predictions"] == "there is no predictions file"
