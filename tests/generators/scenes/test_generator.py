import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest

from hsal_bench.data.build import build_file
from hsal_bench.data.file import open_data
from hsal_bench.data.generator import load_generator
from hsal_bench.data.schema import SPLITS
from hsal_bench.errors import SourceUnavailable, UsageError
from hsal_bench.generators.glyphs.sources import IDX_SOURCES, SOURCES
from hsal_bench.generators.scenes import generator as scenes
from hsal_bench.generators.scenes.generator import (
    SceneGenerator,
    mnist_multiset,
    mnist_set,
    mnist_single,
)
from hsal_bench.options import from_json

SMALL = {"train": 60, "valid": 20, "test": 30}
GENERATORS = [mnist_single, mnist_set, mnist_multiset]


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda generator: generator.name)
def test_examples_are_of_the_layout_and_agree(generator: SceneGenerator, source: str) -> None:
    spec = dataclasses.replace(generator.defaults, source=source, **SMALL)
    recipe = generator.recipe(spec, Path())
    behind = {}
    for split in SPLITS:
        examples = recipe.make(split, 0, SMALL[split])
        assert set(examples) == set(recipe.layout.arrays())
        for name, (dtype, row_shape) in recipe.layout.arrays().items():
            assert examples[name].dtype == dtype
            assert examples[name].shape == (SMALL[split], *row_shape)
        for labels, counts in zip(examples["labels"], examples["counts"], strict=True):
            np.testing.assert_array_equal(
                np.bincount(labels[labels >= 0], minlength=len(counts)), counts
            )
        if spec.unique:
            assert examples["counts"].max() == 1
        used = examples["source_index"]
        np.testing.assert_array_equal(used < 0, examples["labels"] < 0)
        np.testing.assert_array_equal(
            recipe.glyph_labels[used[used >= 0]], examples["labels"][used >= 0]
        )
        behind[split] = set(used[used >= 0])
    assert not behind["train"] & behind["valid"]
    assert not (behind["train"] | behind["valid"]) & behind["test"]


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda generator: generator.name)
def test_the_outline_is_that_of_the_recipe(generator: SceneGenerator, source: str) -> None:
    spec = dataclasses.replace(generator.defaults, source=source, canvas=120, **SMALL)
    recipe, outline = generator.recipe(spec, Path()), generator.outline(spec)
    assert outline.image_shape == recipe.layout.image_shape
    # Which classes a user's own files have, only they tell.
    assert outline.class_names == (None if "," in source else recipe.header.class_names)


def test_the_outline_of_a_published_source_needs_none_of_its_files() -> None:
    for name in (*IDX_SOURCES, "synthetic"):
        outline = mnist_multiset.outline(dataclasses.replace(mnist_multiset.defaults, source=name))
        names = IDX_SOURCES[name].class_names if name in IDX_SOURCES else tuple("0123456789")
        assert (outline.image_shape, outline.class_names) == ((1, 100, 100), names)


def test_a_small_data_set_is_a_prefix_of_a_large_one(source: str) -> None:
    spec = dataclasses.replace(mnist_multiset.defaults, source=source, **SMALL)
    small = mnist_multiset.recipe(spec, Path())
    large = mnist_multiset.recipe(dataclasses.replace(spec, train=9000), Path())
    examples = large.make("train", 0, 300)
    for name, array in small.make("train", 13, 60).items():
        np.testing.assert_array_equal(array, examples[name][13:60])


def test_the_pools_do_not_depend_on_seed_or_data_set(source: str) -> None:
    specs = [
        (mnist_single, dataclasses.replace(mnist_single.defaults, source=source, seed=3)),
        (mnist_set, dataclasses.replace(mnist_set.defaults, source=source)),
    ]
    one, other = (generator.recipe(spec, Path()) for generator, spec in specs)
    for split in SPLITS:
        np.testing.assert_array_equal(one.pools[split].glyphs, other.pools[split].glyphs)


def test_two_workers_make_what_one_makes(source: str, tmp_path: Path) -> None:
    spec = dataclasses.replace(
        mnist_multiset.defaults, source=source, train=4500, valid=10, test=10, placement="uniform"
    )
    recipe = mnist_multiset.recipe(spec, Path())
    hashes = []
    for workers in (1, 2):
        path = build_file(recipe, tmp_path / f"{workers}.h5", workers=workers)
        with open_data(path) as data:
            hashes.append(data.header.content_sha256)
            images = data.read("train", "images")
            np.testing.assert_array_equal(
                images[4000:4500], recipe.make("train", 4000, 4500)["images"]
            )
    assert hashes[0] == hashes[1]


