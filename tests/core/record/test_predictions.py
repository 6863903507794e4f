"""Predictions files: what is read, and how everything else is refused."""

import gzip
import json

import numpy as np
import pytest

from hsal_bench.checking import LISTED
from hsal_bench.errors import UsageError
from hsal_bench.record.predictions import (
    BadPredictions,
    counts_sha256,
    read_predictions,
    write_predictions,
)

GOOD = ['{"id": 0, "labels": [2, 2]}', '{"id": 2, "labels": []}', '{"labels": [0], "id": 1}']
WRITTEN = np.array([[2, 0, 0], [0, 0, 0], [0, 1, 0]])


@pytest.fixture
def read(tmp_path):
    """Return a function that reads lines as a file of three images and three classes."""

    def read(*lines, size=3, num_classes=3):
        path = tmp_path / "p.jsonl"
        texts = [line if isinstance(line, bytes) else line.encode() for line in lines]
        path.write_bytes(b"".join(text + b"\n" for text in texts))
        return read_predictions(path, size, num_classes)

    return read


@pytest.fixture
def problems(read):
    """Return a function that reads lines and returns what was wrong with them."""

    def problems(*lines, **sizes):
        with pytest.raises(BadPredictions) as caught:
            read(*lines, **sizes)
        return list(caught.value.problems)

    return problems


def test_lines_of_any_order_are_rows_of_counts(read):
    counts, confidence = read(*GOOD)
    assert counts.dtype == np.int64
    assert counts.tolist() == [[0, 0, 2], [1, 0, 0], [0, 0, 0]]
    assert confidence is None


def test_the_confidence_is_in_the_order_of_the_rows(read):
    _, confidence = read(
        '{"id": 1, "labels": [], "confidence": -3.5}',
        '{"id": 0, "labels": [], "confidence": 1}',
        size=2,
    )
    assert confidence.tolist() == [1.0, -3.5]


def test_the_last_line_may_lack_its_end(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text("\n".join(GOOD))
    assert read_predictions(path, 3, 3)[0].sum() == 3


def test_predictions_are_one_line_per_image(tmp_path):
    path = tmp_path / "p.jsonl"
    write_predictions(WRITTEN, None, path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"id": 0, "labels": [0, 0]}, {"id": 1, "labels": []}, {"id": 2, "labels": [1]}]


def test_predictions_have_the_confidence_there_is(tmp_path):
    path = tmp_path / "p.jsonl"
    write_predictions(WRITTEN, np.array([0.5, 1 / 3, 1.0]), path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["confidence"] for line in lines] == [0.5, 0.333333, 1.0]


