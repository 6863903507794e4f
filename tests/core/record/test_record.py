"""Result records: what is written is read again, and what is wrong is refused by name."""

import dataclasses
import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsal_bench.errors import UsageError
from hsal_bench.metrics import scores as metrics
from hsal_bench.record.correct import Correct, pack_correct, unpack_correct
from hsal_bench.record.external_entry import Statement
from hsal_bench.record.record import DataSet, read_record, write_record
from hsal_bench.record.validation import check_shares
from hsal_bench.text import shown

UNKNOWN = {"budget": {}, "environment": None, "updates": None, "wall_s": None, "activation": None}
STATED = Statement(
    entry="official",
    authors=("A. Author",),
    link="https://example.org",
    extra_data=(),
    training_compute="a day",
)


@pytest.fixture
def make(ok):
    """Return a function that makes a record of 3 test images, the second of which is wrong."""
    record = ok(seed=3, correct=pack_correct(np.array([True, False, True])))
    curve = ({"update": 0, "valid_exact_match": 0.0}, {"update": 100, "loss": 0.25})
    return lambda **changes: dataclasses.replace(record, **{"curve": curve} | changes)


@pytest.fixture
def edited(make, tmp_path):
    """Return a function that writes a record with changes to its JSON.

    "remove" removes a field; what is said of a dataset or an activation model is added to it.
    """

    def edited(**changes):
        path = tmp_path / "runs" / "record.json"
        other = {"trained_on": make().data_set, "curve": ()} if "trained_on" in changes else {}
        write_record(make(**other), path)
        values = json.loads(path.read_text())
        for name, value in changes.items():
            added = name in ("data_set", "trained_on", "activation") and isinstance(value, dict)
            values[name] = values[name] | value if added else value
        path.write_text(json.dumps({k: value for k, value in values.items() if value != "remove"}))
        return path

    return edited


@pytest.fixture
def refusal(edited):
    """Return the message about a record with changes to its JSON, without its path."""

    def refusal(**changes):
        path = edited(**changes)
        with pytest.raises(UsageError) as caught:
            read_record(path)
        message = str(caught.value)
        assert message.isprintable()
        assert message.startswith(str(path))
        return message.removeprefix(str(path)).lstrip(": ")

    return refusal


def test_a_record_prints_as_one_short_line(ok, bad):
    text = "<Record hsal-rl on mnist-multiset, seed 3: ok, exact match 0.500, macro F1 0.750>"
    assert repr(ok(seed=3)) == text
    assert repr(bad()).endswith(": failed: the loss is nan>")


def test_what_is_written_is_read_again(ok, bad, elsewhere, tmp_path):
    other = DataSet("mnist-set", "cd34" * 16, {"train": 60, "test": 3}, "s.h5")
    for record in (
        ok(),
        bad(),
        bad("unsupported", "one object"),
        elsewhere(predictions_sha256="ab" * 32),
        ok(settings={"teacher_forcing": "true"}),
        ok(trained_on=other),
        ok(updates=100, selected_update=100),
    ):
        write_record(record, tmp_path / "runs" / "one" / "record.json")
        assert read_record(tmp_path / "runs" / "one" / "record.json") == record


def test_older_records_have_no_settings_and_do_not_tell_what_was_trained_on(edited):
    record = read_record(edited(settings="remove", trained_on="remove"))
    assert (record.settings, record.trained_on) == ({}, None)


def test_nan_is_null_in_the_file(make, tmp_path):
    path = tmp_path / "record.json"
    metrics = {"exact_match": 2 / 3, "exact_match_repeat": math.nan}
    write_record(make(metrics=metrics), path)
    assert json.loads(path.read_text())["metrics"] == {**metrics, "exact_match_repeat": None}
    assert math.isnan(read_record(path).metrics["exact_match_repeat"])


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=40))
def test_correctness_is_packed_and_unpacked(correct):
    packed = pack_correct(np.array(correct, dtype=bool))
    assert unpack_correct(packed).tolist() == correct
    assert packed.right == sum(correct)