def test_the_header_makes_the_data_set_again(source: str) -> None:
    spec = dataclasses.replace(mnist_set.defaults, source=source, seed=5, **SMALL)
    header = mnist_set.recipe(spec, Path()).header
    config = dict(header.config)
    generator = load_generator(config.pop("generator"))
    assert from_json(type(generator.defaults), config, "mnist-set") == spec
    assert header.seed == 5
    assert "1711.05165" in header.citation


def test_names(source: str) -> None:
    def name(generator: SceneGenerator, **fields: object) -> str:
        return generator.data_set_name(dataclasses.replace(generator.defaults, **fields))

    assert name(mnist_multiset) == "mnist-multiset"
    assert name(mnist_set, source="synthetic") == "synthetic-set"
    assert name(mnist_single, placement="uniform") == "mnist-single-uniform"
    assert name(mnist_multiset, source=source, placement="uniform") == "idx-multiset-uniform"
    with pytest.raises(UsageError, match="no source 'nist'"):
        name(mnist_multiset, source="nist")


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda generator: generator.name)
@pytest.mark.parametrize("source", [*SOURCES, "IMAGES,LABELS"])
@pytest.mark.parametrize("placement", ["grid", "uniform"])
def test_a_name_tells_its_spec(generator: SceneGenerator, source: str, placement: str) -> None:
    spec = dataclasses.replace(generator.defaults, source=source, placement=placement)
    assert generator.spec_of(generator.data_set_name(spec)) == spec


def test_a_name_of_another_generator_tells_none() -> None:
    assert mnist_set.spec_of("mnist-multiset") is None
    assert mnist_multiset.spec_of("synthetic-multisets") is None
    assert mnist_multiset.spec_of("fashion-mnist-multiset").source == "fashion-mnist"


@pytest.mark.parametrize(
    ("source", "instead"), [("kmnist", "synthetic"), ("images.idx,labels.idx", None)]
)
def test_a_source_that_is_not_to_be_had(
    source: str, instead: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_glyphs(source: str, data_dir: Path) -> None:
        raise SourceUnavailable(f"{source} is not there: put it there")

    monkeypatch.setattr(scenes, "load_glyphs", no_glyphs)
    spec = dataclasses.replace(mnist_set.defaults, source=source)
    with pytest.raises(SourceUnavailable) as caught:
        mnist_set.recipe(spec, tmp_path)
    assert caught.value.reason == f"{source} is not there: put it there"
    alternative = caught.value.alternative
    assert (alternative and alternative.source) == instead


def test_a_source_that_there_never_was_is_no_missing_one(tmp_path: Path) -> None:
    spec = dataclasses.replace(mnist_set.defaults, source="nist")
    with pytest.raises(UsageError, match="no source 'nist'") as caught:
        mnist_set.recipe(spec, tmp_path)
    assert not isinstance(caught.value, SourceUnavailable)


def test_the_companion_is_the_single_object_data_set(source: str) -> None:
    spec = dataclasses.replace(
        mnist_set.defaults, source=source, seed=4, canvas=120, placement="uniform", **SMALL
    )
    found = mnist_set.companion(spec)
    assert found is not None
    name, single = found
    assert name == "mnist-single"
    assert single == dataclasses.replace(spec, min_objects=1, max_objects=1, unique=False)
    assert mnist_single.companion(single) is None
    mnist_single.recipe(single, Path())


def test_more_classes_than_the_source_has(source: str) -> None:
    spec = dataclasses.replace(mnist_set.defaults, source=source, max_objects=6, max_size=30)
    with pytest.raises(UsageError, match=r"max_objects=6 with unique=True.*5 classes"):
        mnist_set.recipe(spec, Path())


@pytest.mark.parametrize(
    ("generator", "fields", "message"),
    [
        (
            mnist_set,
            {"unique": False},
            "mnist-set fixes unique=True: drop --no-unique, or use mnist-multiset",
        ),
        (
            mnist_multiset,
            {"unique": True},
            "mnist-multiset allows repeats: drop --unique, or use mnist-set",
        ),
        (
            mnist_single,
            {"max_objects": 2},
            "mnist-single fixes max_objects=1: drop --max-objects, or use",
        ),
        (mnist_single, {"min_objects": 0}, "mnist-single fixes min_objects=1"),
    ],
)
def test_a_spec_of_another_data_set_is_refused(
    generator: SceneGenerator, fields: dict, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        generator.recipe(dataclasses.replace(generator.defaults, **fields), Path())


def test_a_recipe_can_be_sent_to_a_worker(source: str) -> None:
    spec = dataclasses.replace(mnist_multiset.defaults, source=source, **SMALL)
    recipe = mnist_multiset.recipe(spec, Path())
    again = pickle.loads(pickle.dumps(recipe))
    np.testing.assert_array_equal(
        again.make("test", 0, 5)["images"], recipe.make("test", 0, 5)["images"]
    )
