"""The data card of a dataset in Markdown: its composition, origin, limits and intended use.

The composition is measured from the file; the rest is the generator's `about`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from hsal_bench.data import fingerprints, leaks
from hsal_bench.data import names as dataset_names
from hsal_bench.data.cards import provenance as provenances
from hsal_bench.data.cards.composition import compositions, without_boxes
from hsal_bench.data.cards.provenance import Provenance
from hsal_bench.data.cards.sections import findings, tables
from hsal_bench.data.file import DataFile
from hsal_bench.data.generator import About, load_generator
from hsal_bench.data.schema import SPLITS
from hsal_bench.errors import UsageError
from hsal_bench.text import bullets, document, file_size, numbered, section, table

USE = (
    "Training and comparing methods that predict a multiset of labels from an image (how often "
    "each class occurs, in no order), under equal conditions, with hsal-bench."
)
ARRAYS = {
    "images": "the image: channels, rows, columns",
    "labels": "the class of each object, padded with -1",
    "counts": "how often each class occurs: the multiset to predict",
    "boxes": "x0, y0, x1, y1 of each object in pixels, x1 and y1 exclusive, padded with -1",
    "source_index": "the number of each object's glyph or photograph in the source, padded with -1",
}
"""Descriptions of the arrays of a split, one row per image."""

_COLOURS = {1: "grey", 3: "RGB"}


def card(data: DataFile) -> str:
    """Return the card of a dataset file.

    Raises:
        UsageError: an array cannot be decoded.
    """
    header, provenance = data.header, provenances.of_config(data.header.config)
    measured = compositions(data)
    return document(
        f"# {header.name}",
        description(data, provenance.about),
        _facts(data, provenance.about, boxes=not without_boxes(measured.values())),
        section("What it is for", USE),
        _creation(provenance, header.notes),
        *tables(measured, header.class_names, leaks.statement(data)),
        section("Measured biases", "Of `train`:", bullets(findings(measured, header.class_names))),
        *_about(provenance.about),
        section("Licence", _licence(header.license, provenance.about)),
        section("Citation", header.citation),
        section("Reading the file", _reading(data)),
    )


def unbuilt_card(name: str, path: Path) -> str:
    """Return the card of a dataset whose file does not exist yet, without the measured part.

    name: a generator's or one of its variations'. path: where the file would be.

    Raises:
        UsageError: no dataset has that name, or its generator cannot be imported.
    """
    match = dataset_names.find(name)
    if match is None:
        raise UsageError(f"no dataset {name!r}: {dataset_names.unknown(name)}")
    own, spec = match
    generator = load_generator(own)
    provenance = provenances.of_spec(own, spec)
    about = provenance.about
    build = shlex.join([*shlex.split(provenance.command), "--out", str(path.parent)])
    return document(
        f"# {path.stem}",
        about.summary if about else f"{generator.summary}.",
        section("What it is for", USE),
        _creation(provenance, ()),
        section(
            "Composition",
            f"This is measured from the file {path}, which does not exist yet. Run `{build}` to "
            "build it; then the card is complete.",
        ),
        *_about(about),
        section("Licence", _licence(about.license, about) if about else ""),
    )


def description(data: DataFile, about: About | None) -> str:
    """Return a paragraph that describes the dataset."""
    sizes = data.layout.sizes
    each = ", ".join(f"{sizes[split]:,} {split}" for split in SPLITS)
    text = (
        f"{sum(sizes.values()):,} images ({each}) for multiset prediction: the label of an image "
        f"is how often each of {data.header.num_classes} classes occurs in it."
    )
    return f"{text} {about.summary}" if about else text


def _facts(data: DataFile, about: About | None, *, boxes: bool) -> str:
    header, layout = data.header, data.layout
    channels, height, width = layout.image_shape
    known = "its class and box" if boxes else "its class; no boxes (each is the whole image)"
    form = f"HDF5 in {len(data.shards)} shards" if data.shards else "HDF5"
    rows = [
        ("Images", f"{height} x {width} pixels, {_COLOURS.get(channels, f'{channels} channels')}"),
        ("Classes", f"{header.num_classes}: {', '.join(header.class_names)}"),
        ("Objects", f"at most {layout.max_objects} per image, each with {known}"),
        ("Source", f"{header.source}, content SHA-256 `{header.source_sha256}`"),
        ("Licence", header.license),
        ("Personal data", about.personal if about else "unknown"),
        ("Version", f"{header.version}, generator version {header.generator_version}"),
        ("File", f"`{data.path.name}`, {form}, {file_size(data.stored_bytes)}"),
        ("Content SHA-256", f"`{header.content_sha256}`"),
    ]
    return _texts(("", ""), rows)


def _texts(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return table(header, rows, left=header)


def _creation(provenance: Provenance, notes: Sequence[str]) -> str:
    return section(
        "How it was created",
        f"```sh\n{provenance.command}\n```" if provenance.command else "",
        f"Only its options are known: {provenance.missing}." if provenance.missing else "",
        numbered(provenance.about.made) if provenance.about else "",
        _texts(("option", "value", "meaning"), provenance.options),
        f"Notes from its creation:\n\n{bullets(notes)}" if notes else "",
    )


def _about(about: About | None) -> list[str]:
    if about is None:
        return []
    published = f"Published at <{about.homepage}>." if about.homepage else ""
    return [
        section("Where it comes from", about.origin, published),
        section("Known limits", bullets(about.limits)),
        section("What it is not for", bullets(about.not_for)),
    ]


def _licence(text: str, about: About | None) -> str:
    return f"[{text}]({about.license_url})" if about and about.license_url else text


def _reading(data: DataFile) -> str:
    arrays = [
        (f"`{name}`", f"{dtype.name} {['N', *shape]}".replace("'", ""), ARRAYS[name])
        for name, (dtype, shape) in data.layout.arrays().items()
    ]
    return document(
        "The groups `train`, `valid` and `test` hold these arrays; any HDF5 reader opens them.",
        _texts(("array", "type", "content"), arrays),
        _hashes(data),
        f"```python\nfrom pathlib import Path\n\nfrom hsal_bench.data.file import open_data\n\n"
        f'with open_data(Path("{data.path.name}")) as data:\n'
        f'    images = data.read("train", "images")\n'
        f'    counts = data.read("train", "counts")\n```',
        f"`hsal-bench verify {data.path.name}` checks that the file is intact, leak-free "
        "and consistent with its config.",
    ).rstrip()


def _hashes(data: DataFile) -> str:
    known = fingerprints.read_fingerprints(data)
    if known is None:
        return ""
    columns = known.columns()
    rows = [(f"`{name}`", text) for name, text in fingerprints.COLUMNS.items() if name in columns]
    return document(
        f"The group `{fingerprints.GROUP}` has one row per glyph or photograph in use. It is not "
        "part of the content SHA-256.",
        _texts(("array", "content"), rows),
    ).rstrip()
