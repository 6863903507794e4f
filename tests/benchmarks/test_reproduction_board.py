"""What is done is known by content; what is left is estimated from what was measured."""

from datetime import datetime
from types import SimpleNamespace

import pytest
import torch

from hsal_bench.record.record import write_record

OTHER = "ee" * 32


@pytest.fixture
def items(scripts):
    """Table 1 on mnist-multiset, two seeds: hsal-rl and cross-entropy of 0, then of 1."""
    return scripts.reproduction.plan("S", ["1"], ["mnist-multiset"], seeds=(0, 1))


@pytest.fixture
def place(scripts, items, record, tmp_path):
    """Folders in which records can be put, and the board of them."""
    out, records = tmp_path / "out", tmp_path / "records"

    def put(item, **fields):
        write_record(record(item, **fields), item.folder(out) / "record.json")

    return SimpleNamespace(
        out=out,
        records=records,
        put=put,
        put_record=lambda item, name, **fields: write_record(
            record(item, **fields), records / f"{name}.json"
        ),
        board=lambda: scripts.reproduction_board.Board(items, out, records),
    )


def test_a_record_is_found_by_content_whatever_its_name(place, items):
    place.put_record(items[0], "some-name")
    place.put_record(items[1], items[2].name)
    assert set(place.board().done) >= {items[0].name, items[1].name}
    assert items[2].name not in place.board().done


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"model": OTHER}, "there is a record, on another activation model"),
        ({"content": OTHER}, "there is a record, on another dataset content"),
    ],
)
def test_a_record_on_other_inputs_is_not_the_items(place, items, scripts, fields, note):
    place.put(items[0], **fields)
    for item in items[1:3]:
        place.put(item)
    board = place.board()
    assert board.notes == {items[0].name: note}
    assert board.problem(items[0]) == note
    assert board.missing() == [items[0], items[3]]
    assert f"| missing | 0 of 6,000 | {note} |" in scripts.reproduction_summary.state(board, 1)


def test_the_runs_decide_on_the_inputs(place, items):
    for item in items[1:3]:
        place.put_record(item, item.name, model=OTHER)
    place.put(items[0])
    assert set(place.board().done) == {items[0].name}


def test_without_a_run_most_records_decide(place, items):
    for item in items[1:3]:
        place.put_record(item, item.name)
    place.put_record(items[0], items[0].name, model=OTHER)
    assert set(place.board().done) == {item.name for item in items[1:3]}


def test_each_seed_may_have_an_activation_model_of_its_own(place, scripts):
    items = scripts.reproduction.plan("S-per-seed", ["1"], ["mnist-multiset"], seeds=(0, 1))
    for item, model in zip(items, ("aa", "aa", "bb", "cc"), strict=True):
        place.put(item, model=model * 32)
    board = scripts.reproduction_board.Board(items, place.out)
    assert set(board.done) >= {item.name for item in items[:2]}
    assert len(board.notes) == 1  # the models of seed 1 differ


def test_records_are_copied_and_one_that_differs_is_kept(place, items):
    place.put(items[0])
    place.put(items[1], model=OTHER)
    place.put_record(items[2], "committed")
    board, target = place.board(), place.records / f"{items[0].name}.json"
    assert board.collect() == []
    assert target.read_bytes() == (items[0].folder(place.out) / "record.json").read_bytes()
    assert {path.name for path in place.records.iterdir()} == {target.name, "committed.json"}
    target.write_text("committed")
    (problem,) = board.collect()
    assert problem.startswith(f"{target} differs from ")
    assert target.read_text() == "committed"


def test_time_left_worked_by_hand(place, items, scripts):
    finish, now = scripts.reproduction_summary.finish, datetime(2026, 1, 1)
    assert finish(place.board().seconds_left(), 1, now).startswith("no estimate yet")
    place.put(items[0])  # 6,000 updates in 60 s
    folder = items[2].folder(place.out)
    folder.mkdir(parents=True)
    state = {"identity": "{}", "run": {"update": 2000, "seconds": 60.0}}
    torch.save(state, folder / "checkpoint.pt")
    board = place.board()
    # hsal-rl: 120 s for 8,000 updates, which are all that is known of cross-entropy too.
    left = {items[1].name: 90.0, items[2].name: 60.0, items[3].name: 90.0}
    assert board.seconds_left() == pytest.approx(left)
    assert finish(left, 2, now) == "about 2 min left, with 2 at a time until Thu 01 Jan 00:02"
    assert finish({**left, "": None}, 2, now).endswith("00:02; not counted: 1 runs")
    text = scripts.reproduction_summary.state(board, 2)
    assert "| stopped | 2,000 of 6,000 |" in text
    assert "| 1 | 1 of 4 | 2 min | 4 min |" in text


def test_the_summary_stands_next_to_the_paper(place, items, scripts):
    place.put(items[0])
    place.put(items[2], metrics={"exact_match": 1.0, "macro_f1": 0.97})
    text = scripts.reproduction_summary.summary(place.board(), 1)
    assert (
        "| mnist-multiset | hsal-rl | 2 of 2 | 0.960 ± 0.014 (0.978) | 1.000 ± 0.000 (0.935) |"
        in text
    )
    assert "| svhn-multiset | cross-entropy | 0 of 0 | — (0.589) | — (0.307) |" in text
    assert "**2 of 4 runs done**" in text
