"""A data set's card in Markdown: what it is made of, where it comes from, what it is not for.

What can be measured is measured from the file; the rest is what its generator tells.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from hsal_bench.data import fingerprints, leaks
from hsal_bench.data import names as dataset_names
from hsal_bench.data.cards import provenance
from hsal_bench.data.cards.composition import compositions
from hsal_bench.data.cards.provenance import Background
from hsal_bench.data.cards.sections import findings, tables
from hsal_bench.data.file import DataFile
from hsal_bench.data.generator import About, load_generator
from hsal_bench.data.schema import SPLITS
from hsal_bench.errors import UsageError
from hsal_bench.text import bullets, document, numbered, section, table

USE = (
    "Training and comparing methods that predict a multiset of labels from an image (how often "
    "each class occurs, in no order), under equal conditions, with hsal-bench."
)
ARRAYS = {
    "images": "the image: channels, rows, columns",
    "labels": "the class of each object, padded with -1",
    "counts": "how often each class occurs: the multiset that is to be predicted",
    "boxes": "x0, y0, x1, y1 of each object in pixels, x1 and y1 exclusive, padded with -1",
    "source_index": "which glyph or photograph of the source an object comes from, padded with -1",
}
"""What the arrays of a split are, one row per image."""

_COLOURS = {1: "grey", 3: "RGB"}


def card(data: DataFile) -> str:
    """Return the card of a data set file.

    Raises:
        HsalBenchError: what is stored cannot be decoded.
    """
    header, known = data.header, provenance.of_config(data.header.config)
    found = compositions(data)
    return document(
        f"# {header.name}",
        summary(data, known.about),
        _facts(data, known.about),
        section("What it is for", USE),
        _made(known, header.notes),
        *tables(found, header.class_names, leaks.summary(data)),
        section("Measured biases", "Of `train`:", bullets(findings(found, header.class_names))),
        *_told(known.about),
        section("Licence", _licence(header.license, known.about)),
        section("Citation", header.citation),
        section("Reading it", _reading(data)),
    )


def outline(name: str, path: Path) -> str:
    """Return what can be said, without its file, of the data set that a generator makes.

    name: the generator's or one it gives. path: where its file would be.

    Raises:
        UsageError: no data set of that name, or its generator cannot be imported.
    """
    found = dataset_names.find(name)
    if found is None:
        raise UsageError(f"no data set {name!r}: {dataset_names.unknown(name)}")
    own, spec = found
    generator = load_generator(own)
    known = provenance.of_spec(own, spec)
    about = known.about
    build = shlex.join([*shlex.split(known.command), "--out", str(path.parent)])
    return document(
        f"# {path.stem}",
        about.summary if about else f"{generator.summary}.",
        section("What it is for", USE),
        _made(known, ()),
        section(
            "What it is made of",
            f"This is measured from the file {path}, which is not there yet: `{build}` builds it, "
            "and then the card tells the whole.",
        ),
        *_told(about),
        section("Licence", _licence(about.license, about) if about else ""),
    )


def summary(data: DataFile, about: About | None) -> str:
    """Return a paragraph on what the data set is."""
    sizes = data.layout.sizes
    each = ", ".join(f"{sizes[split]:,} {split}" for split in SPLITS)
    text = (
        f"{sum(sizes.values()):,} images ({each}) for multiset prediction: the label of an image "
        f"is how often each of {data.header.num_classes} classes occurs in it."
    )
    return f"{text} {about.summary}" if about else text


def _facts(data: DataFile, about: About | None) -> str:
    header, layout = data.header, data.layout
    channels, height, width = layout.image_shape
    rows = [
        ("Images", f"{height} x {width} pixels, {_COLOURS.get(channels, f'{channels} channels')}"),
        ("Classes", f"{header.num_classes}: {', '.join(header.class_names)}"),
        ("Objects", f"at most {layout.max_objects} per image, each with its class and box"),
        ("Source", f"{header.source}, content SHA-256 `{header.source_sha256}`"),
        ("Licence", header.license),
        ("Personal data", about.personal if about else "not known"),
        ("Version", f"{header.version}, of generator version {header.generator_version}"),
        ("File", f"`{data.path.name}`, HDF5, {data.path.stat().st_size / 1e6:.1f} MB"),
        ("Content SHA-256", f"`{header.content_sha256}`"),
    ]
    return _texts(("", ""), rows)


def _texts(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return table(header, rows, left=header)


def _made(known: Background, notes: Sequence[str]) -> str:
    return section(
        "How it was made",
        f"```sh\n{known.command}\n```" if known.command else "",
        f"How is not known beyond its options: {known.missing}." if known.missing else "",
        numbered(known.about.made) if known.about else "",
        _texts(("option", "value", "what it is"), known.options),
        f"Noted when it was made:\n\n{bullets(notes)}" if notes else "",
    )


def _told(about: About | None) -> list[str]:
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
        _texts(("array", "type", "what it is"), arrays),
        _hashes(data),
        f"```python\nfrom pathlib import Path\n\nfrom hsal_bench.data.file import open_data\n\n"
        f'with open_data(Path("{data.path.name}")) as data:\n'
        f'    images = data.read("train", "images")\n'
        f'    counts = data.read("train", "counts")\n```',
        f"`hsal-bench verify {data.path.name}` checks that the file is whole, what its splits "
        "share, and that it is as its config says.",
    ).rstrip()


def _hashes(data: DataFile) -> str:
    if fingerprints.GROUP not in data.file:
        return ""
    rows = [
        (f"`{name}`", fingerprints.COLUMNS[name])
        for name in fingerprints.COLUMNS
        if name in data.file[fingerprints.GROUP]
    ]
    return document(
        f"The group `{fingerprints.GROUP}` has a row for each glyph or photograph behind an "
        "object. It is not part of the content SHA-256.",
        _texts(("array", "what it is"), rows),
    ).rstrip()
