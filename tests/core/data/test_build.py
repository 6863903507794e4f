import errno
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest

from hsal_bench import options
from hsal_bench.data import writer
from hsal_bench.data.build import JOB_ROWS, build_file, on_this_machine, split_jobs
from hsal_bench.data.file import open_data
from hsal_bench.data.generator import Recipe, Rows, load_generator
from hsal_bench.data.schema import SPLITS, Examples, Header, Layout, content_sha256, run_digests
from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.locks import BusyError, refusing_to_wait

ARRAYS = ("images", "labels", "counts", "boxes", "source_index")


class CountingRecipe:
    """Examples whose every number follows from their place; remembers what it made."""

    def __init__(self, seed: int = 0, train: int = 2 * JOB_ROWS + 700, fail_at: int = -1) -> None:
        self.header = Header(
            "counting", "1", ("a", "b", "c"), {"seed": seed}, seed, "none", "0", "1", "CC0", "none"
        )
        self.layout = Layout((1, 9, 9), 2, 3, {"train": train, "valid": 5, "test": 600})
        self.fail_at = fail_at
        self.made: list[tuple[str, int, int]] = []

    def makers(self, wanted: Sequence[Rows]) -> Iterator[tuple[Rows, "CountingRecipe"]]:
        yield from ((rows, self) for rows in wanted)

    def make(self, split: str, start: int, stop: int) -> Examples:
        if split == "train" and start <= self.fail_at < stop:
            raise KeyboardInterrupt
        self.made.append((split, start, stop))
        place = np.arange(start, stop) * 7 + SPLITS.index(split) + self.header.seed
        examples = {}
        for name, (dtype, row_shape) in self.layout.arrays().items():
            inner = np.arange(int(np.prod(row_shape))).reshape(row_shape)
            examples[name] = (place.reshape(-1, *[1] * inner.ndim) + inner).astype(dtype)
        return examples


def whole(recipe: CountingRecipe, split: str) -> Examples:
    return CountingRecipe(recipe.header.seed).make(split, 0, recipe.layout.sizes[split])


def content(path: Path) -> str:
    with open_data(path) as data:
        return data.header.content_sha256


def test_the_file_holds_what_the_recipe_makes(tmp_path: Path) -> None:
    recipe = CountingRecipe()
    path = build_file(recipe, tmp_path / "new" / "x.h5", workers=1)
    digests = {}
    with open_data(path) as data:
        assert data.layout == recipe.layout
        for split in SPLITS:
            expected = whole(recipe, split)
            for name in ARRAYS:
                np.testing.assert_array_equal(data.read(split, name), expected[name])
                np.testing.assert_array_equal(data.file[split][name][...], expected[name])
                digests[split, name] = run_digests(expected[name])
        assert data.header.content_sha256 == content_sha256(recipe.layout, digests)
        assert data.header.config == recipe.header.config
    assert [file.name for file in path.parent.iterdir()] == ["x.h5"]


def test_arrays_are_chunked_and_deflated(tmp_path: Path) -> None:
    with h5py.File(build_file(CountingRecipe(), tmp_path / "x.h5", workers=1)) as file:
        for split in SPLITS:
            for name in ARRAYS:
                array = file[split][name]
                assert (array.compression, array.compression_opts) == ("gzip", 1)
                assert array.shuffle
        assert file["train/images"].chunks[0] == 512
        assert file["valid/images"].chunks[0] == 5


def test_runs_are_multiples_of_chunks(tmp_path: Path) -> None:
    recipe = CountingRecipe()
    build_file(recipe, tmp_path / "x.h5", workers=1)
    assert all(start % 512 == 0 for _, start, _ in recipe.made)
    assert max(stop - start for _, start, stop in recipe.made) == 512
    assert [len(job) for job in split_jobs(recipe.layout)] == [2048, 2048, 700, 5, 600]


def test_makers_can_come_in_any_order(tmp_path: Path) -> None:
    class Backwards(CountingRecipe):
        def makers(self, wanted: Sequence[Rows]) -> Iterator[tuple[Rows, CountingRecipe]]:
            yield from ((rows, self) for rows in reversed(wanted))

    backwards = build_file(Backwards(), tmp_path / "x.h5", workers=1)
    assert content(backwards) == content(build_file(CountingRecipe(), tmp_path / "y.h5", workers=1))


def test_a_recipe_that_stops_early_is_reported(tmp_path: Path) -> None:
    class Short(CountingRecipe):
        def makers(self, wanted: Sequence[Rows]) -> Iterator[tuple[Rows, CountingRecipe]]:
            yield from ((rows, self) for rows in wanted[:2])

    with pytest.raises(HsalBenchError, match=r"stopped after 4096 of 5401 examples \(kept\)"):
        build_file(Short(), tmp_path / "x.h5", workers=1)
    assert not (tmp_path / "x.h5").exists()


