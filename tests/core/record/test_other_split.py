"""Whether predictions that are not whole are those of another split."""

import json

import pytest

from hsal_bench.errors import UsageError
from hsal_bench.record.other_split import refuse_other_split
from hsal_bench.record.predictions import BadPredictions, parse_predictions

SIZES = {"train": 9, "valid": 4, "test": 6}


def _refusal(ids, split, sizes=SIZES):
    """Return the error for a file with a line for each of `ids`; "" if it fits no other split."""
    lines = [json.dumps({"id": row, "labels": []}).encode() for row in ids]
    with pytest.raises(BadPredictions) as caught:
        parse_predictions(lines, "p", sizes[split], 3)
    try:
        refuse_other_split(caught.value, sizes, split)
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("ids", "split", "said"),
    [
        (range(6), "valid", "p has 6 lines: valid has 4 images, test has 6; did you mean"),
        (range(4), "test", "p has 4 lines: test has 6 images, valid has 4; did you mean"),
        (range(1, 6), "valid", "p has ids up to 5: valid ends at 3, test at 5; did you mean"),
        ([0, 5, 5, 5, 1], "valid", "p has ids up to 5: valid ends at 3, test at 5; did you mean"),
        (range(5), "test", ""),  # ids that the split has, of a file that is not whole
        (range(5), "valid", ""),
        ([0, 1, 2, 5], "valid", ""),  # as many lines as images: one id is wrong
        (["0"] * 5, "test", ""),
        ([], "test", ""),
    ],
)
def test_the_lines_or_the_ids_say_of_which_split_it_is(ids, split, said):
    message = _refusal(ids, split)
    assert message.startswith(said)
    assert bool(message) == bool(said)
    assert not said or message.endswith(
        f"did you mean --split {'test' if split == 'valid' else 'valid'}?"
    )


def test_splits_of_one_size_are_both_named():
    message = _refusal(range(6), "train", {"train": 9, "valid": 6, "test": 6})
    assert message.endswith("; did you mean --split valid or --split test?")


def test_what_is_in_another_form_has_no_lines():
    with pytest.raises(BadPredictions) as caught:
        parse_predictions([b"[", b"]"], "p", 3, 3)
    refuse_other_split(caught.value, {"train": 0, "test": 3}, "test")
