"""What data cards say about scenes and house numbers."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from hsal_bench.errors import UsageError
from hsal_bench.generators.glyphs import synthetic
from hsal_bench.generators.glyphs.origins import origin
from hsal_bench.generators.glyphs.sources import IDX_SOURCES, SOURCES
from hsal_bench.generators.scenes.generator import mnist_multiset, mnist_set, mnist_single
from hsal_bench.generators.scenes.spec import SceneSpec
from hsal_bench.generators.svhn.generator import svhn_multiset
from hsal_bench.generators.svhn.spec import NumbersSpec


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_has_an_origin(source: str) -> None:
    about = mnist_multiset.about(SceneSpec(source=source))
    assert about.origin
    assert about.license_url.startswith("https://")
    if source in IDX_SOURCES:
        assert about.license == IDX_SOURCES[source].license
        assert IDX_SOURCES[source].title in about.origin


def test_the_licence_is_that_of_the_header(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    few = np.ones((24, 28, 28), np.uint8), np.arange(24, dtype=np.uint8) % 10
    monkeypatch.setattr(synthetic, "synthetic_glyphs", lambda: (*few, *few))
    for name in ("synthetic", source):
        spec = SceneSpec(source=name, train=1, valid=1, test=1)
        header = mnist_multiset.recipe(spec, Path()).header
        assert mnist_multiset.about(spec).license == header.license


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(UsageError, match="no source 'mnits': did you mean 'mnist'"):
        origin("mnits")


def test_the_summary_follows_the_spec() -> None:
    larger = dataclasses.replace(mnist_multiset.defaults, canvas=150, max_objects=6, clutter=0)
    assert mnist_multiset.about(larger).summary == (
        "An image shows 1 to 6 MNIST digits (repeats allowed), resized, on a black canvas of "
        "150 x 150 pixels with no clutter."
    )
    assert "no class twice" in mnist_set.about(mnist_set.defaults).summary
    assert (
        "shows one of the MNIST digits, resized"
        in mnist_single.about(mnist_single.defaults).summary
    )


def test_single_objects_are_no_multiset_task() -> None:
    limit = "not a multiset prediction task"
    assert limit in " ".join(mnist_single.about(mnist_single.defaults).limits)
    assert limit not in " ".join(mnist_multiset.about(mnist_multiset.defaults).limits)


def test_the_layout_that_data_sets_of_one_seed_share_is_reported() -> None:
    for scenes in (mnist_set, mnist_multiset):
        assert "not independent samples" in " ".join(scenes.about(scenes.defaults).limits)


def test_the_unused_margin_is_reported_of_the_grid_alone() -> None:
    def limits(placement: str) -> str:
        return " ".join(mnist_multiset.about(SceneSpec(placement=placement)).limits)

    assert "is never used" in limits("grid")
    assert "is never used" not in limits("uniform")


def test_clutter_is_reported_where_there_is_some() -> None:
    def is_limit(clutter: int) -> bool:
        about = mnist_multiset.about(SceneSpec(clutter=clutter))
        return any("Clutter" in sentence for sentence in (*about.made, *about.limits))

    assert is_limit(8)
    assert not is_limit(0)


def test_house_numbers_are_for_non_commercial_use_only() -> None:
    about = svhn_multiset.about(svhn_multiset.defaults)
    assert about.license == "SVHN: for non-commercial use only"
    assert not about.license_url
    assert any(sentence.startswith("Commercial use") for sentence in about.not_for)
    assert "aspect ratio" in " ".join(about.limits)
    assert "`extra`" in " ".join(about.made)


def test_another_collection_is_not_taken_for_svhn() -> None:
    about = svhn_multiset.about(NumbersSpec(collection="mine", colour="grey", max_objects=3))
    assert about.license.startswith("that of the photographs")
    assert "not SVHN's official split" in about.origin
    assert not about.homepage
    assert "1 to 3 digits" in about.summary
    assert "in grey" in about.summary
