"""Scenes whose splits leak on purpose: `--glyph-pools shared`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from hsal_bench.checking import Check
from hsal_bench.data import names as dataset_names
from hsal_bench.data.build import build_file
from hsal_bench.data.cards.card import card
from hsal_bench.data.cards.croissant import croissant
from hsal_bench.data.file import open_data
from hsal_bench.data.verify import verify
from hsal_bench.errors import UsageError
from hsal_bench.generators.glyphs.load import load_glyphs, make_pools
from hsal_bench.generators.scenes.generator import mnist_multiset, mnist_set, mnist_single
from hsal_bench.generators.scenes.spec import SceneSpec
from hsal_bench.options import as_config, from_json

SMALL = {"train": 120, "valid": 20, "test": 60}


def made(folder: Path, source: str, workers: int = 1, **fields: object) -> Path:
    spec = SceneSpec(**{"source": source, **SMALL, **fields})  # type: ignore[arg-type]
    recipe = mnist_multiset.recipe(spec, folder)
    return build_file(recipe, folder / f"{recipe.header.name}.h5", workers=workers)


def checked(path: Path, remake: int = 20) -> dict[str, Check]:
    return {check.name: check for check in verify(path, remake=remake, data_dir=path.parent)}


def test_shared_pools_are_one_and_hold_the_training_glyphs(source: str, tmp_path: Path) -> None:
    glyphs = load_glyphs(source, tmp_path)
    for pool in make_pools(glyphs, "shared").values():
        assert sorted(pool.glyphs) == list(range(len(glyphs.train_labels)))


def test_shared_pools_leak_and_verify_says_so(source: str, tmp_path: Path) -> None:
    path = made(tmp_path, source, glyph_pools="shared", train=600)
    assert path.stem == "idx-multiset-shared"
    checks = checked(path)
    assert {check.outcome for check in checks.values()} == {"passed"}
    for how in ("index", "content"):
        detail = checks[f"leaks by {how}"].detail
        assert detail.startswith("LEAKS, as the config says (glyph_pools=shared): ")
        assert "of the glyphs or photographs of test (" in detail
        assert "none shared" not in detail


def test_the_card_of_a_file_tells_what_is_measured(source: str, tmp_path: Path) -> None:
    cards = {}
    for pools in ("disjoint", "shared"):
        with open_data(made(tmp_path, source, glyph_pools=pools, train=600)) as data:
            cards[pools] = card(data)
            fields = {
                field["@id"] for one in croissant(data)["recordSet"] for field in one["field"]
            }
            assert {"sources/index", "sources/sha256", "sources/corner"} < fields
    assert "Leak-free: no two splits share a glyph or photograph" in cards["disjoint"]
    assert "eak-free: no" not in cards["shared"]
    assert "Not leak-free: " in cards["shared"]
    assert all("| `corner` | top and left of the glyph's ink" in text for text in cards.values())


def test_shared_pools_change_the_glyphs_alone(source: str) -> None:
    spec = SceneSpec(source=source, **SMALL)
    plain = mnist_multiset.recipe(spec, Path())
    shared = mnist_multiset.recipe(dataclasses.replace(spec, glyph_pools="shared"), Path())
    one, other = (recipe.make("test", 0, 60) for recipe in (plain, shared))
    np.testing.assert_array_equal(one["counts"].sum(1), other["counts"].sum(1))
    # Ink is tight in its square, so places differ by a few pixels: by less than a cell.
    there = one["labels"] >= 0
    assert np.abs(one["boxes"].astype(int) - other["boxes"])[there].max() < 50
    assert (one["source_index"] != other["source_index"])[there].mean() > 0.9


def test_a_small_leaky_dataset_is_a_prefix_of_a_large_one(source: str) -> None:
    spec = SceneSpec(source=source, glyph_pools="shared", **SMALL)
    large = mnist_multiset.recipe(dataclasses.replace(spec, train=9000), Path())
    small = mnist_multiset.recipe(spec, Path()).make("train", 13, 60)
    for name, array in large.make("train", 0, 300).items():
        np.testing.assert_array_equal(array[13:60], small[name])


@pytest.mark.parametrize("generator", [mnist_single, mnist_set, mnist_multiset])
def test_a_name_tells_that_the_pools_are_shared(generator) -> None:
    for name in (f"{generator.name}-shared", f"{generator.name}-uniform-shared"):
        spec = generator.spec_of(name)
        assert spec.glyph_pools == "shared"
        assert generator.data_set_name(spec) == name
    assert "LEAKS" in generator.family(generator.defaults)[f"{generator.name}-shared"]


def test_variations_can_share_their_pools_too() -> None:
    spec = mnist_multiset.spec_of("kmnist-multiset-5to8-shared")
    assert (spec.source, spec.max_objects, spec.glyph_pools) == ("kmnist", 8, "shared")


def test_the_config_tells_of_shared_pools_alone() -> None:
    plain, shared = SceneSpec(), SceneSpec(glyph_pools="shared")
    assert "glyph_pools" not in as_config(plain)
    assert as_config(shared)["glyph_pools"] == "shared"
    for spec in (plain, shared):
        assert from_json(SceneSpec, as_config(spec), "x") == spec
    with pytest.raises(UsageError, match="glyph_pools='both': use disjoint or shared"):
        SceneSpec(glyph_pools="both")  # type: ignore[arg-type]


def test_eval_on_all_leaves_out_what_leaks() -> None:
    for spec in (SceneSpec(), SceneSpec(glyph_pools="shared")):
        names = dataset_names.family({"generator": "mnist-multiset", **as_config(spec)})
        assert {"mnist-multiset", "mnist-multiset-4"} < set(names)
        assert not any(name.endswith("-shared") for name in names)
    assert "mnist-multiset-shared" in dataset_names.variations("mnist-multiset")


def test_the_activation_model_is_that_of_the_leak_free_dataset() -> None:
    plain = mnist_multiset.companion(SceneSpec())
    assert mnist_multiset.companion(SceneSpec(glyph_pools="shared")) == plain


def test_the_card_says_that_it_leaks() -> None:
    about = mnist_multiset.about(SceneSpec(glyph_pools="shared"))
    assert about.summary.endswith("Its splits leak: they draw from one pool of glyphs.")
    assert "all draw from the source's training glyphs" in about.made[0]
    limits = " ".join(about.limits)
    assert "The splits leak on purpose" in limits
    assert "the writers of `test` are different" not in limits
    assert about.not_for[-1].startswith("Reporting how good a method is")
    plain = mnist_multiset.about(SceneSpec())
    assert "leak" not in " ".join([plain.summary, *plain.made, *plain.limits])
    assert "the writers of `test` are different" in " ".join(plain.limits)