def test_what_a_run_writes_comes_back(tmp_path):
    counts = np.random.default_rng(0).integers(0, 4, (50, 7))
    sure = np.linspace(0, 1, 50, dtype=np.float32)
    path = tmp_path / "p.jsonl"
    write_predictions(counts, sure, path)
    again, confidence = read_predictions(path, 50, 7)
    assert (again == counts).all()
    assert np.allclose(confidence, sure, atol=1e-6)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": 1, "labels": [3]}', "label 3 is not a class: classes go from 0 to 2"),
        ('{"id": 1, "labels": [0, -1]}', "label -1 is not a class: classes go from 0 to 2"),
        (
            '{"id": 1, "labels": [1.0]}',
            "label 1.0 is not a whole number: write labels as 3, not 3.0",
        ),
        ('{"id": 1, "labels": [true]}', "label true is not a whole number: write labels as 3, no"),
        ('{"id": 1, "labels": ["1"]}', 'label "1" is not a whole number: write labels as 3, with'),
        ('{"id": 1, "labels": [null]}', "label null is not a whole number: write labels as 3, no"),
        ('{"id": 1, "labels": [[1]]}', "label [1] is not a whole number: write labels as 3, not "),
        ('{"id": 1, "labels": 1}', "labels is 1: it must be a list of whole numbers"),
        ('{"id": 1, "labels": null}', "labels is null: it must be a list of whole numbers"),
        ('{"id": true, "labels": []}', "id is true: it must be a whole number"),
        ('{"id": "1", "labels": []}', 'id is "1": it must be a whole number without quot'),
        ('{"id": 1.0, "labels": []}', "id is 1.0: it must be a whole number"),
        ('{"id": 3, "labels": []}', "id 3 is not in this split: ids go from 0 to 2"),
        ('{"id": -1, "labels": []}', "id -1 is not in this split: ids go from 0 to 2"),
        ('{"id": 0, "labels": []}', "duplicate id 0, first on line 1"),
        ('{"id": 1, "labels": [], "confidence": NaN}', "not JSON (NaN is not a JSON number)"),
        (
            '{"id": 1, "labels": [], "confidence": 1e999}',
            "confidence is Infinity: it must be finite",
        ),
        ('{"id": 1, "labels": [], "confidence": true}', "confidence is true: it must be a number"),
        ('{"id": 1, "labels": [], "confidence": "1"}', 'confidence is "1": it must be a number'),
        ('{"id": 1, "labels": [], "confidence": null}', "confidence is null: it must be a number"),
        ('{"id": 1, "labels": [], "score": 1}', 'unknown key "score": known: id, labels, c'),
        ('{"id": 1}', "the key 'labels' is missing"),
        ('{"labels": []}', "the key 'id' is missing"),
        ('{"id": 1, "id": 2, "labels": []}', "not JSON (duplicate key 'id')"),
        ("[1, []]", '[1, []] is not an object: write {"id": 0, "labels": [...]}'),
        ('{"id": 1, "labels": [}', "not JSON (Expecting value: column 22)"),
        ('{"id": 1, "labels": []', "not JSON (Expecting ',' delimiter: column 23)"),
        ("", "empty: remove it"),
        (b'{"id": 1, "labels": [], "\xff": 1}', "byte 26 is not UTF-8"),
        ("[" * 200_000, "not JSON (nested too deeply)"),
        (f'{{"id": 1{"0" * 400}, "labels": []}}', f"id 1{'0' * 39}... is not in this split"),
        (f'{{"id": 1, "labels": [], "confidence": 1{"0" * 400}}}', f"confidence is 1{'0' * 39}.."),
    ],
)
def test_a_line_that_is_not_as_it_should_be(problems, line, said):
    found = problems(GOOD[0], GOOD[1], line)
    assert found[-1].startswith(f"line 3: {said}")
    extra = said.startswith(("duplicate", "empty"))
    assert found[:-1] == (["no line for id 1 (1 of 3 images)"] if extra else [])


def test_a_doubled_id_names_both_lines(problems):
    assert problems(*GOOD, GOOD[1]) == ["line 4: duplicate id 2, first on line 2"]


def test_missing_ids_are_named_as_ranges(problems):
    lines = [json.dumps({"id": row, "labels": []}) for row in (0, 1, 5, 9)]
    assert problems(*lines, size=12) == ["no line for ids 2-4, 6-8, 10-11 (8 of 12 images)"]
    (found,) = problems(
        *(json.dumps({"id": row, "labels": []}) for row in range(0, 99, 2)), size=99
    )
    assert found.startswith("no line for ids 1, 3, 5, ")
    assert found.endswith(", 37, 39, ... (49 of 99 images)")


def test_a_confidence_on_some_lines_only(problems):
    sure = '{"id": 1, "labels": [], "confidence": 0.5}'
    assert problems(*GOOD[:2], sure) == [
        "line 1: no confidence, but 1 line has one: give it on all or none"
    ]


@pytest.mark.parametrize("content", [b"", b"\n"])
def test_an_empty_file(tmp_path, content):
    path = tmp_path / "p.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadPredictions) as caught:
        read_predictions(path, 3, 3)
    said = (
        'the file is empty: write {"id": 0, "labels": [...]}, for 3 images' if not content else ""
    )
    assert said in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(
        UsageError, match=r"no predictions file .*p\.jsonl: give a file with one line"
    ):
        read_predictions(tmp_path / "p.jsonl", 3, 3)
    with pytest.raises(UsageError, match="is a folder: name the predictions file in it"):
        read_predictions(tmp_path, 3, 3)


def test_all_problems_are_listed_up_to_a_limit(problems):
    lines = [json.dumps({"id": row, "labels": [], f"key{row}": 0}) for row in range(50)]
    found = problems(*lines, size=50)
    assert len(found) == LISTED + 1
    assert found[0] == 'line 1: unknown key "key0": known: id, labels, confidence'
    assert found[-1] == "and 30 more"


