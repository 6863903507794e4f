"""What was measured of a data set, in tables and sentences of Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from hsal_bench.data.cards.composition import SIDES, Composition
from hsal_bench.text import document, section, table

Found = Mapping[str, Composition]

_DASH = "-"
_NINTHS = (
    *("top left", "top", "top right"),
    *("left", "central", "right"),
    *("bottom left", "bottom", "bottom right"),
)


def tables(found: Found, class_names: Sequence[str], leaks: str) -> list[str]:
    """Return the sections on what each split is made of; leaks: a sentence on what splits share."""
    return [
        section("Splits", _splits(found), leaks),
        section("Objects per image", "Share of the images.", _objects(found)),
        section("Classes", "Share of the objects.", _classes(found, class_names)),
        section("Sizes", "Of the objects' boxes: pixels, and share of the image.", _sizes(found)),
        section(
            "Positions",
            "Share of the objects of `train` with the centre of their box in each ninth of the "
            "image (even would be 11.1 %):",
            _centres(found["train"]),
            "Share of the images without any object in the outer tenth at a side:",
            _unreached(found),
        ),
    ]


def findings(found: Found, class_names: Sequence[str]) -> list[str]:
    """Return sentences on how the training split is uneven, measured."""
    train = found["train"]
    told = [_say_objects(train), _say_repeats(train)]
    if train.classes.sum():
        told += [_say_classes(train, class_names), _say_sizes(train), _say_places(train)]
    if not math.isnan(train.overlapping):
        told.append(_say_overlap(train))
    return told


def share(part: float) -> str:
    """Return a share as a person writes it: "12.3 %", a dash for NaN."""
    return _DASH if math.isnan(part) else f"{100 * part:.1f} %"


def _say_objects(train: Composition) -> str:
    numbers = np.flatnonzero(train.objects)
    if len(numbers) == 1:
        return f"Objects per image: always {numbers[0]}."
    most, fewest = train.objects.argmax(), numbers[train.objects[numbers].argmin()]
    return (
        f"Objects per image: {numbers[0]} to {numbers[-1]}, most often {most} "
        f"({share(train.objects[most] / train.images)} of the images), least often {fewest} "
        f"({share(train.objects[fewest] / train.images)})."
    )


def _say_repeats(train: Composition) -> str:
    if not train.repeated:
        return "Repeats: no image holds a class twice."
    return f"Repeats: {share(train.repeated)} of the images hold a class more than once."


def _say_classes(train: Composition, names: Sequence[str]) -> str:
    shares = train.classes / train.classes.sum()
    most, fewest = int(shares.argmax()), int(shares.argmin())
    ratio = f": {shares[most] / shares[fewest]:.2f} times as many" if shares[fewest] else ""
    return (
        f"Classes: `{names[most]}` is {share(shares[most])} of the objects, `{names[fewest]}` "
        f"{share(shares[fewest])}{ratio}."
    )


def _say_sizes(train: Composition) -> str:
    (_, w0, _, w1, _), (_, h0, _, h1, _), (_, _, area, _, _) = train.sizes
    return (
        f"Sizes: nine objects in ten are {w0:.0f} to {w1:.0f} pixels wide, and as many "
        f"{h0:.0f} to {h1:.0f} tall; the median one covers {share(area)} of the image."
    )


def _say_places(train: Composition) -> str:
    shares = dict(zip(_NINTHS, train.centres.ravel().tolist(), strict=True))
    most, fewest = max(shares, key=shares.__getitem__), min(shares, key=shares.__getitem__)
    left, top, right, bottom = map(share, train.unreached)
    return (
        f"Positions: of the ninths of the image, the {most} one holds the most centres "
        f"({share(shares[most])}) and the {fewest} one the fewest ({share(shares[fewest])}); even "
        "would be 11.1 % each. The outer tenth is without any object at the right in "
        f"{right} of the images, at the left in {left}; at the bottom in {bottom}, at the top in "
        f"{top}."
    )


def _say_overlap(train: Composition) -> str:
    if not train.overlapping:
        return "Overlap: no two boxes overlap."
    part = share(train.overlapping)
    return f"Overlap: two boxes overlap in {part} of the images with several objects."


def _splits(found: Found) -> str:
    rows = [
        ("images", *(f"{one.images:,}" for one in found.values())),
        ("objects", *(f"{one.classes.sum():,}" for one in found.values())),
        ("distinct sources of objects", *(f"{one.sources:,}" for one in found.values())),
        ("images with a repeated class", *(share(one.repeated) for one in found.values())),
        ("images with overlapping boxes (1)", *(share(one.overlapping) for one in found.values())),
        ("brightness (2)", *(f"{one.brightness:.3f}" for one in found.values())),
        ("contrast (2)", *(f"{one.contrast:.3f}" for one in found.values())),
    ]
    sampled = ", ".join(f"{one.sampled} of {split}" for split, one in found.items())
    return document(
        table(("", *found), rows),
        "(1) Of the images with several objects. (2) Mean grey value and mean standard deviation "
        f"within an image, from 0 to 1, in a sample ({sampled}).",
    ).rstrip()


def _objects(found: Found) -> str:
    shares = np.stack([one.objects / one.images for one in found.values()], axis=1)
    rows = [(str(k), *map(share, row)) for k, row in enumerate(shares) if row.any()]
    return table(("objects", *found), rows)


def _classes(found: Found, names: Sequence[str]) -> str:
    shares = np.stack([one.classes / max(one.classes.sum(), 1) for one in found.values()], axis=1)
    rows = [(name, *map(share, row)) for name, row in zip(names, shares, strict=True)]
    ratios = [_ratio(split.max(), split.min()) for split in shares.T]
    return table(("class", *found), [*rows, ("largest / smallest", *ratios)])


def _ratio(large: float, small: float) -> str:
    return f"{large / small:.2f}" if small else _DASH


def _sizes(found: Found) -> str:
    rows = []
    for split, one in found.items():
        width, height, area = one.sizes
        rows += [
            (f"{split}: width", *map(_pixels, width)),
            (f"{split}: height", *map(_pixels, height)),
            (f"{split}: area", *map(share, area)),
        ]
    return table(("", "smallest", "5 % below", "median", "95 % below", "largest"), rows)


def _pixels(number: float) -> str:
    return _DASH if math.isnan(number) else f"{number:.0f}"


def _centres(one: Composition) -> str:
    rows = zip(("top", "middle", "bottom"), one.centres, strict=True)
    return table(("", "left", "middle", "right"), [(name, *map(share, row)) for name, row in rows])


def _unreached(found: Found) -> str:
    return table(
        ("", *SIDES), [(split, *map(share, one.unreached)) for split, one in found.items()]
    )
