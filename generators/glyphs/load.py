"""Loading the glyphs of a source and dividing them among the splits.

Train and valid glyphs come from the source's training split, test glyphs from its test split. The
cut between train and valid does not depend on a dataset's seed, so that no two splits share a
glyph, even across the datasets of one source. Datasets that leak by design draw all their splits
from the source's training split.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from hsal_bench import comma_lists
from hsal_bench.data.classes import check_class_names
from hsal_bench.data.schema import Fingerprints
from hsal_bench.errors import SourceUnavailable, UsageError, near_path, suggest
from hsal_bench.generators.streams import fixed_order

from . import idx
from .download import read_or_download
from .sources import DIGITS, GLYPH_SIZE, IDX_SOURCES, OWN, SOURCES, SYNTHETIC, GlyphPools, IdxSource

_VALID_PART, _TEST_PART = 12, 7


@dataclass(frozen=True)
class Glyphs:
    """The glyphs of a source.

    train_images, test_images: uint8 [N, 28, 28], ink bright on 0. train_labels, test_labels:
    uint8 [N], below len(class_names).
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...]
    license: str
    citation: str

    @cached_property
    def sha256(self) -> str:
        """Hash of the images and labels of both splits."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(f"{array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array, "u1").data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Pool:
    """The glyphs that one split draws from, sorted by class.

    glyphs: int32 [P], indices into the whole source: training glyph j is j, test glyph j is
    num_train + j. The c-th class that occurs here is glyphs[starts[c] : starts[c] + sizes[c]].
    """

    glyphs: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray


def source_name(source: str) -> str:
    """Return the source's name in dataset names: its own, or `OWN` for a user's own files.

    Raises:
        UsageError: unknown source.
    """
    if "," in source:
        return OWN
    if source not in SOURCES:
        raise UsageError(
            f"no source {source!r}: {suggest(source, SOURCES)}; or give IDX files as IMAGES,LABELS"
        )
    return source


def known_classes(source: str) -> tuple[str, ...] | None:
    """Return the names of a source's classes; None for a user's own files, which must be read.

    Raises:
        UsageError: unknown source.
    """
    name = source_name(source)
    if name == SYNTHETIC:
        return DIGITS
    return IDX_SOURCES[name].class_names if name in IDX_SOURCES else None


def load_glyphs(source: str, data_dir: Path) -> Glyphs:
    """Return the glyphs of a source, read from or downloaded into `data_dir`.

    Raises:
        UsageError: unknown source, or its files are invalid.
        SourceUnavailable: its files are not available.
    """
    name = source_name(source)
    if name == OWN:
        return _own_files(_own_paths(source, data_dir))
    if name == SYNTHETIC:
        return _synthetic()
    return _published(name, IDX_SOURCES[name], data_dir)


def renamed(glyphs: Glyphs, names: tuple[str, ...]) -> Glyphs:
    """Return the glyphs with other names of their classes.

    Raises:
        UsageError: there are more or fewer names than classes, or a name is invalid or repeated.
    """
    classes = len(glyphs.class_names)
    if len(names) != classes:
        raise UsageError(
            f"class_names has {len(names)} names, but the labels are 0 to {classes - 1}: give "
            f"{classes} names, separated by commas"
        )
    check_class_names(names)
    return dataclasses.replace(glyphs, class_names=names)


def make_pools(glyphs: Glyphs, pools: GlyphPools = "disjoint") -> dict[str, Pool]:
    """Return the pool of glyphs of each split.

    disjoint: one twelfth of the training glyphs for valid, the rest for train, and the test glyphs
    for test. shared: all training glyphs for all splits; test glyphs are not used.

    Raises:
        UsageError: a split would have no glyph.
    """
    num_train = len(glyphs.train_labels)
    order = fixed_order(num_train, _VALID_PART)
    cut = num_train // _VALID_PART
    members = {
        "train": order[cut:],
        "valid": order[:cut],
        "test": num_train + np.arange(len(glyphs.test_labels)),
    }
    if pools == "shared":
        members = dict.fromkeys(members, np.arange(num_train))
    labels = np.concatenate([glyphs.train_labels, glyphs.test_labels])
    for split, member in members.items():
        if not len(member):
            raise UsageError(
                f"source {glyphs.name} has {len(labels)} glyphs, too few for {split}: "
                f"use at least {_VALID_PART * 2}"
            )
    return {split: _pool(np.sort(member), labels) for split, member in members.items()}


def glyph_fingerprints(images: np.ndarray, index: np.ndarray) -> Fingerprints:
    """Return the hash of each glyph's ink, cropped to the box around it, and the box's corner.

    Glyphs that differ only by a shift have the same hash. images: uint8 [N, 28, 28]. index: int32
    [G], ascending, the glyphs to hash.
    """
    chosen = images[index]
    rows, columns = chosen.any(axis=2), chosen.any(axis=1)
    # The box of a glyph without ink is the complete glyph.
    low = np.stack([rows.argmax(axis=1), columns.argmax(axis=1)], axis=1)
    high = GLYPH_SIZE - np.stack([rows[:, ::-1].argmax(1), columns[:, ::-1].argmax(1)], axis=1)
    digests = bytearray()
    for glyph, (y0, x0), (y1, x1) in zip(chosen, low.tolist(), high.tolist(), strict=True):
        crop = b"%d x %d\n" % (y1 - y0, x1 - x0) + glyph[y0:y1, x0:x1].tobytes()
        digests += hashlib.sha256(crop).digest()
    return Fingerprints(index, np.frombuffer(digests, np.uint8).reshape(-1, 32), low)


def _pool(member: np.ndarray, labels: np.ndarray) -> Pool:
    member = member[np.argsort(labels[member], kind="stable")].astype(np.int32)
    _, starts, sizes = np.unique(labels[member], return_index=True, return_counts=True)
    return Pool(member, starts, sizes)


def _published(name: str, source: IdxSource, data_dir: Path) -> Glyphs:
    folders = [data_dir / folder for folder in source.folders]
    files = [read_or_download(source.url, folders, file) for file in source.files]
    train = _published_pair(source, source.sizes[0], files[0], files[1])
    test = _published_pair(source, source.sizes[1], files[2], files[3])
    return Glyphs(name, *train, *test, source.class_names, source.license, source.citation)


def _published_pair(
    source: IdxSource, size: int, image_file: tuple[Path, bytes], label_file: tuple[Path, bytes]
) -> tuple[np.ndarray, np.ndarray]:
    # The MD5 of a plain file is not always known: then these checks replace it.
    images, labels = _pair(*image_file, *label_file)
    highest, classes = int(labels.max(initial=0)), len(source.class_names)
    remedy = "replace it with the published file"
    if len(images) != size:
        raise UsageError(
            f"{image_file[0]} has {len(images):,} glyphs, {source.title} has {size:,}: {remedy}"
        )
    if highest >= classes:
        raise UsageError(
            f"{label_file[0]} has label {highest}, {source.title}'s labels are 0 to {classes - 1}: "
            f"{remedy}"
        )
    return images, labels


def _synthetic() -> Glyphs:
    from .synthetic import synthetic_glyphs

    train_images, train_labels, test_images, test_labels = synthetic_glyphs()
    text = "hsal-bench: synthetic digits drawn by the program itself"
    return Glyphs(
        SYNTHETIC, train_images, train_labels, test_images, test_labels, DIGITS, "CC0-1.0", text
    )


def _own_paths(source: str, data_dir: Path) -> list[Path]:
    """Return the paths of own files: in the current folder, or else in `data_dir`."""

    def path_of(text: str) -> Path:
        path = Path(text).expanduser()
        return path if path.exists() else data_dir / path

    items = comma_lists.split(source, lambda text: path_of(text).is_file())
    paths = [path_of(item) for item in items]
    for item, path in zip(items, paths, strict=True):
        if path.exists():
            continue
        if Path(item).expanduser().is_absolute():
            raise SourceUnavailable(f"no file {item}: {near_path(Path(item)) or idx.REMEDY}")
        remedy = (
            near_path(Path(item))
            or near_path(path)
            or ("run the command in its folder, or give that folder as --data-dir")
        )
        raise SourceUnavailable(
            f"no file {item} in {Path.cwd()} or {data_dir.absolute()}: {remedy}"
        )
    return paths


def _own_files(paths: list[Path]) -> Glyphs:
    if len(paths) not in (2, 4):
        raise UsageError(
            f"{len(paths)} IDX files given: use IMAGES,LABELS or "
            "IMAGES,LABELS,TEST_IMAGES,TEST_LABELS"
        )
    contents = [(path, idx.unpacked(path, idx.read_file(path))) for path in paths]
    train = _pair(*contents[0], *contents[1])
    test = _pair(*contents[2], *contents[3]) if len(contents) == 4 else None
    if test is None:
        train, test = _cut_test(*train)
    highest = max((int(labels.max()) for _, labels in (train, test) if len(labels)), default=0)
    names = tuple(str(label) for label in range(highest + 1))
    text = f"glyphs from {', '.join(path.name for path in paths)}"
    return Glyphs(OWN, *train, *test, names, "unknown: that of the IDX files", text)


def _cut_test(
    images: np.ndarray, labels: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    order = fixed_order(len(labels), _TEST_PART)
    cut = len(labels) // _TEST_PART
    test, train = np.sort(order[:cut]), np.sort(order[cut:])
    return (images[train], labels[train]), (images[test], labels[test])


def _pair(
    image_path: Path, image_content: bytes, label_path: Path, label_content: bytes
) -> tuple[np.ndarray, np.ndarray]:
    images = idx.parse_images(image_content, image_path)
    labels = idx.parse_labels(label_content, label_path)
    if len(images) != len(labels):
        raise UsageError(
            f"{image_path} has {len(images):,} images but {label_path} has {len(labels):,} labels: "
            "use matching files"
        )
    return images, labels