def test_bits_past_the_last_example_are_none():
    assert (Correct(3, "/w==").right, Correct(8, "/w==").right) == (3, 8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": {}}, "status 'ok' needs metrics"),
        (
            {"status": "failed", "reason": "no memory"},
            "status 'failed' needs a reason and no metrics",
        ),
        ({"metrics": {"macro_f1": math.inf}}, "metrics.macro_f1 is inf: it is infinite"),
        (
            {"curve": ({"update": 1, "loss": -math.inf},)},
            r"curve\[0\].loss is -inf: it is infinite",
        ),
        ({"budget": {"updates": 3}}, "budget has no batch_size"),
        ({"budget": {}}, "budget has no batch_size"),
        ({"own_budget": True}, "own_budget excludes budget and updates"),
        ({"own_budget": True, "budget": {}}, "own_budget excludes budget and updates"),
        ({"updates": None}, "environment, updates and wall_s of a run must not be null"),
        ({"environment": None}, "environment, updates and wall_s of a run must not be null"),
        ({"stated": STATED}, "stated excludes budget, environment, updates, wall_s and activation"),
        ({"stated": STATED, **UNKNOWN, "wall_s": 3.0}, "stated excludes budget"),
        ({"metrics": {"macro_f1": 1}}, "exact_match is None, but correct has 2 of 3 right"),
        ({"metrics": {"exact_match": 0.67}}, "exact_match is 0.67, but correct has 2 of 3 right"),
        ({"metrics": {"exact_match": math.nan}}, "exact_match is nan, but correct has 2 of 3"),
        ({"correct": pack_correct(np.ones(3, bool))}, "but correct has 3 of 3 right"),
        (
            {"correct": pack_correct(np.array([True, False, True, False]))},
            "correct has 4 examples, but data_set.sizes.test is 3",
        ),
        (
            {
                "correct": pack_correct(np.zeros(0, bool)),
                "data_set": DataSet("m", "ab" * 32, {"test": 0}, "m.h5"),
            },
            "correct has 0 examples, but data_set.sizes.test is 0",
        ),
        ({"started": "2025-01-02T03:04:05"}, "it has no time zone"),
        ({"trained_on": DataSet("m", "ab" * 32, {"test": 3}, "m.h5")}, "trained_on excludes a cur"),
    ],
)
def test_contradictions_are_refused(changes, message, make):
    with pytest.raises(ValueError, match=message):
        make(**changes)


HUGE = 1.7e308


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": "three"}, "seed is 'three': it must be a whole number"),
        ({"seed": True}, "seed is True: it must be a whole number"),
        ({"status": "fine"}, "status is 'fine': it must be ok or failed or unsupported"),
        ({"metrics": {"macro_f1": "high"}}, "metrics.macro_f1 is 'high': it must be a number"),
        ({"curve": [{"update": [1]}]}, "curve[0].update is [1]: it must be a number"),
        ({"git": {"revision": "abc", "dirty": 0}}, "git.dirty is 0: it must be true or false"),
        ({"git": {"revision": "abc"}}, "git: the field 'dirty' is missing"),
        ({"device": "remove"}, "the field 'device' is missing"),
        ({"devise": "cpu"}, "no field is named 'devise': did you mean 'device'"),
        ({"correct": {"length": 9, "bits": "AA=="}}, "correct: bits has 1 bytes"),
        ({"correct": {"length": 9, "bits": "?"}}, "correct: bits is not base64"),
        ({"started": "yesterday"}, "started is 'yesterday': it is not an ISO 8601 time"),
        ({"record_version": 2}, "has record version 2: this hsal-bench reads record version 1"),
        ({"record_version": "remove"}, "is not a result record"),
        ({"metrics": {"exact_match": 1e200}}, "metrics.exact_match is 1e+200: it is infinite"),
        ({"metrics": {"exact_match": 1.5}}, "metrics.exact_match is 1.5: it must be between 0"),
        ({"metrics": {"exact_match_m3": -1}}, "metrics.exact_match_m3 is -1.0: it must be between"),
        ({"metrics": {"attn_saliency": HUGE}}, "metrics.attn_saliency is 1.7e+308: it is infini"),
        ({"metrics": {"\x1b[2J": HUGE}}, "a key of metrics contains unprintable characters"),
        ({"curve": [{"update": 0, "loss": HUGE}]}, "curve[0].loss is 1.7e+308: it is infin"),
        ({"curve": [{"loss": 1.0}]}, "curve[0] has no update"),
        ({"curve": [{"update": None}]}, "curve[0].update is nan: it must be a whole number, 0 or"),
        ({"curve": [{"update": -1}]}, "curve[0].update is -1.0: it must be a whole number, 0 or"),
        ({"curve": [{"update": 0.5}]}, "curve[0].update is 0.5: it must be a whole number, 0 or"),
        ({"curve": [{"update": 7}, {"update": 7}]}, "curve[1].update is 7, after 7: updates mus"),
        (
            {"curve": [{"update": 0, "valid_macro_f1": 3}]},
            "curve[0].valid_macro_f1 is 3.0: it must be between 0 and 1",
        ),
        ({"curve": [{"update": 0, "loss": 3.6e38}]}, "curve[0].loss is 3.6e+38: it is infini"),
        ({"metrics": {"pointing_hit": 1 + 2e-6}}, "metrics.pointing_hit is 1.000002: it must be"),
        ({"wall_s": HUGE}, "wall_s is 1.7e+308: it is infinite or too large"),
        ({"wall_s": -1}, "wall_s is -1.0: it cannot be negative"),
        ({"parameters": 10**400}, "parameters is 1000"),
        ({"parameters": -5}, "parameters is -5: it cannot be negative"),
        ({"seed": -1}, "seed is -1: it cannot be negative"),
        ({"method": "a" * 201}, "method has 201 characters: at most 200"),
        ({"command": "a" * 1_000_000}, "command has 1,000,000 characters: at most 20,000"),
        ({"config": {"a" * 20_001: 1}}, "a key of config has 20,001 characters"),
        ({"settings": {"a": "b" * 20_001}}, "settings.a has 20,001 characters: at most 20,000"),
        ({"method": ""}, "method is empty: it needs a name"),
        ({"budget": {"updates": 1, "batch_size": -2}}, "budget.batch_size is -2: it cannot be neg"),
        ({"selected_update": 101}, "selected_update is 101, but only 100 updates were made"),
        ({"peak_memory_bytes": {"process": -1}}, "peak_memory_bytes.process is -1: it cannot be n"),
        (
            {"budget": {"updates": 1, "batch_size": 2**63}},
            "budget.batch_size is 9223372036854775808",
        ),
        ({"config": {"a": [{"b": 10**400}]}}, "config.a[0].b is 1000"),
        ({"method": "\ud800"}, "method contains unprintable characters (\\ud800)"),
        ({"config": {"a": ["\x1b[2J"]}}, "config.a[0] contains unprintable characters (\\x1b[2J)"),
        ({"settings": {"a\n": "1"}}, "a key of settings contains unprintable characters (a\\n)"),
        ({"device": "cpu\r\n"}, "device contains unprintable characters (cpu\\r\\n)"),
        ({"command": "a\u202e"}, "command contains unprintable characters (a\\u202e)"),
        ({"config": {"\x1b": {"\x07": 10**30}}}, "a key of config contains unprintable char"),
        ({"\x1b[2J": 1}, "no field is named"),
        ({"metrics": {"\x1b[2J": "high"}}, "metrics"),
        ({"seed": "\u202e" * 99}, "seed is"),
        ({"data_set": {"sizes": {}}}, "data_set.sizes has no test"),
        ({"data_set": {"sizes": {"test": -3}}}, "data_set: sizes.test is -3: it cannot be"),
        ({"data_set": {"file": "/home/me/m.h5"}}, "data_set: file is '/home/me/m.h5': give the fi"),
    ],
)
def test_wrong_fields_are_refused_in_one_line(changes, said, refusal):
    assert refusal(**changes).startswith(said)