def test_lines_with_the_same_cause_are_one_problem(problems):
    lines = [json.dumps({"id": row, "labels": [row]}) for row in (0, 3, 1, 4, 5, 2)]
    assert problems(*lines, size=6) == [
        "line 2: label 3 is not a class: classes go from 0 to 2 (also lines 4-5)"
    ]
    assert problems(*['{"idx": 0, "labels": []}'] * 50, size=50) == [
        "line 1: the key 'id' is missing (also lines 2-50)"
    ]
    numbers = [f"{row}" if row % 2 else json.dumps({"id": row, "labels": []}) for row in range(99)]
    (found,) = problems(*numbers, size=99)
    assert found.startswith('line 2: 1 is not an object: write {"id": 0, "labels": [...]} (also')
    assert found.endswith(" lines 4, 6, 8, " + ", ".join(map(str, range(10, 43, 2))) + ", ...)")


def test_missing_images_come_first_unless_bad_lines_account_for_them(problems):
    bad = ["{}", '{"id": 9, "labels": []}']
    assert [line.partition(":")[0] for line in problems(GOOD[0], *bad)] == ["line 2", "line 3"]
    missing, *lines = problems(*bad, size=3)
    assert missing == "no line for ids 0-2 (3 of 3 images)"
    assert [line.partition(":")[0] for line in lines] == ["line 1", "line 2"]
    # A duplicate or a blank line may be one too many: it explains no missing image.
    for extra in (GOOD[0], " "):
        missing, _ = problems(*GOOD[:2], extra)
        assert missing == "no line for id 1 (1 of 3 images)"


LINES = 'a predictions file has one JSON object per line, {"id": 0, "labels": [...]}'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            json.dumps([{"id": 0, "labels": []}]).encode(),
            f"the file begins with a JSON array: {LINES}",
        ),
        (b'[\n {"id": 0}\n]', f"the file begins with a JSON array: {LINES}"),
        (b'{\n "id": 0\n}', f"the first object spans several lines: {LINES}"),
        (
            gzip.compress(GOOD[0].encode(), mtime=0),
            "the file is compressed with gzip: decompress it first",
        ),
        (
            GOOD[0].encode("utf-8-sig"),
            "the file begins with a byte order mark: save it as UTF-8 without one",
        ),
        (GOOD[0].encode("utf-16"), "the file is UTF-16: save it as UTF-8"),
    ],
)
def test_a_file_of_another_form_is_refused_in_a_sentence(tmp_path, content, said):
    path = tmp_path / "p.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadPredictions) as caught:
        read_predictions(path, 3, 3)
    assert str(caught.value) == f"{path} cannot be scored: {said}"


def test_the_error_is_one_line_with_the_file_and_the_number(read, tmp_path):
    with pytest.raises(BadPredictions) as caught:
        read(*GOOD, "1", '{"id": 3}')
    assert str(caught.value) == (
        f"{tmp_path / 'p.jsonl'} cannot be scored, 2 problems: "
        'line 4: 1 is not an object: write {"id": 0, "labels": [...]}; '
        "line 5: id 3 is not in this split: ids go from 0 to 2"
    )
    assert caught.value.exit_code == 2


def test_the_hash_is_of_the_multisets_alone(read):
    hashes = {
        counts_sha256(read(*lines)[0])
        for lines in (
            ['{"id": 0, "labels": [2, 1]}', '{"id": 1, "labels": []}', '{"id": 2, "labels": [0]}'],
            ['{"id": 2, "labels": [0]}', '{"id": 0, "labels": [1, 2]}', '{"id": 1, "labels": []}'],
            [
                f'{{"id": {row}, "labels": {y}, "confidence": 0.5}}'
                for row, y in enumerate(("[1, 2]", "[]", "[0]"))
            ],
        )
    }
    assert len(hashes) == 1
    other = read('{"id": 0, "labels": [2]}', '{"id": 1, "labels": [1]}', GOOD[2].replace("1", "2"))
    assert counts_sha256(other[0]) not in hashes


def test_the_hash_does_not_depend_on_the_type_but_on_the_shape():
    counts = np.array([[0, 1], [2, 0]])
    assert counts_sha256(counts) == counts_sha256(counts.astype(np.uint8))
    assert counts_sha256(counts) == counts_sha256(np.asfortranarray(counts))
    assert counts_sha256(counts) != counts_sha256(counts.reshape(1, 4))


def test_a_line_of_very_many_keys_is_read_once(problems):
    keys = ", ".join(f'"{number}": 0' for number in range(100_000))
    assert problems(f'{{{keys}, "7": 0}}', size=1) == ["line 1: not JSON (duplicate key '7')"]
