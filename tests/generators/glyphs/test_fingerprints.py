"""The hashes of the glyphs behind scenes, and sources that leak by themselves."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from hsal_bench.checking import Check
from hsal_bench.data import generate as generation
from hsal_bench.data.build import build_file
from hsal_bench.data.file import open_data
from hsal_bench.data.fingerprints import read_fingerprints, write_fingerprints
from hsal_bench.data.schema import SPLITS, Fingerprints
from hsal_bench.data.verify import verify
from hsal_bench.generators.glyphs.load import glyph_fingerprints, load_glyphs
from hsal_bench.generators.scenes.generator import mnist_multiset
from hsal_bench.generators.scenes.spec import SceneSpec

SMALL = {"train": 120, "valid": 20, "test": 60}


def made(folder: Path, source: str, workers: int = 1, **fields: object) -> Path:
    spec = SceneSpec(**{"source": source, **SMALL, **fields})  # type: ignore[arg-type]
    recipe = mnist_multiset.recipe(spec, folder)
    return build_file(recipe, folder / f"{recipe.header.name}.h5", workers=workers)


def checked(path: Path, remake: int = 20) -> dict[str, Check]:
    return {check.name: check for check in verify(path, remake=remake, data_dir=path.parent)}


def stored(path: Path) -> Fingerprints:
    with open_data(path) as data:
        known = read_fingerprints(data)
    assert known is not None
    return known


def same_twice(files: Sequence[Path]) -> str:
    """Return a source whose test glyphs are its training glyphs."""
    return ",".join(map(str, [*files[:2], *files[:2]]))


def test_a_sound_source_passes_and_its_hashes_are_made_again(source: str, tmp_path: Path) -> None:
    checks = checked(made(tmp_path, source))
    assert {check.outcome for check in checks.values()} == {"passed"}
    assert checks["leaks by content"].detail.endswith(
        "none shared; equal after a shift by one pixel: none"
    )
    assert "the config, the hashes of " in checks["recipe"].detail


def test_the_same_files_for_train_and_test_leak(idx_files: list[Path], tmp_path: Path) -> None:
    checks = checked(made(tmp_path, same_twice(idx_files)))
    assert checks["leaks by index"].outcome == "passed"
    check = checks["leaks by content"]
    assert check.outcome == "failed"
    # Of 240 glyphs 20 are valid's; the test split draws from all of them.
    assert "of the glyphs or photographs of test" in check.detail
    assert "are also in train, first glyph 24" in check.detail
    failed = {name for name, check in checks.items() if check.outcome == "failed"}
    assert failed == {"leaks by content"}


def test_generate_says_that_a_source_leaks(idx_files: list[Path], tmp_path: Path) -> None:
    texts = {name: str(number) for name, number in SMALL.items()}
    sources = {"a": same_twice(idx_files), "b": ",".join(map(str, idx_files))}
    warnings = {}
    for name, source in sources.items():
        jobs = generation.plan(["mnist-multiset"], {"source": source, **texts}, tmp_path / name)
        ((job, recipe),) = generation.recipes(jobs, tmp_path)
        _, warnings[name] = generation.generate_file(job, recipe, 1)
    (warning,) = warnings["a"]
    assert warning.startswith("WARNING: Not leak-free: ")
    assert warnings["b"] == []


def test_every_used_glyph_has_a_hash_and_no_other(source: str, tmp_path: Path) -> None:
    path = made(tmp_path, source)
    with open_data(path) as data:
        used = [np.unique(data.read(split, "source_index")) for split in SPLITS]
    known = stored(path)
    assert known.index.tolist() == sorted(set(np.concatenate(used).tolist()) - {-1})
    glyphs = load_glyphs(source, tmp_path)
    images = np.concatenate([glyphs.train_images, glyphs.test_images])
    assert known.corner is not None
    for index, sha256, (top, left) in zip(
        known.index, known.sha256, known.corner.tolist(), strict=True
    ):
        ink = np.argwhere(images[index])
        (y0, x0), (y1, x1) = ink.min(0), ink.max(0) + 1
        crop = b"%d x %d\n" % (y1 - y0, x1 - x0) + images[index][y0:y1, x0:x1].tobytes()
        assert (top, left) == (y0, x0)
        assert bytes(sha256) == hashlib.sha256(crop).digest()


def test_a_shifted_glyph_has_the_same_hash_and_another_corner() -> None:
    glyph = np.zeros((28, 28), np.uint8)
    glyph[4:20, 6:17] = np.arange(1, 177).reshape(16, 11)
    glyphs = np.stack([glyph, np.roll(glyph, (1, -1), (0, 1)), glyph * (glyph != 9), glyph * 0])
    known = glyph_fingerprints(glyphs, np.arange(4))
    assert known.corner is not None
    assert known.corner.tolist() == [[4, 6], [5, 5], [4, 6], [0, 0]]
    assert [bytes(known.sha256[i]) == bytes(known.sha256[0]) for i in range(4)] == [
        *(True, True, False, False)
    ]


def test_the_hashes_do_not_depend_on_the_workers(source: str, tmp_path: Path) -> None:
    digests = {}
    for workers in (1, 2):
        (folder := tmp_path / str(workers)).mkdir()
        digests[workers] = stored(made(folder, source, workers, train=4500)).digest
    assert digests[1] == digests[2]


def test_hashes_that_are_not_the_source_s_fail(source: str, tmp_path: Path) -> None:
    path = made(tmp_path, source)
    known = stored(path)
    forged = dataclasses.replace(known, sha256=known.sha256[::-1])
    far = dataclasses.replace(known, index=known.index + 1000)
    for table, said in (
        (forged, "differ from those of the source's"),
        (far, "that the source does not have"),
    ):
        with h5py.File(path, "r+") as file:
            del file["sources"]
            write_fingerprints(file, table)
        check = checked(path)["recipe"]
        assert check.outcome == "failed"
        assert said in check.detail


def test_the_content_is_that_of_before_there_were_hashes(tmp_path: Path) -> None:
    path = made(tmp_path, "synthetic")
    with open_data(path) as data:
        assert data.header.content_sha256 == CONTENT
        assert "glyph_pools" not in data.header.config
    with h5py.File(path, "r+") as file:
        del file["sources"]
    checks = checked(path)
    assert checks["leaks by content"].outcome == "skipped"
    assert {check.outcome for check in checks.values()} == {"passed", "skipped"}


CONTENT = "13dceaea7022d9b89e80c9158a7540c18d60df7ba812214e423e14bcb275090d"
