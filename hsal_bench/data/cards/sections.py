"""The measurements of a dataset as tables and sentences in Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from hsal_bench.data.cards.composition import SIDES, Composition, without_boxes
from hsal_bench.text import document, section, table

Compositions = Mapping[str, Composition]
"""By split."""

_DASH = "-"
_NINTHS = (
    *("top left", "top", "top right"),
    *("left", "central", "right"),
    *("bottom left", "bottom", "bottom right"),
)


def tables(splits: Compositions, class_names: Sequence[str], leaks: str) -> list[str]:
    """Return the sections on the composition of each split, those on boxes only if there are any.

    leaks: a sentence on shared glyphs.
    """
    sections = [
        section("Splits", _splits(splits), leaks),
        section("Objects per image", "Share of the images.", _objects(splits)),
        section("Classes", "Share of the objects.", _classes(splits, class_names)),
    ]
    if without_boxes(splits.values()):
        return sections
    return [
        *sections,
        section(
            "Sizes", "Sizes of the objects' boxes: pixels, and share of the image.", _sizes(splits)
        ),
        section(
            "Positions",
            "Share of the objects of `train` with the centre of their box in each ninth of the "
            "image (11.1 % would be even):",
            _centres(splits["train"]),
            "Share of the images with no object in the outer tenth at each side:",
            _unreached(splits),
        ),
    ]


def findings(splits: Compositions, class_names: Sequence[str]) -> list[str]:
    """Return sentences on the measured biases of the training split."""
    train = splits["train"]
    sentences = [_say_objects(train), _say_repeats(train)]
    if train.classes.sum():
        sentences.append(_say_classes(train, class_names))
    if without_boxes(splits.values()):
        return sentences
    if train.classes.sum():
        sentences += [_say_sizes(train), _say_places(train)]
    if not math.isnan(train.overlapping):
        sentences.append(_say_overlap(train))
    return sentences


def share(fraction: float) -> str:
    """Return a share in percent: "12.3 %", a dash for NaN."""
    return _DASH if math.isnan(fraction) else f"{100 * fraction:.1f} %"


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
        return "Repeats: no image has a class twice."
    return f"Repeats: {share(train.repeated)} of the images have a class more than once."


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
        f"Sizes: 90 % of the objects are {w0:.0f} to {w1:.0f} pixels wide, and 90 % are "
        f"{h0:.0f} to {h1:.0f} pixels tall; the median object covers {share(area)} of the image."
    )


def _say_places(train: Composition) -> str:
    shares = dict(zip(_NINTHS, train.centres.ravel().tolist(), strict=True))
    most, fewest = max(shares, key=shares.__getitem__), min(shares, key=shares.__getitem__)
    left, top, right, bottom = map(share, train.unreached)
    return (
        f"Positions: of the ninths of the image, the {most} one has the most centres "
        f"({share(shares[most])}) and the {fewest} one the fewest ({share(shares[fewest])}); "
        "11.1 % each would be even. The outer tenth has no object at the right in "
        f"{right} of the images, at the left in {left}, at the bottom in {bottom}, at the top in "
        f"{top}."
    )


def _say_overlap(train: Composition) -> str:
    if not train.overlapping:
        return "Overlap: no two boxes overlap."
    overlapping = share(train.overlapping)
    return f"Overlap: two boxes overlap in {overlapping} of the images with several objects."


def _splits(splits: Compositions) -> str:
    rows = [
        ("images", *(f"{measured.images:,}" for measured in splits.values())),
        ("objects", *(f"{measured.classes.sum():,}" for measured in splits.values())),
        ("distinct sources of objects", *(f"{measured.sources:,}" for measured in splits.values())),
        (
            "images with a repeated class",
            *(share(measured.repeated) for measured in splits.values()),
        ),
        ("brightness [1]", *(f"{measured.brightness:.3f}" for measured in splits.values())),
        ("contrast [1]", *(f"{measured.contrast:.3f}" for measured in splits.values())),
        (
            "images with overlapping boxes [2]",
            *(share(measured.overlapping) for measured in splits.values()),
        ),
    ]
    boxes = not without_boxes(splits.values())
    sampled = ", ".join(f"{measured.sampled} of {split}" for split, measured in splits.items())
    return document(
        table(("", *splits), rows if boxes else rows[:-1]),
        "[1] Mean grey value and mean standard deviation within an image, from 0 to 1, in a sample "
        f"({sampled}).{' [2] Of the images with several objects.' if boxes else ''}",
    ).rstrip()


def _objects(splits: Compositions) -> str:
    shares = np.stack([measured.objects / measured.images for measured in splits.values()], axis=1)
    rows = [(str(k), *map(share, row)) for k, row in enumerate(shares) if row.any()]
    return table(("objects", *splits), rows)


def _classes(splits: Compositions, names: Sequence[str]) -> str:
    shares = np.stack(
        [measured.classes / max(measured.classes.sum(), 1) for measured in splits.values()], axis=1
    )
    rows = [(name, *map(share, row)) for name, row in zip(names, shares, strict=True)]
    ratios = [_ratio(split.max(), split.min()) for split in shares.T]
    return table(("class", *splits), [*rows, ("largest / smallest", *ratios)])


def _ratio(large: float, small: float) -> str:
    return f"{large / small:.2f}" if small else _DASH


def _sizes(splits: Compositions) -> str:
    rows = []
    for split, measured in splits.items():
        width, height, area = measured.sizes
        rows += [
            (f"{split}: width", *map(_pixels, width)),
            (f"{split}: height", *map(_pixels, height)),
            (f"{split}: area", *map(share, area)),
        ]
    return table(("", "smallest", "5 % below", "median", "95 % below", "largest"), rows)


def _pixels(number: float) -> str:
    return _DASH if math.isnan(number) else f"{number:.0f}"


def _centres(measured: Composition) -> str:
    rows = zip(("top", "middle", "bottom"), measured.centres, strict=True)
    return table(("", "left", "middle", "right"), [(name, *map(share, row)) for name, row in rows])


def _unreached(splits: Compositions) -> str:
    return table(
        ("", *SIDES),
        [(split, *map(share, measured.unreached)) for split, measured in splits.items()],
    )
