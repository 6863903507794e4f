"""What is done is known by content; what is left is estimated from what was measured."""

import json
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
    root, records = tmp_path / "out", tmp_path / "records"
    (root / "log").mkdir(parents=True)

    def put(item, **fields):
        write_record(record(item, **fields), item.folder(root) / "record.json")

    return SimpleNamespace(
        root=root,
        records=records,
        put=put,
        prepare=lambda **fields: put(scripts.reproduction.preparation(items[0]), **fields),
        put_record=lambda item, name, **fields: write_record(
            record(item, **fields), records / f"{name}.json"
        ),
        board=lambda: scripts.reproduction_board.Board(items, root, tmp_path / "data", records),
    )


def test_a_record_is_found_by_content_whatever_its_name(place, items):
    place.prepare()
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
    place.prepare()
    place.put(items[0], **fields)
    place.put(items[1])
    board = place.board()
    assert board.notes == {items[0].name: note}
    assert board.missing() == [items[0], *items[2:]]
    assert note in scripts.reproduction_summary.status(board, alive=False)


def test_without_a_preparation_most_records_decide(place, items):
    for item in items[1:3]:
        place.put_record(item, item.name)
    place.put_record(items[0], items[0].name, model=OTHER)
    assert set(place.board().done) == {item.name for item in items[1:3]}


def test_what_failed_comes_last(place, items):
    board = place.board()
    board.state.failed[items[0].name] = "no memory"
    board.write_state()
    assert place.board().missing() == [*items[1:], items[0]]


def test_records_are_copied_and_one_that_differs_is_kept(place, items):
    place.put(items[0])
    board, target = place.board(), place.records / f"{items[0].name}.json"
    assert board.collect(items[0]) == ""
    assert target.read_bytes() == (items[0].folder(place.root) / "record.json").read_bytes()
    target.write_text("committed")
    assert "differs from" in board.collect(items[0])
    assert target.read_text() == "committed"


def test_time_left_worked_by_hand(place, items, scripts):
    summary, now = scripts.reproduction_summary, datetime(2026, 1, 1)
    place.prepare()
    board = place.board()
    assert summary.finish(board, board.seconds_left(), now).startswith("no estimate yet")
    place.put(items[0])  # 6,000 updates in 60 s
    folder = items[2].folder(place.root)
    folder.mkdir(parents=True)
    torch.save({"run": {"update": 2000, "seconds": 60.0}}, folder / "checkpoint.pt")
    board = place.board()
    board.state.jobs = 2
    # hsal-rl: 120 s for 8,000 updates, which are all that is known of cross-entropy too.
    left = {items[1].name: 90.0, items[2].name: 60.0, items[3].name: 90.0}
    assert board.seconds_left() == pytest.approx(left)
    assert summary.finish(board, board.seconds_left(), now) == (
        "about 2 min left, with 2 at a time until Thu 01 Jan 00:02"
    )
    assert board.progress(items[2]) == "2,000 of 6,000"


def test_a_preparation_counts_as_far_as_its_checkpoint(place, items, scripts, tmp_path):
    name = scripts.reproduction.preparation(items[0]).name
    log = place.root / "log" / f"{name}.log"
    log.write_text("activations of x train: 1280/5000 (25 %), 10.0/s\n")
    assert place.board().preparing("mnist-multiset") == (
        "activations of x train: 1,280 of 5,000",
        pytest.approx(372.0),
    )
    log.write_text("fine-tuning resnet34: 44/4690 (0 %), 0.0/s valid\n")
    model = tmp_path / "data" / "activation-models" / "m"
    model.mkdir(parents=True)
    torch.save({"run": {"update": 40, "seconds": 800.0}}, model / "checkpoint.pt")
    board = place.board()
    assert board.preparing("mnist-multiset") == (
        "fine-tuning resnet34: 40 of 4,690",
        pytest.approx(93_000.0),
    )
    text = scripts.reproduction_summary.finish(board, board.seconds_left(), datetime(2026, 1, 1))
    assert text.startswith("more than 25.8 h left")
    assert text.endswith("not counted: 4 runs, preparing mnist-multiset after this stage")


def test_a_damaged_checkpoint_counts_for_nothing(scripts, tmp_path):
    path = tmp_path / "checkpoint.pt"
    for content in ("", "no checkpoint", json.dumps([1, 2])):
        path.write_text(content)
        assert scripts.reproduction_board.checkpointed(path) == (0, 0.0)


def test_the_summary_stands_next_to_the_paper(place, items, scripts):
    place.put(items[0])
    place.put(items[2], metrics={"exact_match": 1.0, "macro_f1": 0.97})
    text = scripts.reproduction_summary.summary(place.board())
    assert (
        "| mnist-multiset | hsal-rl | 2 of 2 | 0.960 ± 0.014 (0.978) | 1.000 ± 0.000 (0.935) |"
        in text
    )
    assert "| svhn-multiset | cross-entropy | 0 of 0 | — (0.589) | — (0.307) |" in text
    assert "**2 of 4 runs done**" in text
