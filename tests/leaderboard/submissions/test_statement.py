"""`submission.json`: what is stated is typed and checked, and every problem is reported."""

import json
from decimal import Decimal

import pytest

from hsal_bench.leaderboard.submissions.files import files_of
from hsal_bench.leaderboard.submissions.statement import parse

GOOD = {
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
}


def problems(text):
    found = parse(text if isinstance(text, bytes) else text.encode())
    assert found.submission is None
    return found.problems


def test_what_is_stated_is_kept():
    found = parse(json.dumps({**GOOD, "claimed": {"exact_match": 0.5}}).encode())
    assert (found.problems, found.data_set) == ([], "mnist-multiset")
    submission = found.submission
    assert (submission.method, submission.parameters) == ("my-counter", 1000)
    assert submission.claimed == {"exact_match": Decimal("0.5")}
    assert submission.statement.authors == ("Ada Lovelace",)
    assert not hasattr(submission.statement, "claimed")


def test_a_claim_keeps_the_digits_that_were_written():
    text = json.dumps({**GOOD, "claimed": {"exact_match": 7, "macro_f1": 8}})
    submission = parse(text.replace("7", "0.800").replace("8}", "1}").encode()).submission
    assert {name: str(claim) for name, claim in submission.claimed.items()} == {
        "exact_match": "0.800",
        "macro_f1": "1",
    }


def test_each_seed_has_a_file():
    assert files_of([7]) == {7: "predictions.jsonl"}
    assert files_of([0, 7]) == {0: "seed-0.jsonl", 7: "seed-7.jsonl"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "My Method"}, "method is 'My Method': use lower-case letters, dig"),
        ({"method": "../x"}, "method is '../x': use lower-case letters"),
        ({"method": "a\x1b[31m"}, "method is 'a\\x1b[31m': use lower-case letters"),
        ({"method": "a--b"}, "method is 'a--b': use lower-case letters"),
        ({"method": "a\n"}, "method is 'a\\n': use lower-case letters"),
        ({"method": "a" * 61}, f"method is '{'a' * 60}'...: use lower-case"),
        ({"method": 3}, "method is 3: it must be a text"),
        ({"authors": []}, "authors is empty: name at least one"),
        ({"authors": "Ada"}, "authors is 'Ada': it must be a list"),
        ({"authors": ["A\u202eB"]}, "authors [0] contains unprintable characters: remove them"),
        ({"link": "ftp://x"}, "link is not a web address: it must begin with https://"),
        ({"entry": "Official"}, "entry is 'Official': it must be official or unofficial"),
        ({"split": "valid"}, "split is 'valid': it must be test"),
        ({"seeds": []}, "seeds lists 0: give 1 to 100, one per predictions file"),
        ({"seeds": list(range(101))}, "seeds lists 101: give 1 to 100, one per predictions file"),
        ({"seeds": [1, 1]}, "seeds has duplicates: give each seed its own predictions file"),
        ({"seeds": [-1]}, "seeds must be between 0 and 2147483647"),
        ({"seeds": [10**50]}, "seeds must be between 0 and 2147483647"),
        ({"seeds": [True]}, "seeds[0] is True: it must be a whole number"),
        ({"extra_data": [""]}, "extra_data [0] is empty: describe it in words"),
        ({"parameters": -1}, "parameters must be the number of parameters, 0 or more"),
        ({"parameters": 1.5}, "parameters is 1.5: it must be a whole number"),
        ({"data_set": "m"}, "data_set is 'm': it must be an object"),
        ({"data_set": {"name": "m"}}, "data_set: the field 'content_sha256' is missing"),
        (
            {"data_set": {"name": "../../x.h5", "content_sha256": "ab12" * 16}},
            "data_set.name is '../../x.h5': it must be a dataset's name",
        ),
        (
            {"data_set": {"name": "m", "content_sha256": "AB"}},
            "data_set.content_sha256 is not a SHA-256: copy the 64 digits on the dataset's card",
        ),
        (
            {"claimed": {"accuracy": 1}},
            "claimed.accuracy is not a metric: did you mean 'cardinality_ac",
        ),
        ({"claimed": {"macro_f1": None}}, "claimed.macro_f1 is None: it must be a number"),
        ({"claimed": {"macro_f1": "1"}}, "claimed.macro_f1 is '1': it must be a number"),
        ({"claimed": {"macro_f1": 10**400}}, f"claimed.macro_f1 is 1{'0' * 39}...: no metric is"),
        ({"claimed": {"cardinality_bias": -1e7}}, "claimed.cardinality_bias is -10000000.0: no"),
        ({"autors": ["Ada"]}, "unknown field 'autors': did you mean 'authors'?"),
    ],
)
def test_a_wrong_field_is_reported(changes, said):
    (problem,) = problems(json.dumps({**GOOD, **changes}))
    assert problem.startswith(said)


def test_all_that_is_wrong_is_reported_at_once():
    values = {**GOOD, "method": "A", "authors": ["", "x\n"], "links": "", "seeds": 3}
    del values["link"], values["entry"]
    assert [problem.partition(":")[0] for problem in problems(json.dumps(values))] == [
        "unknown field 'links'",
        "the field 'entry' is missing",
        "authors [0] is empty",
        "authors [1] contains unprintable characters",
        "the field 'link' is missing",
        "method is 'A'",
        "seeds is 3",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is not JSON (Expecting value"),
        ("[]", 'the file is not a JSON object: write {"method": ..., "authors": [...], ...}'),
        ('{"a": 1, "a": 2}', "the file is not JSON (duplicate key 'a')"),
        ('{"a": NaN}', "the file is not JSON (NaN is not a JSON number)"),
        (b'{"\xff": 1}', "the file is not JSON ('utf-8' codec can't decode"),
        ("[" * 60_000, "the file is not JSON (nested too deeply)"),
        ('{"a": ' + "1" * 5000 + "}", "the file is not JSON (Exceeds the limit"),
    ],
)
def test_what_is_no_json_object_is_refused(text, said):
    (problem,) = problems(text)
    assert problem.startswith(said)


@pytest.mark.parametrize(
    ("data_set", "named"),
    [
        ({"name": "m"}, "m"),
        ({"name": "../m"}, None),
        ({"name": 3}, None),
        ("m", None),
        (None, None),
    ],
)
def test_the_data_set_is_named_though_all_else_is_wrong(data_set, named):
    found = parse(json.dumps({"data_set": data_set, "seeds": "all"}).encode())
    assert found.problems
    assert (found.submission, found.data_set) == (None, named)


@pytest.mark.parametrize("field", [*GOOD, "claimed"])
@pytest.mark.parametrize("value", [None, "\x1b", ["\x1b"], {"\x1b": "\x1b"}])
def test_a_field_is_reported_whatever_is_wrong_with_another(field, value):
    right = parse(json.dumps(GOOD).encode()).fields
    found = parse(json.dumps({**GOOD, field: value}).encode())
    assert found.problems
    assert found.fields == {name: value for name, value in right.items() if name != field}


def test_what_is_reported_of_thousands_of_problems_is_short():
    found = problems(json.dumps({**GOOD, "claimed": dict.fromkeys(map(str, range(5000)), 1)}))
    assert len(found) == 21
    assert found[-1] == "and more"