def test_what_rounding_and_single_precision_come_to_is_taken(edited):
    path = edited(
        metrics={"exact_match": 2 / 3, "pointing_hit_chance": 1 + 5e-7},
        curve=[{"update": 0, "loss": 3.4e38, "valid_macro_f1": -5e-7}],
    )
    record = read_record(path)
    assert record.metrics["pointing_hit_chance"] == 1 + 5e-7
    assert record.curve[0]["loss"] == 3.4e38


@pytest.mark.parametrize("text", ["", "AB" * 32, "ab" * 31, "ab" * 31 + "a ", "ab" * 100_000])
@pytest.mark.parametrize(
    ("place", "field"),
    [
        ("data_set", "content_sha256"),
        ("trained_on", "content_sha256"),
        ("activation", "sha256"),
        ("", "method_sha256"),
        ("", "predictions_sha256"),
    ],
)
def test_a_hash_is_one_or_is_refused(place, field, text, refusal):
    opening = f"{place}: {field}" if place else field
    assert refusal(**({place: {field: text}} if place else {field: text})) == (
        f"{opening} is '{shown(text, 40)}': it must be 64 digits 0-9 and a-f, a SHA-256"
    )


counts = st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=2), min_size=1, max_size=5)


@settings(deadline=None)
@given(counts, st.data())
def test_what_the_metrics_come_to_is_what_a_record_takes(truth, data):
    predicted = data.draw(st.permutations(truth))
    found = metrics.score(np.array(truth), np.array(predicted))
    check_shares(found, "metrics")
    assert set(found) <= {*metrics.MEANINGS, *(f"exact_match_m{m}" for m in range(7))}


@pytest.mark.parametrize("name", ["../../evil", "/any/where", ".hidden", "", "a b", "a" * 201])
@pytest.mark.parametrize("place", ["data_set", "trained_on", "activation"])
def test_a_name_that_must_not_be_part_of_a_path_is_refused(place, name, refusal):
    field = "backbone" if place == "activation" else "name"
    message = refusal(**{place: {field: name}})
    assert re.match(f"{place}: {field} is '.*': a name has at most 200", message)


@pytest.mark.parametrize(
    "text", ["{", '{"record_version": NaN}', "\N{NULL}", "[" * 100_000, '{"a": 1, "a": 1}']
)
def test_what_is_not_json_is_refused(text, tmp_path):
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="is not JSON"):
        read_record(path)
