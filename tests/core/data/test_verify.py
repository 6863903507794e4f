"""Every check is seen passing on a sound file, and failing on a file with that one thing wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hsal_bench.checking import Check, summary
from hsal_bench.data.array_checks import boxes_in_range, ink_outside, loose_boxes
from hsal_bench.data.content import content_hash, require_intact
from hsal_bench.data.file import open_data
from hsal_bench.data.generator import load_generator
from hsal_bench.data.schema import SPLITS
from hsal_bench.data.verify import verify
from hsal_bench.errors import SourceUnavailable, UsageError

pytestmark = pytest.mark.usefixtures("known_generators")


def checked(path: Path, remake: int = 0) -> dict[str, Check]:
    return {check.name: check for check in verify(path, remake=remake, data_dir=path.parent)}


def put(path: Path, split: str, name: str, where: Any, value: Any) -> None:
    with h5py.File(path, "r+") as file:
        file[split][name][where] = value


def test_a_sound_file_passes_every_check(toy_file: Path) -> None:
    checks = checked(toy_file, remake=100)
    # A generator need not have hashes of its glyphs: the toy one has none.
    others = {name for name, check in checks.items() if check.outcome != "passed"}
    assert others == {"leaks by content"}
    assert list(checks) == [
        "format",
        "content hash",
        "labels",
        "classes",
        "counts",
        "padding",
        "objects",
        "repeats",
        "boxes",
        "ink",
        "leaks by index",
        "leaks by content",
        "recipe",
        "remade",
    ]
    assert checks["remade"].detail == "100 examples, equal bit for bit"
    assert checks["leaks by index"].detail.endswith("none shared")


def test_without_remaking_no_generator_is_asked(toy_file: Path) -> None:
    assert "recipe" not in checked(toy_file)


def test_the_content_hash_is_that_of_the_header(toy_file: Path) -> None:
    with open_data(toy_file) as data:
        assert content_hash(data) == data.header.content_sha256


@pytest.mark.parametrize(
    ("check", "split", "name", "where", "value", "said"),
    [
        ("labels", "test", "labels", (3, 0), 7, "test row 3: labels [7, -1, -1]"),
        ("labels", "test", "labels", (3, 1), -2, "test row 3: labels [0, -2, -1]"),
        ("counts", "valid", "counts", (5, 0), 9, "valid row 5: counts [9, 1, 1], labels [2, 0, 1]"),
        ("padding", "train", "labels", (999, 0), -1, "train row 999: labels [-1, -1, -1]"),
        ("padding", "train", "labels", 1000, [-1, 1, -1], "train row 1000: labels [-1, 1, -1]"),
        ("padding", "test", "boxes", (3, 1, 2), 4, "boxes [[0, 4, 3, 7], [-1, -1, 4, -1]"),
        ("padding", "test", "boxes", (3, 0, 0), -1, "boxes [[-1, 4, 3, 7]"),
        ("padding", "test", "source_index", (3, 2), 8, "source index [20009, -1, 8]"),
        ("padding", "test", "source_index", (3, 2), -5, "source index [20009, -1, -5]"),
        ("objects", "valid", "labels", 7, -1, "valid row 7: objects 0"),
        ("repeats", "train", "labels", 1, [1, 1, -1], "train row 1: labels [1, 1, -1]"),
        ("boxes", "test", "boxes", (2, 2), [8, 0, 13, 3], "[8, 0, 13, 3]"),
        ("boxes", "test", "boxes", (2, 2), [8, 3, 11, 3], "[8, 3, 11, 3]"),
        ("boxes", "test", "boxes", (2, 2), [-2, 0, 1, 3], "[-2, 0, 1, 3]"),
        ("ink", "test", "boxes", (2, 0), [0, 0, 3, 4], "without ink [True, False, False]"),
        ("ink", "test", "boxes", (0, 0), [3, 0, 6, 3], "without ink [True, False, False]"),
        ("ink", "test", "images", (4, 0, 9), 1, "ink outside boxes 16, allowed 4"),
    ],
)
def test_one_thing_wrong_is_reported_with_its_row_and_values(
    toy_file: Path, check: str, split: str, name: str, where: Any, value: Any, said: str
) -> None:
    put(toy_file, split, name, where, value)
    checks = checked(toy_file)
    assert checks[check].outcome == "failed"
    assert said in checks[check].detail
    assert checks["content hash"].outcome == "failed"
    assert "the header says" in checks["content hash"].detail


def test_the_first_wrong_rows_are_shown_and_all_counted(toy_file: Path) -> None:
    put(toy_file, "train", "counts", (slice(10, 30), 0), 7)
    detail = checked(toy_file)["counts"].detail
    assert detail.startswith("train row 10: counts [7, ")
    assert detail.endswith("20 such rows in total")
    assert "row 13" not in detail


def test_too_many_objects(toy_file: Path, set_config: Callable[..., None]) -> None:
    set_config(max_objects=2)
    check = checked(toy_file)["objects"]
    assert (check.outcome, check.detail[:24]) == ("failed", "train row 2: objects 3; ")


def test_a_glyph_in_two_splits_is_a_leak(toy_file: Path) -> None:
    put(toy_file, "test", "source_index", (6, 0), 9)
    check = checked(toy_file)["leaks by index"]
    assert check.outcome == "failed"
    assert check.detail == (
        "0.8 % of the glyphs or photographs of test (1 of 120) are also in train, first glyph 9 "
        "(test row 6)"
    )


def test_ink_outside_is_allowed_up_to_the_clutter(
    toy_file: Path, set_config: Callable[..., None]
) -> None:
    set_config(clutter=0)
    assert "outside boxes 4, allowed 0" in checked(toy_file)["ink"].detail


def test_what_the_config_does_not_tell_is_skipped(
    toy_file: Path, set_config: Callable[..., None]
) -> None:
    set_config(clutter=None, clutter_size=None, unique=None, min_objects=None)
    checks = checked(toy_file)
    assert {check.outcome for check in checks.values()} == {"passed", "skipped"}
    assert checks["ink"].detail == "the config has no clutter and no clutter_size"
    assert checks["repeats"].detail == "the config has no unique"
    assert checks["objects"].detail == "the config has no min_objects"


def test_repeats_are_allowed_in_a_multiset(toy_file: Path, set_config: Callable[..., None]) -> None:
    set_config(unique=False)
    put(toy_file, "train", "labels", 1, [1, 1, -1])
    assert checked(toy_file)["repeats"] == Check("repeats", "passed", "allowed")


def test_an_example_that_is_made_differently(toy_file: Path) -> None:
    for split in SPLITS:
        put(toy_file, split, "images", (slice(None), 0, 0, 0), 77)
    checks = checked(toy_file, remake=1)
    assert checks["recipe"].outcome == "passed"
    assert checks["remade"].outcome == "failed"
    assert re.fullmatch(
        r"train row \d+: images differs in 1 places, first at \(0, 0, 0\): 77 in the file, "
        r"\d+ remade",
        checks["remade"].detail,
    )


def test_examples_of_every_split_are_made_again(toy_file: Path) -> None:
    put(toy_file, "test", "labels", (slice(None), 0), 77)
    assert checked(toy_file, remake=200)["remade"].detail.startswith("test row")


@pytest.mark.parametrize(
    ("attribute", "value"), [("source_sha256", "6" * 64), ("name", "other"), ("seed", 3)]
)
def test_a_header_that_is_not_the_recipes(toy_file: Path, attribute: str, value: Any) -> None:
    with h5py.File(toy_file, "r+") as file:
        file.attrs[attribute] = value
    check = checked(toy_file, remake=1)["recipe"]
    assert check.outcome == "failed"
    assert check.detail.startswith(f"{attribute} is {value!r} in the file, but its config gives ")


def test_sizes_that_the_config_does_not_say(
    toy_file: Path, set_config: Callable[..., None]
) -> None:
    set_config(train=1000)
    check = checked(toy_file, remake=1)["recipe"]
    assert check.outcome == "failed"
    assert "'train': 1200" in check.detail


def test_what_needs_a_source_that_is_not_to_be_had_is_skipped(
    toy_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def recipe(spec: object, data_dir: Path) -> None:
        raise SourceUnavailable(f"no glyphs in {data_dir}: name their folder")

    monkeypatch.setattr(load_generator("toy"), "recipe", recipe, raising=False)
    *others, recipe_check, made_again = verify(toy_file, remake=1, data_dir=Path("nowhere"))
    assert recipe_check == Check("recipe", "skipped", "no glyphs in nowhere: name their folder")
    assert made_again == Check("remade", "skipped", "the source is missing")
    assert {check.outcome for check in others} == {"passed", "skipped"}


def test_what_the_generator_refuses_fails(toy_file: Path, tmp_path: Path) -> None:
    *_, last = verify(toy_file, remake=1, data_dir=tmp_path / "without-source")
    assert (last.name, last.outcome) == ("recipe", "failed")
    assert last.detail.startswith("no glyphs in ")
    assert last.detail.endswith(" (--remake 0 skips this check)")


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ("ppp", "3 checks passed"),
        ("psp", "2 checks passed, 1 skipped: b"),
        ("pwp", "3 checks passed, 1 with a warning: b"),
        ("fsf", "2 of 3 checks failed: a, c"),
    ],
)
def test_a_summary_names_what_did_not_pass(outcomes: str, said: str) -> None:
    words = {"p": "passed", "w": "passed", "f": "failed", "s": "skipped"}
    checks = [
        Check(name, words[outcome], "WARNING: x" if outcome == "w" else "")
        for name, outcome in zip("abc", outcomes, strict=True)
    ]
    assert summary(checks) == said


def test_a_config_of_no_known_generator(toy_file: Path, set_config: Callable[..., None]) -> None:
    set_config(generator="toyy")
    check = checked(toy_file, remake=1)["recipe"]
    assert check.outcome == "failed"
    assert "did you mean 'toy'" in check.detail


def test_a_config_without_a_generator(toy_file: Path, set_config: Callable[..., None]) -> None:
    set_config(generator=None)
    check = checked(toy_file, remake=1)["recipe"]
    assert (check.outcome, check.detail) == ("skipped", "the config names no generator")


def test_bytes_that_cannot_be_decoded(toy_file: Path, damage: Callable[[str, int], None]) -> None:
    damage("train", 256)
    checks = checked(toy_file)
    for name in ("content hash", "ink"):
        assert checks[name].outcome == "failed"
        assert "train/images cannot be decoded" in checks[name].detail
    assert checks["labels"].outcome == "passed"


def test_a_file_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no dataset file"):
        verify(tmp_path / "x.h5", data_dir=tmp_path)


def test_a_truncated_file_fails(toy_file: Path) -> None:
    with toy_file.open("rb+") as file:
        file.truncate(toy_file.stat().st_size // 2)
    (check,) = verify(toy_file, remake=1, data_dir=toy_file.parent)
    assert (check.name, check.outcome) == ("format", "failed")
    assert check.detail.startswith(f"{toy_file} is truncated: generate it again")


def test_a_file_that_lacks_an_array_fails(toy_file: Path) -> None:
    with h5py.File(toy_file, "r+") as file:
        del file["test/counts"]
    (check,) = verify(toy_file, data_dir=toy_file.parent)
    assert (check.name, check.outcome) == ("format", "failed")
    assert f"{toy_file} lacks an array" in check.detail


def test_content_that_is_about_to_be_used_is_whole(toy_file: Path) -> None:
    with open_data(toy_file) as data:
        require_intact(data)
    put(toy_file, "test", "counts", (3, 0), 9)
    with open_data(toy_file) as data, pytest.raises(UsageError) as caught:
        require_intact(data)
    assert "; generate it again with `hsal-bench generate toy --out" in str(caught.value)


def test_the_choice_of_remade_examples_follows_the_seed(toy_file: Path) -> None:
    put(toy_file, "train", "images", (slice(None), 0, 0, 0), 77)

    def row(seed: int) -> str:
        *_, last = verify(toy_file, remake=3, data_dir=toy_file.parent, seed=seed)
        return last.detail

    assert row(0) == row(0)
    assert len({row(seed) for seed in range(4)}) > 1


def test_ink_against_boxes_pixel_by_pixel() -> None:
    rng = np.random.default_rng(0)
    ink = rng.random((40, 9, 11)) < 0.3
    low = rng.integers(-1, 8, (40, 3, 2))
    boxes = np.concatenate([low, low + rng.integers(0, 5, (40, 3, 2))], axis=2).astype(np.int16)
    sound, loose = boxes_in_range(boxes, 9, 11), loose_boxes(ink, boxes)
    outside = ink_outside(ink, boxes)
    for i in range(40):
        rest = ink[i].copy()
        for k, (x0, y0, x1, y1) in enumerate(boxes[i]):
            assert sound[i, k] == (0 <= x0 < x1 <= 11 and 0 <= y0 < y1 <= 9)
            if not sound[i, k]:
                assert not loose[i, k]
                continue
            inside = ink[i, y0:y1, x0:x1]
            borders = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
            assert loose[i, k] == (not all(border.any() for border in borders))
            rest[y0:y1, x0:x1] = False
        assert outside[i] == rest.sum()
