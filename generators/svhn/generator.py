"""SVHN Multiset: photographs of house numbers, the paper's third dataset (P§5).

The full numbers of Street View House Numbers (Netzer et al. 2011), each cropped to its digits.
Choices that the paper does not specify are fields of the spec.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hsal_bench.data.generator import About, Outline, Rows
from hsal_bench.data.schema import MOST_OBJECTS, PAD, SPLITS, Examples, Fingerprints, Header, Layout
from hsal_bench.errors import UsageError
from hsal_bench.generators.streams import fixed_order
from hsal_bench.options import as_config

from .about import about, licence
from .album import Album, Index
from .digit_struct import read_digit_struct
from .files import find_albums, remarks
from .house_numbers import HouseNumbers, Selection, house_numbers, source_sha256, too_many
from .photographs import COLOURS, SIXTEEN_BITS, photograph
from .spec import NumbersSpec

VERSION = "1"
CLASSES = tuple("0123456789")
_VALID, _VALID_SHARE, _LARGE = 5_000, 0.15, 30_000
_PAPER = (
    "Welleck, Mao, Cho, Zhang: Saliency-based Sequential Image Attention with Multiset Prediction, "
    "NIPS 2017, arXiv:1711.05165"
)
_SVHN = (
    "Netzer, Wang, Coates, Bissacco, Wu, Ng: Reading Digits in Natural Images with Unsupervised "
    "Feature Learning, NIPS Workshop on Deep Learning and Unsupervised Feature Learning 2011"
)


@dataclass(frozen=True)
class Split:
    """The house numbers of one split; source_index is the picture's number plus `offset`."""

    album: str
    numbers: HouseNumbers
    offset: int


@dataclass(frozen=True)
class PhotographMaker:
    """Makes the examples of `rows` from the bytes of their pictures, which it contains."""

    rows: Rows
    contents: tuple[bytes, ...]
    numbers: HouseNumbers
    offset: int
    spec: NumbersSpec

    def make(self, split: str, start: int, stop: int) -> Examples:
        """Return the examples start..stop-1, which are among `rows`."""
        at = slice(start - self.rows.start, stop - self.rows.start)
        numbers, spec = self.numbers[at], self.spec
        images = [
            photograph(content, crop, spec.resolution, spec.colour, f"{number}.png")
            for content, crop, number in zip(
                self.contents[at], numbers.crops.tolist(), numbers.number, strict=True
            )
        ]
        index = np.where(numbers.labels == PAD, PAD, numbers.number[:, None] + self.offset)
        return {
            "images": np.stack(images),
            "labels": numbers.labels,
            "counts": (numbers.labels[:, :, None] == np.arange(len(CLASSES))).sum(1).astype("u1"),
            "boxes": numbers.boxes,
            "source_index": index.astype("<i4"),
        }


@dataclass(frozen=True)
class NumbersRecipe:
    """House numbers ready to be generated; `pictures`: the hashes of those in use."""

    header: Header
    layout: Layout
    spec: NumbersSpec
    albums: Mapping[str, Album]
    splits: Mapping[str, Split]
    pictures: Fingerprints

    def fingerprints(self, index: np.ndarray) -> Fingerprints:
        """Return the hashes of the pictures `index`. Raises IndexError: one is not in use."""
        place = np.searchsorted(self.pictures.index, index)
        if not np.array_equal(self.pictures.index[place], index):
            raise IndexError("a picture is not in use")
        return Fingerprints(index, self.pictures.sha256[place])

    def makers(self, wanted: Sequence[Rows]) -> Iterator[tuple[Rows, PhotographMaker]]:
        """Yield each of `wanted` once the pass through its archive has read its pictures.

        The encoded pictures of incomplete rows are in memory: few if the archive is in the order
        of its numbers, at worst all the wanted pictures of the archive.
        """
        for name, album in self.albums.items():
            yield from self._from(album, [r for r in wanted if self.splits[r.split].album == name])

    def _from(self, album: Album, wanted: Sequence[Rows]) -> Iterator[tuple[Rows, PhotographMaker]]:
        places = {
            number: (rows, place)
            for rows in wanted
            for place, number in enumerate(self._numbers(rows).number.tolist())
        }
        held: dict[Rows, dict[int, bytes]] = {rows: {} for rows in wanted}
        for number, content in album.pictures(places):
            rows, place = places[number]
            held[rows][place] = content
            if len(held[rows]) == len(rows):
                contents = held.pop(rows)
                in_order = tuple(contents[place] for place in range(len(rows)))
                offset = self.splits[rows.split].offset
                yield rows, PhotographMaker(rows, in_order, self._numbers(rows), offset, self.spec)

    def _numbers(self, rows: Rows) -> HouseNumbers:
        return self.splits[rows.split].numbers[rows.start : rows.stop]


