"""The published JSON Schemas: what the commands accept is valid, what they refuse is not."""

import json
from pathlib import Path

import jsonschema
import pytest

RECORDS = sorted((Path(__file__).parents[3] / "leaderboard" / "records").rglob("*.json"))
SUBMISSION = {
    "method": "my-counter",
    "authors": ["Ada Lovelace"],
    "link": "https://example.org/paper",
    "entry": "official",
    "data_set": {"name": "mnist-multiset", "content_sha256": "ab12" * 16},
    "split": "test",
    "seeds": [0],
    "extra_data": [],
    "parameters": 1000,
    "training_compute": "2 h on one GPU",
    "claimed": {"exact_match": 0.5, "exact_match_m3": 0.25},
}


@pytest.fixture
def validator(hsal_bench):
    def of(kind):
        code, out, _ = hsal_bench("schema", kind)
        assert code == 0
        schema = json.loads(out)
        assert schema["$schema"].endswith("draft/2020-12/schema")
        assert (schema["title"], schema["$id"]) != ("", "")
        jsonschema.Draft202012Validator.check_schema(schema)
        return jsonschema.Draft202012Validator(schema)

    return of


def test_every_committed_record_is_valid(validator):
    record = validator("record")
    assert len(RECORDS) > 100
    for path in RECORDS:
        record.validate(json.loads(path.read_text()))


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": "three"},
        {"seed": -1},
        {"status": "fine"},
        {"metrics": {"exact_match": 1.5}},
        {"metrics": {"exact_match": "high"}},
        {"devise": "cpu"},
        {"method": ""},
        {"method": "a" * 201},
        {"command": "a" * 20_001},
        {"method_sha256": "abc"},
        {"data_set": {"name": "../../evil"}},
        {"budget": {"updates": -1}},
    ],
)
def test_a_broken_record_is_not_valid(changes, validator):
    values = json.loads(RECORDS[0].read_text())
    if "data_set" in changes:
        changes = {"data_set": values["data_set"] | changes["data_set"]}
    assert validator("record").is_valid(values)
    assert not validator("record").is_valid(values | changes)


def test_a_missing_field_is_not_valid_unless_older_records_lack_it(validator):
    values = json.loads(RECORDS[0].read_text())
    record = validator("record")
    assert not record.is_valid({name: part for name, part in values.items() if name != "device"})
    assert record.is_valid({name: part for name, part in values.items() if name != "resumed_on"})


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "My Method"},
        {"authors": []},
        {"link": "ftp://x"},
        {"seeds": [1, 1]},
        {"seeds": [-1]},
        {"split": "valid"},
        {"claimed": {"accuracy": 1}},
        {"data_set": {"name": "m"}},
        {"autors": ["Ada"]},
    ],
)
def test_a_broken_submission_is_not_valid(changes, validator):
    submission = validator("submission")
    submission.validate(SUBMISSION)
    assert not submission.is_valid(SUBMISSION | changes)


def test_a_line_of_predictions(validator):
    line = validator("predictions")
    line.validate({"id": 17, "labels": [3, 3, 7], "confidence": 0.98})
    line.validate({"id": 0, "labels": []})
    for broken in ({"id": 0}, {"id": -1, "labels": []}, {"id": 0, "labels": [1.5]}, []):
        assert not line.is_valid(broken)
    assert not line.is_valid({"id": 0, "labels": [], "score": 1})


@pytest.mark.parametrize("kind", ["record", "submission"])
def test_most_fields_are_described(kind, validator):
    properties = validator(kind).schema["properties"]
    described = [name for name, part in properties.items() if part.get("description")]
    assert len(described) > len(properties) / 2
