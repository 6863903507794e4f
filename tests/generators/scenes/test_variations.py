"""The datasets that vary the paper's in one respect: names, content and cards."""

import dataclasses
from pathlib import Path

import pytest

from hsal_bench.errors import UsageError
from hsal_bench.generators.scenes.generator import mnist_multiset, mnist_set, mnist_single
from hsal_bench.generators.scenes.spec import SceneSpec
from hsal_bench.generators.scenes.variations import VARIATIONS

SMALL = {"train": 60, "valid": 20, "test": 40}
EXPECTED = {
    "-4": ((4, 4), (20, 50), 8),
    "-5to8": ((5, 8), (20, 24), 8),
    "-10": ((10, 10), (20, 24), 8),
    "-empty": ((0, 4), (20, 50), 8),
    "-cluttered": ((1, 4), (20, 50), 16),
    "-small": ((1, 4), (12, 19), 8),
    "-large": ((1, 1), (51, 70), 8),
}


def spec_named(name: str, like: SceneSpec | None = None) -> SceneSpec:
    spec = mnist_multiset.spec_of(name, like)
    assert spec is not None
    return spec


def test_each_suffix_stands_for_what_it_says() -> None:
    found = {}
    for suffix in VARIATIONS:
        spec = spec_named(f"mnist-multiset{suffix}")
        objects, sizes = (spec.min_objects, spec.max_objects), (spec.min_size, spec.max_size)
        found[suffix] = objects, sizes, spec.clutter
        assert (spec.placement == "uniform") == (suffix == "-large")
        assert dataclasses.replace(SceneSpec(), **VARIATIONS[suffix].changes) == spec
    assert found == EXPECTED


@pytest.mark.parametrize("suffix", VARIATIONS)
@pytest.mark.parametrize("placement", ["grid", "uniform"])
def test_what_is_made_is_what_the_name_says(suffix: str, placement: str, source: str) -> None:
    uniform = "-uniform" if placement == "uniform" and suffix != "-large" else ""
    spec = spec_named(f"synthetic-multiset{suffix}{uniform}")
    spec = dataclasses.replace(spec, source=source, **SMALL)
    recipe = mnist_multiset.recipe(spec, Path())
    examples = recipe.make("test", 0, 40)
    (least, most), (_, largest), _ = EXPECTED[suffix]
    number = examples["counts"].sum(1)
    assert (number.min(), number.max()) == (least, most)
    x0, y0, x1, y1 = examples["boxes"][examples["labels"] >= 0].T
    assert largest // 2 < max((x1 - x0).max(), (y1 - y0).max()) <= largest
    assert recipe.header.name == f"idx-multiset{suffix}{uniform}"


def test_a_spec_that_equals_a_variation_has_its_name() -> None:
    def name(**fields: object) -> str:
        return mnist_multiset.data_set_name(SceneSpec(**fields))

    assert name(min_objects=5, max_objects=8, min_size=20, max_size=24) == "mnist-multiset-5to8"
    assert name(min_objects=0, canvas=150, seed=3, train=7) == "mnist-multiset-empty"
    assert name(clutter=16, source="kmnist") == "kmnist-multiset-cluttered"
    assert name(min_objects=4, placement="uniform") == "mnist-multiset-4-uniform"
    large = {"min_size": 51, "max_size": 70, "max_objects": 1}
    assert name(**large, placement="uniform") == "mnist-multiset-large"
    assert name(**large) == "mnist-multiset"
    # Two things changed at once are none of them.
    assert name(min_objects=4, clutter=16) == "mnist-multiset"


def test_the_other_data_sets_have_no_variations() -> None:
    assert mnist_set.spec_of("mnist-set-empty") is None
    assert mnist_set.data_set_name(SceneSpec(unique=True, min_objects=0)) == "mnist-set"
    assert set(mnist_single.family(mnist_single.defaults)) == {
        "mnist-single",
        "mnist-single-uniform",
        "mnist-single-shared",
    }


def test_the_family_is_of_the_same_source() -> None:
    every = {f"synthetic-multiset{suffix}" for suffix in ("", "-uniform", "-shared", *VARIATIONS)}
    for name in sorted(every):
        assert set(mnist_multiset.family(spec_named(name))) == every
    lines = mnist_multiset.family(mnist_multiset.defaults)
    assert lines["mnist-multiset-empty"] == "0 to 4 digits: an image may be empty"


def test_what_a_name_says_nothing_of_is_as_in_another_spec() -> None:
    own = "a.idx,b.idx"
    like = SceneSpec(source=own, canvas=120, seed=3, train=7, test=9, min_objects=2, clutter=4)
    spec = spec_named("idx-multiset-small", like)
    assert spec == SceneSpec(
        source=own, canvas=120, seed=3, train=7, test=9, min_size=12, max_size=19
    )
    assert spec_named("kmnist-multiset", like).source == "kmnist"
    with pytest.raises(UsageError, match="max_size=70 is larger than canvas=60"):
        spec_named("mnist-multiset-large", SceneSpec(canvas=60, max_objects=1))


def test_one_activation_model_serves_a_data_set_and_its_variations() -> None:
    _, plain = mnist_multiset.companion(mnist_multiset.defaults)
    for suffix in VARIATIONS:
        name, single = mnist_multiset.companion(spec_named(f"mnist-multiset{suffix}"))
        assert (name, single) == ("mnist-single", plain)
    mixed = SceneSpec(min_objects=4, clutter=16)
    assert mnist_multiset.companion(mixed)[1] == dataclasses.replace(plain, clutter=16)


def test_own_files_have_to_be_named(tmp_path: Path) -> None:
    spec = spec_named("idx-multiset-empty")
    with pytest.raises(UsageError, match="source=IMAGES,LABELS is a placeholder"):
        mnist_multiset.recipe(spec, tmp_path)


def test_a_large_digit_is_anywhere() -> None:
    spec = dataclasses.replace(spec_named("synthetic-multiset-large"), **SMALL)
    boxes = mnist_multiset.recipe(spec, Path()).make("test", 0, 40)["boxes"][:, 0]
    # In a grid of one cell no ink would end beyond the largest object's 70 pixels.
    assert (boxes[:, 2:].max(0) > 80).all()


def test_cards_tell_what_is_particular() -> None:
    def limits(suffix: str) -> str:
        return " ".join(mnist_multiset.about(spec_named(f"mnist-multiset{suffix}")).limits)

    assert limits("-large").startswith("An image has one object: two objects larger than half")
    assert "for training the network" not in limits("-large")
    assert limits("-10").startswith("Ten objects of 20 to 50 pixels")
    assert "An image may have no object" in limits("-empty")
    assert "An image may have no object" not in limits("-4")