class SvhnMultiset:
    """The dataset `svhn-multiset`, and similar datasets from folders in the same layout."""

    summary = "SVHN Multiset: photographs of house numbers, 1 to 6 digits, repeats allowed"
    defaults = NumbersSpec()

    def data_set_name(self, spec: NumbersSpec) -> str:
        """Return the name of the collection with "-multiset"."""
        return f"{spec.collection}-multiset"

    def recipe(self, spec: NumbersSpec, data_dir: Path) -> NumbersRecipe:
        """Return the recipe of `spec`; see `hsal_bench.data.generator.Generator`.

        Raises:
            UsageError: the archives are invalid, or have too few pictures.
            SourceUnavailable: they do not exist and cannot be downloaded.
        """
        albums = find_albums(spec.collection, data_dir)
        indices = {name: album.index() for name, album in albums.items()}
        selections = {}
        for name, index in indices.items():
            digits = read_digit_struct(
                index.digit_struct, f"{name}/digitStruct.mat of {albums[name].path}"
            )
            look = (spec.max_objects, spec.grow, spec.resolution)
            selections[name] = house_numbers(index, digits, *look)
        splits = _splits(selections, spec)
        sizes = {split: len(splits[split].numbers.number) for split in SPLITS}
        header = Header(
            name=self.data_set_name(spec),
            version=VERSION,
            class_names=CLASSES,
            config={"generator": "svhn-multiset", **as_config(spec)},
            seed=spec.seed,
            source=spec.collection,
            source_sha256=source_sha256(indices),
            generator_version=VERSION,
            license=licence(spec.collection),
            citation=f"{_PAPER}. Photographs: {_SVHN}",
            notes=tuple(_notes(spec.collection, selections)),
        )
        layout = Layout(_shape(spec), spec.max_objects, len(CLASSES), sizes)
        return NumbersRecipe(header, layout, spec, albums, splits, _pictures(indices, splits))

    def outline(self, spec: NumbersSpec) -> Outline:
        """Return the shapes and classes of `spec`, without its photographs."""
        return Outline(_shape(spec), CLASSES)

    def companion(self, spec: NumbersSpec) -> None:
        """Return None: the activation model is fine-tuned on the images themselves (P§5)."""

    def about(self, spec: NumbersSpec) -> About:
        """Return the unmeasured part of the data card."""
        return about(spec)


svhn_multiset = SvhnMultiset()


def _shape(spec: NumbersSpec) -> tuple[int, int, int]:
    return COLOURS[spec.colour][1], spec.resolution, spec.resolution


def _notes(collection: str, selections: Mapping[str, Selection]) -> list[str]:
    pictures = {name: len(selection.pictures) for name, selection in selections.items()}
    left_out = [note for name, selection in selections.items() for note in selection.notes(name)]
    return [*remarks(collection, pictures), *left_out]


def _splits(selections: Mapping[str, Selection], spec: NumbersSpec) -> dict[str, Split]:
    """Return the splits: the test archive, and the two parts of the training archive.

    Raises:
        UsageError: a split would be empty, or has fewer images than requested.
    """
    train, test = selections["train"], selections["test"]
    highest = int(train.pictures[-1])
    held_out = np.isin(train.numbers.number, _held_out(train.pictures, spec.seed))
    chosen = {
        "train": ("train", np.flatnonzero(~held_out), 0, spec.train),
        "valid": ("train", np.flatnonzero(held_out), 0, spec.valid),
        # The two archives use the same picture numbers: the test numbers continue after the
        # training numbers.
        "test": ("test", np.arange(len(test.numbers.number)), highest, spec.test),
    }
    splits = {}
    for split, (album, rows, offset, asked) in chosen.items():
        if len(rows) < (asked or 1):
            raise UsageError(_too_few(spec, split, len(rows), album, selections[album]))
        splits[split] = Split(album, selections[album].numbers[rows[:asked]], offset)
    return splits


def _too_few(spec: NumbersSpec, split: str, size: int, album: str, selection: Selection) -> str:
    """Return that a split has `size` images, the reasons for which pictures are left out, and what
    to do.
    """
    notes = selection.notes(album)
    reasons = f" ({'; '.join(notes)})" if notes else ""
    smaller = [f"lower --{split}"] if size else []
    remedies = _remedies(spec, selection)
    remedies = [*remedies, *smaller] if remedies else [*smaller, "use a larger collection"]
    asked = getattr(spec, split) or 1
    return (
        f"{spec.collection} has {size:,} images for {split}, not {asked:,}{reasons}: "
        f"{', or '.join(remedies)}"
    )


def _remedies(spec: NumbersSpec, selection: Selection) -> list[str]:
    """Return the option that keeps the pictures that are left out."""
    remedies, reasons = [], set(selection.left_out)
    if (reason := too_many(spec.max_objects)) in reasons:
        reasons.remove(reason)
        remedies.append(f"use --max-objects {min(selection.most, MOST_OBJECTS)}")
    if SIXTEEN_BITS in reasons:
        reasons.remove(SIXTEEN_BITS)
        remedies.append("convert the 16-bit pictures to 8 bits")
    if reasons:
        remedies.append(f"correct the {'other ' if remedies else ''}pictures that are left out")
    return remedies


def _pictures(indices: Mapping[str, Index], splits: Mapping[str, Split]) -> Fingerprints:
    """Return the SHA-256 of the files of all pictures in the splits."""
    numbers, hashes = [], []
    for split in splits.values():
        album, number = indices[split.album], split.numbers.number
        numbers.append(number + split.offset)
        hashes.append(album.sha256[np.searchsorted(album.number, number)])
    index = np.concatenate(numbers)
    order = np.argsort(index)
    return Fingerprints(index[order], np.concatenate(hashes)[order])


def _held_out(pictures: np.ndarray, seed: int) -> np.ndarray:
    """Return the numbers of the training archive's pictures that are for valid.

    They depend only on the seed and the archive, not on the spec: with the same archive and seed,
    no dataset trains on a picture that another one validates on.
    """
    number = _VALID if len(pictures) >= _LARGE else int(_VALID_SHARE * len(pictures))
    return pictures[fixed_order(len(pictures), seed, stream=1)[:number]]
