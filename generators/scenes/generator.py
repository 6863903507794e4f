"""The paper's datasets of digits: MNIST Single, Set and Multiset (P§5, App. A)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np

from hsal_bench.data.classes import class_warnings
from hsal_bench.data.generator import About, Outline, Rows
from hsal_bench.data.schema import PAD, SPLITS, Examples, Fingerprints, Header, Layout
from hsal_bench.errors import SourceUnavailable, UsageError
from hsal_bench.generators.glyphs.load import (
    Glyphs,
    Pool,
    glyph_fingerprints,
    known_classes,
    load_glyphs,
    make_pools,
    renamed,
    source_name,
)
from hsal_bench.generators.glyphs.sources import IDX_SOURCES, SOURCES, SYNTHETIC, GlyphPools
from hsal_bench.options import as_config, option_of

from .about import about
from .painting import paint
from .sampling import Sampler
from .spec import Placement, SceneSpec
from .variations import VARIATIONS, Variation, suffix_of, without

VERSION = "1"
_OWN_FILES = "IMAGES,LABELS"
_UNIFORM, _SHARED_POOL = "-uniform", "-shared"
_SHARED = ("canvas", "clutter_size", *SPLITS, "seed")
"""Fields that all datasets of a family share: they are not part of any name."""
_PAPER = (
    "Welleck, Mao, Cho, Zhang: Saliency-based Sequential Image Attention with Multiset Prediction, "
    "NIPS 2017, arXiv:1711.05165"
)


@dataclass(frozen=True)
class SceneRecipe:
    """Scenes ready to be generated.

    glyphs: uint8 [N, 28, 28], the complete source, training part first. glyph_labels: int8 [N].
    pools: the glyphs of each split.
    """

    header: Header
    layout: Layout
    spec: SceneSpec
    glyphs: np.ndarray
    glyph_labels: np.ndarray
    pools: dict[str, Pool]

    def makers(self, wanted: Sequence[Rows]) -> Iterator[tuple[Rows, SceneRecipe]]:
        """Yield each of `wanted` with this recipe: scenes can be generated in any order."""
        for rows in wanted:
            yield rows, self

    def make(self, split: str, start: int, stop: int) -> Examples:
        """Return the examples start..stop-1 of a split, every array of `Layout.arrays`."""
        scenes = Sampler(self.spec, self.pools).sample(split, start, stop)
        images, boxes = paint(scenes, self.glyphs, self.spec.canvas, self.spec.clutter_size)
        labels = np.where(scenes.glyphs == PAD, PAD, self.glyph_labels[scenes.glyphs])
        classes = np.arange(self.layout.num_classes)
        examples = {
            "images": images,
            "labels": labels,
            "counts": (labels[:, :, None] == classes).sum(axis=1),
            "boxes": boxes,
            "source_index": scenes.glyphs,
        }
        arrays = self.layout.arrays()
        return {name: examples[name].astype(arrays[name][0], copy=False) for name in arrays}

    def fingerprints(self, index: np.ndarray) -> Fingerprints:
        """Return the hashes of the glyphs `index`. Raises IndexError: a glyph does not exist."""
        return glyph_fingerprints(self.glyphs, index)


@dataclass(frozen=True)
class SceneGenerator:
    """A named dataset of scenes; `fixed` are the fields of the spec that its name fixes.

    variations: its variations, by the suffix of their names.
    """

    name: str
    summary: str
    defaults: SceneSpec
    fixed: tuple[str, ...]
    variations: Mapping[str, Variation]

    def data_set_name(self, spec: SceneSpec) -> str:
        """Return the name: the source instead of "mnist", then the suffixes of the variation."""
        suffix = suffix_of(spec, self.defaults, self.variations)
        implied = suffix and "placement" in self.variations[suffix].changes
        placed = _UNIFORM if spec.placement == "uniform" and not implied else ""
        pool = _SHARED_POOL if spec.glyph_pools == "shared" else ""
        return _source_name(spec) + self.name.removeprefix("mnist") + suffix + placed + pool

    def spec_of(self, name: str, like: SceneSpec | None = None) -> SceneSpec | None:
        """Return the spec of the dataset `name`, or None if no dataset has that name.

        `like`, if given, fills the fields that the name does not fix.

        Raises:
            UsageError: `like` contradicts the name.
        """
        sources: list[tuple[str, str | None]] = [
            (source, None) for source in (*SOURCES, _OWN_FILES)
        ]
        sources += [(like.source, like.name)] if like and like.name else []
        for (source, own_name), spec in product(sources, self._named()):
            named = dataclasses.replace(spec, source=source, name=own_name)
            if self.data_set_name(named) == name:
                return named if like is None else _alike(named, like)
        return None

    def family(self, spec: SceneSpec) -> dict[str, str]:
        """Return the names of all datasets of the source of `spec`, each with a description."""
        plain = dataclasses.replace(self.defaults, source=spec.source, name=spec.name)
        family = {self.data_set_name(plain): self.summary}
        for variation in self.variations.values():
            varied = dataclasses.replace(plain, **variation.changes)
            family[self.data_set_name(varied)] = variation.summary
        uniform = dataclasses.replace(plain, placement="uniform")
        family[self.data_set_name(uniform)] = "placed anywhere, not in the cells of a grid"
        shared = dataclasses.replace(plain, glyph_pools="shared")
        family[self.data_set_name(shared)] = (
            "LEAKS: all splits draw from one pool of glyphs, as in the authors' script"
        )
        return family

    def recipe(self, spec: SceneSpec, data_dir: Path) -> SceneRecipe:
        """Return the recipe of `spec`; see `hsal_bench.data.generator.Generator`.

        Raises:
            UsageError: the spec contradicts the dataset's name or the source.
            SourceUnavailable: the source is not available.
        """
        self._check_fixed(spec)
        if spec.source == _OWN_FILES:
            raise UsageError(
                f"source={_OWN_FILES} is a placeholder: give the paths of your own files"
            )
        glyphs = self._glyphs(spec, data_dir)
        if spec.names is not None:
            glyphs = renamed(glyphs, spec.names)
        pools = make_pools(glyphs, spec.glyph_pools)
        if spec.unique:
            _check_classes(spec, pools)
        return SceneRecipe(
            self._header(spec, glyphs, pools),
            Layout(_shape(spec), spec.max_objects, len(glyphs.class_names), spec.sizes),
            spec,
            np.concatenate([glyphs.train_images, glyphs.test_images]),
            np.concatenate([glyphs.train_labels, glyphs.test_labels]).astype(np.int8),
            pools,
        )

    def outline(self, spec: SceneSpec) -> Outline:
        """Return the shapes and classes of `spec`. Raises UsageError: unknown source."""
        return Outline(_shape(spec), spec.names or known_classes(spec.source))

    def companion(self, spec: SceneSpec) -> tuple[str, SceneSpec] | None:
        """Return the single-object dataset that shares source, options, sizes and seed with `spec`.

        A variation has the companion of its original, and a dataset with shared glyph pools has
        that of the leak-free one, so that methods trained on either get the same activations.
        """
        if self.name == mnist_single.name:
            return None
        if suffix := suffix_of(spec, self.defaults, self.variations):
            spec = without(spec, self.defaults, self.variations[suffix])
        names = (*mnist_single.fixed, "glyph_pools")
        single = {name: getattr(mnist_single.defaults, name) for name in names}
        return mnist_single.name, dataclasses.replace(spec, **single)

    def about(self, spec: SceneSpec) -> About:
        """Return the unmeasured part of the data card. Raises UsageError: unknown source."""
        variation = self.variations.get(suffix_of(spec, self.defaults, self.variations))
        return about(spec, variation.limits if variation else ())

    def _named(self) -> Iterator[SceneSpec]:
        """Yield all specs with a name of their own, for the default source."""
        every = ({}, *(variation.changes for variation in self.variations.values()))
        for changes, placement, pools in product(every, get_args(Placement), get_args(GlyphPools)):
            fields = {"placement": placement, "glyph_pools": pools, **changes}
            yield dataclasses.replace(self.defaults, **fields)

    def _glyphs(self, spec: SceneSpec, data_dir: Path) -> Glyphs:
        published = source_name(spec.source) in IDX_SOURCES
        try:
            return load_glyphs(spec.source, data_dir)
        except SourceUnavailable as error:
            alternative = dataclasses.replace(spec, source=SYNTHETIC) if published else None
            raise SourceUnavailable(error.reason, alternative) from error

    def _header(self, spec: SceneSpec, glyphs: Glyphs, pools: Mapping[str, Pool]) -> Header:
        return Header(
            name=self.data_set_name(spec),
            version=VERSION,
            class_names=glyphs.class_names,
            config={"generator": self.name, **as_config(spec)},
            seed=spec.seed,
            source=spec.source,
            source_sha256=glyphs.sha256,
            generator_version=VERSION,
            license=glyphs.license,
            citation=f"{_PAPER}. Glyphs: {glyphs.citation}",
            notes=tuple(_notes(glyphs, pools)),
        )

    def _check_fixed(self, spec: SceneSpec) -> None:
        for field in self.fixed:
            value, fixed = getattr(spec, field), getattr(self.defaults, field)
            if value != fixed:
                repeats = field == "unique" and self.name == mnist_multiset.name
                fact = "allows repeats" if repeats else f"fixes {field}={fixed}"
                option = option_of(field, value)
                other = mnist_set if field == "unique" and value else mnist_multiset
                raise UsageError(f"{self.name} {fact}: drop {option}, or use {other.name}")


def _source_name(spec: SceneSpec) -> str:
    return spec.name or source_name(spec.source)


def _shape(spec: SceneSpec) -> tuple[int, int, int]:
    return 1, spec.canvas, spec.canvas


def _alike(spec: SceneSpec, like: SceneSpec) -> SceneSpec:
    shared = {field: getattr(like, field) for field in _SHARED}
    same_source = _source_name(like) == _source_name(spec)
    source = like.source if same_source else spec.source
    names = like.class_names if same_source else None
    return dataclasses.replace(spec, **shared, source=source, class_names=names)


def _notes(glyphs: Glyphs, pools: Mapping[str, Pool]) -> list[str]:
    """Return warnings about classes without glyphs."""
    labels = np.concatenate([glyphs.train_labels, glyphs.test_labels])
    occurring = {split: np.unique(labels[pool.glyphs]).tolist() for split, pool in pools.items()}
    return class_warnings(occurring, glyphs.class_names)


def _check_classes(spec: SceneSpec, pools: dict[str, Pool]) -> None:
    for split, pool in pools.items():
        if spec.max_objects > len(pool.sizes):
            raise UsageError(
                f"max_objects={spec.max_objects} with unique=True, but source={spec.source} has "
                f"{len(pool.sizes)} classes in {split}: lower max_objects"
            )


mnist_single = SceneGenerator(
    "mnist-single",
    "one digit per image, to fine-tune the activation model",
    SceneSpec(min_objects=1, max_objects=1),
    ("min_objects", "max_objects", "unique"),
    {},
)
mnist_set = SceneGenerator(
    "mnist-set",
    "MNIST Set: 1 to 4 digits per image, no digit twice",
    SceneSpec(unique=True),
    ("unique",),
    {},
)
mnist_multiset = SceneGenerator(
    "mnist-multiset",
    "MNIST Multiset: 1 to 4 digits per image, repeats allowed",
    SceneSpec(),
    ("unique",),
    VARIATIONS,
)