def test_progress_counts_every_example(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    build_file(
        CountingRecipe(), tmp_path / "x.h5", workers=1, progress=lambda *done: seen.append(done)
    )
    total = 2 * JOB_ROWS + 700 + 605
    assert seen[0] == (0, total)
    assert seen[-1] == (total, total)
    assert seen == sorted(seen)


def test_workers_that_started_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = load_generator("mnist-multiset")
    given = {"source": "synthetic", "train": str(JOB_ROWS), "valid": "10", "test": "10"}
    recipe = generator.recipe(
        options.replace(generator.defaults, given, "mnist-multiset"), tmp_path
    )
    build_file(recipe, tmp_path / "first.h5", workers=2)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    build_file(recipe, Path("second.h5"), workers=2)
    assert content(tmp_path / "first.h5") == content(tmp_path / "other" / "second.h5")


class Killing:
    """A maker that ends the worker process which receives it."""

    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (1,)


def test_a_killed_worker_is_reported_and_its_images_are_generated_again(tmp_path: Path) -> None:
    class Recipe(CountingRecipe):
        def makers(self, wanted: Sequence[Rows]) -> Iterator[tuple[Rows, object]]:
            yield from ((rows, Killing()) for rows in wanted)

    path = tmp_path / "x.h5"
    with pytest.raises(HsalBenchError, match=r"^a worker process was killed, .* to resume"):
        build_file(Recipe(), path, workers=2)
    assert not path.exists()
    build_file(CountingRecipe(), path, workers=1)
    assert content(path) == content(build_file(CountingRecipe(), tmp_path / "y.h5", workers=1))


def test_a_killed_build_goes_on_and_gives_the_same(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with pytest.raises(KeyboardInterrupt):
        build_file(CountingRecipe(fail_at=JOB_ROWS + 600), path, workers=1)
    assert not path.exists()
    again, seen = CountingRecipe(), []
    build_file(again, path, workers=1, progress=lambda *done: seen.append(done))
    assert min(start for split, start, _ in again.made if split == "train") == JOB_ROWS
    assert seen[0][0] == JOB_ROWS
    assert content(path) == content(build_file(CountingRecipe(), tmp_path / "y.h5", workers=1))


def test_a_broken_part_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with pytest.raises(KeyboardInterrupt):
        build_file(CountingRecipe(fail_at=2 * JOB_ROWS), path, workers=1)
    first, second = sorted((tmp_path / ".x.h5.parts").glob("*.npz"))
    first.write_bytes(first.read_bytes()[:-30])
    changed = bytearray(second.read_bytes())
    changed[len(changed) // 2] ^= 1
    second.write_bytes(changed)
    again = CountingRecipe()
    build_file(again, path, workers=1)
    assert again.made[0] == ("train", 0, 512)
    assert content(path) == content(build_file(CountingRecipe(), tmp_path / "y.h5", workers=1))


def test_parts_of_another_recipe_are_not_used(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with pytest.raises(KeyboardInterrupt):
        build_file(CountingRecipe(seed=1, fail_at=2 * JOB_ROWS), path, workers=1)
    again = CountingRecipe()
    build_file(again, path, workers=1)
    assert again.made[0] == ("train", 0, 512)
    assert content(path) == content(build_file(CountingRecipe(), tmp_path / "y.h5", workers=1))


@pytest.mark.parametrize("place", ["part", "build.json", "joined.h5"])
def test_a_folder_in_the_place_of_a_file_is_removed(place: str, tmp_path: Path) -> None:
    path, folder = tmp_path / "x.h5", tmp_path / ".x.h5.parts"
    with pytest.raises(KeyboardInterrupt):
        build_file(CountingRecipe(fail_at=2 * JOB_ROWS), path, workers=1)
    file = min(folder.glob("*.npz")) if place == "part" else folder / place
    file.unlink(missing_ok=True)
    (file / "below").mkdir(parents=True)
    build_file(CountingRecipe(), path, workers=1)
    assert content(path) == content(build_file(CountingRecipe(), tmp_path / "y.h5", workers=1))
    assert not folder.exists()


def test_an_intact_part_in_the_place_of_another_is_not_used(tmp_path: Path) -> None:
    path, other = tmp_path / "x.h5", tmp_path / "other.h5"
    for target, seed in ((path, 0), (other, 1)):
        with pytest.raises(KeyboardInterrupt):
            build_file(CountingRecipe(seed, fail_at=2 * JOB_ROWS), target, workers=1)
    first, second = sorted((tmp_path / ".x.h5.parts").glob("*.npz"))
    shutil.copy(tmp_path / ".other.h5.parts" / first.name, first)
    shutil.copy(tmp_path / ".other.h5.parts" / first.name, second)
    again = CountingRecipe()
    build_file(again, path, workers=1)
    assert {start for split, start, _ in again.made if split == "train"} >= {0, JOB_ROWS}
    assert content(path) == content(build_file(CountingRecipe(), tmp_path / "y.h5", workers=1))


def test_a_part_that_another_build_replaces_later_is_refused(tmp_path: Path) -> None:
    with (
        writer.Parts.open(CountingRecipe(), tmp_path / "x.h5") as parts,
        pytest.raises(HsalBenchError, match="jobs of an earlier command write there too"),
    ):
        late = writer.Parts(parts.folder, writer.identity(CountingRecipe(seed=1)))
        assert parts.expected()
        assert not late.expected()
        late.save("valid-0000000000", {"labels": np.zeros(3)})
        parts.load("valid-0000000000")


def test_a_link_in_the_place_of_the_parts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept.npz").touch()
    (tmp_path / ".x.h5.parts").symlink_to(tmp_path / "mine")
    with pytest.raises(UsageError, match="is a link"):
        build_file(CountingRecipe(), tmp_path / "x.h5", workers=1)
    assert (tmp_path / "mine" / "kept.npz").exists()


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = build_file(CountingRecipe(seed=1), tmp_path / "x.h5", workers=1)
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        build_file(CountingRecipe(fail_at=JOB_ROWS), path, workers=1)
    assert path.read_bytes() == before


@pytest.mark.parametrize("before", [None, 2])
def test_a_crash_between_the_two_steps_of_publishing_keeps_the_old_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int | None
) -> None:
    path = build_file(CountingRecipe(seed=1), tmp_path / "x.h5", shards=before)
    old, new = content(path), content(build_file(CountingRecipe(), tmp_path / "y.h5"))
    replace = Path.replace

    def crash(self: Path, target: Path) -> Path:
        if self.name == "joined.h5":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        build_file(CountingRecipe(), path, shards=2)
    monkeypatch.undo()
    assert not path.exists()
    # Another recipe, which stops at its first example.
    with pytest.raises(KeyboardInterrupt):
        build_file(CountingRecipe(seed=2, fail_at=0), path)
    assert content(path) == old
    assert content(build_file(CountingRecipe(), path, shards=2)) == new
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.h5", "y.h5"]


def test_a_file_that_comes_into_a_folder_of_shards_during_a_build_is_kept(tmp_path: Path) -> None:
    path = build_file(CountingRecipe(seed=1), tmp_path / "x.h5", shards=2)
    notes, before = path / "notes.txt", content(path)
    with pytest.raises(UsageError, match=r"is a folder with other files \(notes.txt\)"):
        build_file(CountingRecipe(), path, progress=lambda *done: notes.touch())
    assert notes.exists()
    assert content(path) == before


def test_shards_replace_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    path.symlink_to(tmp_path / "missing.h5")
    build_file(CountingRecipe(), path, shards=2)
    assert path.is_dir()
    assert not path.is_symlink()


def test_files_that_cannot_be_removed_do_not_fail_a_complete_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(recipe: Recipe, parts: writer.Parts, jobs: Sequence[Rows]) -> Iterator[Rows]:
        (parts.folder / "slurm").mkdir()
        yield from on_this_machine(1)(recipe, parts, jobs)

    def refuse(path: Path) -> None:
        raise OSError(errno.ENOTEMPTY, "Directory not empty", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    path = build_file(CountingRecipe(), tmp_path / "x.h5", run=run)
    monkeypatch.undo()
    assert content(path) == content(build_file(CountingRecipe(), tmp_path / "y.h5"))
    assert [file.name for file in (tmp_path / ".x.h5.parts").iterdir()] == ["slurm"]


def test_a_full_disk_is_reported_and_the_parts_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = build_file(CountingRecipe(seed=1), tmp_path / "x.h5", workers=1)
    before = path.read_bytes()
    save = writer.Parts.save

    def save_or_fail(self: writer.Parts, name: str, part: writer.Part) -> None:
        if name.startswith("valid"):
            raise OSError(errno.ENOSPC, "No space left on device")
        save(self, name, part)

    monkeypatch.setattr(writer.Parts, "save", save_or_fail)
    with pytest.raises(OSError, match="No space left") as caught:
        build_file(CountingRecipe(), path, workers=1)
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == before
    monkeypatch.undo()
    again = CountingRecipe()
    build_file(again, path, workers=1)
    assert {split for split, _, _ in again.made} == {"valid", "test"}


def test_hdf5_tells_a_full_disk_with_its_number(tmp_path: Path) -> None:
    report = "Can't write (file write failed: errno = 28, error message = 'No space left')"
    with (
        pytest.raises(OSError, match="No space left on device") as caught,
        writer._system_errors(tmp_path / "x.h5"),
    ):
        raise RuntimeError(report)
    assert caught.value.errno == errno.ENOSPC


def test_two_builds_of_one_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with (
        writer.Parts.open(CountingRecipe(), path),
        refusing_to_wait(),
        pytest.raises(BusyError, match="another process is building"),
    ):
        build_file(CountingRecipe(), path, workers=1)


def test_parts_say_what_they_are_of(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with pytest.raises(KeyboardInterrupt):
        build_file(CountingRecipe(fail_at=JOB_ROWS), path, workers=1)
    folder = tmp_path / ".x.h5.parts"
    assert json.loads((folder / "build.json").read_text())["header"]["name"] == "counting"
    shutil.rmtree(folder)
    build_file(CountingRecipe(), path, workers=1)


def test_a_file_that_another_process_has_built_is_not_built_again(tmp_path: Path) -> None:
    path = build_file(CountingRecipe(seed=1), tmp_path / "x.h5", workers=1)
    before = path.read_bytes()
    build_file(CountingRecipe(fail_at=0), path, workers=1, is_done=lambda: True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
