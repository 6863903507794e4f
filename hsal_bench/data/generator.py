"""The contract between the core and whatever builds data sets.

A generator is found by its name through the entry points `hsal_bench.generators`. It turns a spec
(a frozen dataclass: the options of `hsal-bench generate`) into a recipe; the core's `build` makes
the file from the recipe, and `verify` re-makes examples from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hsal_bench import registry
from hsal_bench.data.schema import Examples, Header, Layout


@dataclass(frozen=True)
class Rows:
    """The examples start..stop-1 of a split."""

    split: str
    start: int
    stop: int

    @property
    def name(self) -> str:
        """A name that sorts by split and place."""
        return f"{self.split}-{self.start:010d}"

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Outline:
    """What a data set's images and classes are; None: only its source can tell."""

    image_shape: tuple[int, int, int] | None = None
    class_names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class About:
    """What a data card says of a data set beyond what is measured: sentences, in Markdown.

    summary: what an image is. origin: who made the photographs or glyphs, and of what. made: how
    images are made of them, step by step. limits: known biases and limits that no measurement
    shows. not_for: what the data set should not be used for. personal: what it tells of persons.
    license: as in `Header`; license_url: its page, "" where it is no licence with a page of its
    own. homepage: where the source is published, or "".
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
    """What makes examples of a recipe. Picklable: workers receive it, with all it needs."""

    def make(self, split: str, start: int, stop: int) -> Examples:
        """Return the examples start..stop-1 of a split, every array of `Layout.arrays`.

        Example i depends on (seed, split, i) alone: the same for any start, stop and split size.
        """
        ...


class Recipe(Protocol):
    """One data set, ready to be made.

    It may have `fingerprints(index) -> Fingerprints`: the content of the glyphs or photographs
    `index` (int32 [G], ascending, as in `source_index`). The file stores it, `verify` compares it.
    """

    header: Header
    layout: Layout

    def makers(self, wanted: Sequence[Rows]) -> Iterator[tuple[Rows, Maker]]:
        """Yield each of `wanted`, in any order, with what makes its examples.

        Where the source can only be read from front to back, this is the place that reads it: once
        for all that is wanted, holding no more than what is not yet complete.
        """
        ...


def leaks_by_design(config: Mapping[str, Any]) -> bool:
    """Whether a spec's fields say that all splits draw from one pool: `glyph_pools=shared`."""
    return config.get("glyph_pools") == "shared"


class Generator(Protocol):
    """A named data set: its defaults, and how a spec becomes a recipe.

    It may have more: `spec_of(name, like) -> spec | None`, the inverse of `data_set_name`, for data
    sets that have names of their own and are made with other options (what the name says nothing of
    is as in the spec `like`, if it is not None); `family(spec) -> Mapping[str, str]`, the names of
    those that belong to that of `spec`, each with a line on what it is; `outline(spec) -> Outline`,
    what its recipe will be of, known without the source; and `about(spec) -> About`, for the data
    card.
    """

    summary: str
    defaults: Any

    def data_set_name(self, spec: Any) -> str:
        """Return the name of the data set that `spec` describes; its file is NAME.h5."""
        ...

    def recipe(self, spec: Any, data_dir: Path) -> Recipe:
        """Return the recipe of `spec`, its source read from (or downloaded into) `data_dir`.

        Raises:
            UsageError: the spec contradicts itself or the source; the source is not to be had.
        """
        ...

    def companion(self, spec: Any) -> tuple[str, Any] | None:
        """Return (generator name, spec) of the single-object data set that goes with `spec`.

        The activation model is fine-tuned on it. None: on the images themselves.
        """
        ...


def load_generator(name: str) -> Generator:
    """Return the generator of that name. Raises as `registry.load`."""
    return registry.load(registry.GENERATORS, name, "data set")
