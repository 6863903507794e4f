"""The contract between the core and the generators of datasets.

A generator is found by its name through the entry points `hsal_bench.generators`. It turns a spec
(a frozen dataclass: the options of `hsal-bench generate`) into a recipe; the core builds the file
from the recipe, and `verify` generates examples from it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hsal_bench import registry
from hsal_bench.data.schema import Examples, Header, Layout
from hsal_bench.options import from_json


@dataclass(frozen=True)
class Rows:
    """The examples start..stop-1 of a split."""

    split: str
    start: int
    stop: int

    @property
    def name(self) -> str:
        """A name that sorts by split and position."""
        return f"{self.split}-{self.start:010d}"

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Outline:
    """The shape of a dataset's images and its classes; None: unknown without its source."""

    image_shape: tuple[int, int, int] | None = None
    class_names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class About:
    """The unmeasured part of a data card: sentences in Markdown.

    summary: what an image shows. origin: who created the photographs or glyphs, and how. made: how
    images are created from them, step by step. limits: known biases and limits that measurements
    do not show. not_for: uses to avoid. personal: the personal data it holds. license: as in
    `Header`; license_url: the licence's page, "" if it has none. homepage: where the source is
    published, or "".
    """

    summary: str
    origin: str
    made: tuple[str, ...]
    limits: tuple[str, ...]
    not_for: tuple[str, ...]
    personal: str
    license: str
    license_url: str = ""
    homepage: str = ""


class Maker(Protocol):
    """Generates examples of a recipe. It is picklable and complete: workers receive it."""

    def make(self, split: str, start: int, stop: int) -> Examples:
        """Return the examples start..stop-1 of a split, every array of `Layout.arrays`.

        Example i depends on (seed, split, i) alone: the same for any start, stop and split size.
        """
        ...


class Recipe(Protocol):
    """One dataset, ready to be generated.

    Optional method: `fingerprints(index) -> Fingerprints`, the hashes of the glyphs or photographs
    `index` (int32 [G], ascending, as in `source_index`). The file stores them, `verify` compares
    them.
    """

    header: Header
    layout: Layout

    def makers(self, wanted: Sequence[Rows]) -> Iterator[tuple[Rows, Maker]]:
        """Yield each of `wanted`, in any order, with the maker of its examples.

        A source that can only be read front to back is read here: once for all rows, holding only
        rows that are not complete yet.
        """
        ...


def leaks_by_design(config: Mapping[str, Any]) -> bool:
    """Whether a spec's fields say that all splits draw from one pool: `glyph_pools=shared`."""
    return config.get("glyph_pools") == "shared"


class Generator(Protocol):
    """A named dataset: its defaults, and how a spec becomes a recipe.

    Optional methods: `spec_of(name, like) -> spec | None`, the inverse of `data_set_name` for named
    variations (`like`, if not None, is the spec that fills the fields which the name does not fix);
    `family(spec) -> Mapping[str, str]`, the names of the datasets related to `spec`, each with a
    one-line description; `outline(spec) -> Outline`, the images and classes known without the
    source; `about(spec) -> About`, for the data card.
    """

    summary: str
    defaults: Any

    def data_set_name(self, spec: Any) -> str:
        """Return the name of the dataset that `spec` describes; its file is NAME.h5."""
        ...

    def recipe(self, spec: Any, data_dir: Path) -> Recipe:
        """Return the recipe of `spec`, its source read from (or downloaded into) `data_dir`.

        Raises:
            UsageError: the spec contradicts itself or the source.
            SourceUnavailable: the source is not available.
        """
        ...

    def companion(self, spec: Any) -> tuple[str, Any] | None:
        """Return (generator name, spec) of the single-object dataset that matches `spec`.

        The activation model is fine-tuned on it. None: it is fine-tuned on the images of `spec`.
        """
        ...


def load_generator(name: str) -> Generator:
    """Return the generator of that name. Raises as `registry.load`."""
    return registry.load(registry.GENERATORS, name, "dataset")


def recipe_of(config: Mapping[str, Any], data_dir: Path) -> Recipe:
    """Return the recipe of a dataset's config, the header's. Raises as `Generator.recipe`."""
    fields = dict(config)
    name = fields.pop("generator")
    generator = load_generator(name)
    return generator.recipe(from_json(type(generator.defaults), fields, name), data_dir)
