"""Glyphs that splits share: by index, by the hashes in the file, after a shift of one pixel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from hsal_bench.checking import Check
from hsal_bench.data import fingerprints, leaks
from hsal_bench.data.cards.card import card
from hsal_bench.data.cards.croissant import croissant
from hsal_bench.data.file import open_data
from hsal_bench.data.schema import SPLITS, Fingerprints
from hsal_bench.data.verify import verify
from hsal_bench.errors import HsalBenchError

pytestmark = pytest.mark.usefixtures("known_generators")

TRAIN, TEST = 9, 20_009
"""Glyphs of train's row 3 and of test's row 3."""


def checked(path: Path) -> dict[str, Check]:
    return {check.name: check for check in verify(path, data_dir=path.parent)}


def hashes(path: Path) -> Fingerprints:
    """Return the fingerprints of a toy file: every glyph has its own, its ink at (5, 5)."""
    with open_data(path) as data:
        index = np.concatenate([leaks.used_sources(data, split) for split in SPLITS])
    sha256 = np.zeros((len(index), 32), np.uint8)
    sha256[:, :4] = index.astype("<u4").view(np.uint8).reshape(-1, 4)
    return Fingerprints(index, sha256, np.full((len(index), 2), 5, np.int16))


@pytest.fixture
def like_each_other(toy_file: Path) -> Callable[..., Check]:
    """Store hashes in which glyph TEST is TRAIN shifted by (y, x); return the check."""

    def store(y: int, x: int, corner: bool = True) -> Check:
        known = hashes(toy_file)
        test, train = np.searchsorted(known.index, [TEST, TRAIN])
        known.sha256[test] = known.sha256[train]
        known.corner[test] += np.array([y, x], np.int16)
        if not corner:
            known = Fingerprints(known.index, known.sha256)
        with h5py.File(toy_file, "r+") as file:
            fingerprints.write_fingerprints(file, known)
        return checked(toy_file)["leaks by content"]

    return store


def test_a_file_without_hashes_is_compared_by_index_alone(toy_file: Path) -> None:
    check = checked(toy_file)["leaks by content"]
    assert check == Check("leaks by content", "skipped", leaks.NO_HASHES)
    assert "generate it again with --force" in check.detail
    with open_data(toy_file) as data:
        assert fingerprints.read_fingerprints(data) is None
        assert leaks.statement(data) == (
            "Leak-free: no two splits share a glyph or photograph (compared by index, since the "
            "file has no hashes of their content)."
        )


def test_equal_glyphs_of_two_splits_are_a_leak(like_each_other, toy_file: Path) -> None:
    check = like_each_other(0, 0)
    assert check.outcome == "failed"
    assert check.detail == (
        "0.8 % of the glyphs or photographs of test (1 of 120) are also in train, first glyph "
        "20009 (test row 3) equals glyph 9; equal after a shift by one pixel: none"
    )
    assert checked(toy_file)["leaks by index"].outcome == "passed"
    with open_data(toy_file) as data:
        assert "\nNot leak-free: 0.8 % of the glyphs or photographs of test" in card(data)
        assert croissant(data)["rai:dataBiases"][0].startswith("Not leak-free: 0.8 %")


@pytest.mark.parametrize("y", [-1, 0, 1])
@pytest.mark.parametrize("x", [-1, 1])
def test_a_shift_by_one_pixel_is_counted(like_each_other, y: int, x: int) -> None:
    check = like_each_other(y, x)
    assert check.outcome == "passed"
    assert check.detail.endswith(
        "none shared; equal after a shift by one pixel: 1 of test in train (first glyph 20009, "
        "from glyph 9)"
    )


@pytest.mark.parametrize(("y", "x"), [(2, 0), (0, -2), (-1, 2)])
def test_a_shift_by_more_is_another_glyph(like_each_other, y: int, x: int) -> None:
    check = like_each_other(y, x)
    assert check.outcome == "passed"
    assert check.detail.endswith("none shared; equal after a shift by one pixel: none")


def test_photographs_have_no_corner_and_no_shifts(like_each_other) -> None:
    check = like_each_other(1, 0, corner=False)
    assert check.outcome == "failed"
    assert "shift" not in check.detail


def test_overlaps_are_those_of_sets(toy_file: Path) -> None:
    known = hashes(toy_file)
    rng = np.random.default_rng(0)
    known.sha256[:] = 0
    known.sha256[:, 0] = rng.integers(0, 200, len(known.index))
    known.sha256[:, 1] = rng.integers(0, 30, len(known.index))
    known.corner[:] = rng.integers(0, 4, known.corner.shape)
    content = {
        int(index): (bytes(sha), *corner.tolist())
        for index, sha, corner in zip(known.index, known.sha256, known.corner, strict=True)
    }
    with open_data(toy_file) as data:
        used = {split: leaks.used_sources(data, split).tolist() for split in SPLITS}
        found = leaks.overlaps(data, known)
    assert [(one.earlier, one.later) for one in found] == [
        ("train", "valid"),
        ("train", "test"),
        ("valid", "test"),
    ]
    for overlap in found:
        earlier = {content[index] for index in used[overlap.earlier]}
        later = used[overlap.later]
        equal = [index for index in later if content[index] in earlier]
        near = [
            index
            for index in later
            if content[index] not in earlier and any(_near(content[index], one) for one in earlier)
        ]
        assert overlap.glyphs == len(later)
        assert overlap.equal[:, 1].tolist() == equal
        assert overlap.shifted is not None
        assert overlap.shifted[:, 1].tolist() == near
        assert all(content[a] == content[b] for a, b in overlap.equal.tolist())
        assert all(_near(content[a], content[b]) for a, b in overlap.shifted.tolist())
    assert sum(len(one.equal) for one in found) > 0
    assert sum(0 if one.shifted is None else len(one.shifted) for one in found) > 0


def _near(one: tuple[bytes, int, int], other: tuple[bytes, int, int]) -> bool:
    return one[0] == other[0] and max(abs(one[1] - other[1]), abs(one[2] - other[2])) == 1


def test_glyphs_in_use_are_collected_run_by_run(
    toy_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaks, "_RUN_ROWS", 100)
    with open_data(toy_file) as data:
        index = data.read("train", "source_index")
        expected = np.unique(index[index >= 0])
        np.testing.assert_array_equal(leaks.used_sources(data, "train"), expected)


def test_a_config_that_says_so_passes_and_is_never_called_leak_free(
    like_each_other, toy_file: Path, set_config: Callable[..., None]
) -> None:
    set_config(glyph_pools="shared")
    check = like_each_other(0, 0)
    assert check.outcome == "passed"
    assert check.detail.startswith(
        "LEAKS, as the config says (glyph_pools=shared): 0.8 % of the glyphs"
    )
    index = checked(toy_file)["leaks by index"]
    assert (index.outcome, index.detail) == (
        "passed",
        "one pool for all splits (glyph_pools=shared), but no glyph is shared",
    )


def test_one_pool_without_a_shared_glyph_is_not_called_leak_free(
    toy_file: Path, set_config: Callable[..., None]
) -> None:
    set_config(glyph_pools="shared")
    with open_data(toy_file) as data:
        assert leaks.statement(data) == "Not leak-free: all splits draw from one pool of glyphs."


def test_what_is_written_is_read(toy_file: Path) -> None:
    known = hashes(toy_file)
    with h5py.File(toy_file, "r+") as file:
        fingerprints.write_fingerprints(file, known)
    with open_data(toy_file) as data:
        again = fingerprints.read_fingerprints(data)
        assert again is not None
        for name, column in known.columns().items():
            np.testing.assert_array_equal(again.columns()[name], column)
        assert again.digest == known.digest
        assert leaks.statement(data).endswith("(compared by content).")
    # The hash of the dataset's arrays does not change.
    assert checked(toy_file)["content hash"].outcome == "passed"


def _drop(group: h5py.Group) -> None:
    del group["sha256"]


def _cut(group: h5py.Group) -> None:
    rows = group["sha256"][:-1]
    del group["sha256"]
    group["sha256"] = rows


def _change(group: h5py.Group) -> None:
    group["sha256"][3, 7] ^= 1


def _unstate(group: h5py.Group) -> None:
    del group.attrs["sha256"]


def _add(group: h5py.Group) -> None:
    group["other"] = 1


@pytest.mark.parametrize("damage", [_drop, _cut, _change, _unstate, _add])
def test_damaged_hashes_fail(toy_file: Path, damage: Callable[[h5py.Group], None]) -> None:
    known = hashes(toy_file)
    with h5py.File(toy_file, "r+") as file:
        fingerprints.write_fingerprints(file, known)
        damage(file[fingerprints.GROUP])
    check = checked(toy_file)["leaks by content"]
    assert check.outcome == "failed"
    assert check.detail.startswith(f"{toy_file}: sources ")
    with open_data(toy_file) as data, pytest.raises(HsalBenchError, match="sources"):
        fingerprints.read_fingerprints(data)


@pytest.mark.parametrize("name", ["sources", "sources/index"])
@pytest.mark.parametrize("to", [h5py.SoftLink("/x"), h5py.ExternalLink("x.h5", "/x")])
def test_linked_hashes_are_refused(
    toy_file: Path, name: str, to: h5py.SoftLink | h5py.ExternalLink
) -> None:
    known = hashes(toy_file)
    with h5py.File(toy_file, "r+") as file, h5py.File(toy_file.with_name("x.h5"), "w") as other:
        fingerprints.write_fingerprints(file, known)
        file.copy(name, other, "x")
        file.move(name, "x")
        file[name] = to
    with open_data(toy_file) as data, pytest.raises(HsalBenchError, match=f"{name} is a link to"):
        fingerprints.read_fingerprints(data)


def test_a_glyph_without_a_hash_fails(toy_file: Path) -> None:
    known = hashes(toy_file)
    assert known.corner is not None
    kept = known.index != TEST
    with h5py.File(toy_file, "r+") as file:
        fingerprints.write_fingerprints(
            file, Fingerprints(known.index[kept], known.sha256[kept], known.corner[kept])
        )
    check = checked(toy_file)["leaks by content"]
    assert (check.outcome, check.detail) == (
        "failed",
        f"1 glyphs of test have no hash, first glyph {TEST}",
    )
