"""Named data sets that differ from the paper's in one respect: does what was learnt carry over?

A variation is made by the same code as the data set it varies, from the same glyphs, and has a name
of its own: that of the data set with the variation's suffix.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .spec import SceneSpec


@dataclass(frozen=True)
class Variation:
    """What a suffix of a name stands for.

    summary: a line for lists. changes: fields of the spec. limits: what only its card has to say.
    """

    summary: str
    changes: Mapping[str, Any]
    limits: tuple[str, ...] = ()


_SMALLER = {"min_size": 20, "max_size": 24}
VARIATIONS = {
    "-4": Variation("exactly 4 digits", {"min_objects": 4}),
    "-5to8": Variation(
        "5 to 8 digits of 20 to 24 px", {"min_objects": 5, "max_objects": 8, **_SMALLER}
    ),
    "-10": Variation(
        "exactly 10 digits of 20 to 24 px",
        {"min_objects": 10, "max_objects": 10, **_SMALLER},
        (
            "Ten objects of 20 to 50 pixels, as in the paper's scenes, do not fit into the grid of "
            "100 x 100 pixels (four of 50 fill it): these are of 20 to 24.",
        ),
    ),
    "-empty": Variation("0 to 4 digits: an image may be empty", {"min_objects": 0}),
    "-cluttered": Variation("twice the clutter: 16 pieces", {"clutter": 16}),
    "-small": Variation("digits of 12 to 19 px", {"min_size": 12, "max_size": 19}),
    "-large": Variation(
        "one digit of 51 to 70 px, anywhere on the canvas",
        {
            "min_objects": 1,
            "max_objects": 1,
            "min_size": 51,
            "max_size": 70,
            "placement": "uniform",
        },
        (
            "An image has one object: two of more than half of the canvas do not fit without "
            "overlap. It tests size alone, and is no task of multiset prediction by itself.",
            "The object is placed anywhere: the paper's grid would have one cell, as large as the "
            "object, and so have it at the top left always.",
        ),
    ),
}
"""By suffix. Exactly four, and exactly ten, are the follow-up paper's (arXiv 1711.05246)."""

VARIED = tuple(
    field.name
    for field in dataclasses.fields(SceneSpec)
    if any(field.name in variation.changes for variation in VARIATIONS.values())
    and field.name != "placement"
)
"""The fields that every suffix speaks of: a spec has one if it has all of these as that says.

The placement goes with any suffix, under "-uniform", but for one that says it itself.
"""


def suffix_of(spec: SceneSpec, plain: SceneSpec, variations: Mapping[str, Variation]) -> str:
    """Return the suffix of the variation of `plain` that `spec` is, "" if it is none."""
    for suffix, variation in variations.items():
        meant = vars(plain) | dict(variation.changes)
        if all(getattr(spec, field) == meant[field] for field in (*VARIED, *variation.changes)):
            return suffix
    return ""


def without(spec: SceneSpec, plain: SceneSpec, variation: Variation) -> SceneSpec:
    """Return a spec of that variation with the fields that it speaks of as `plain` has them."""
    fields = {*VARIED, *variation.changes}
    return dataclasses.replace(spec, **{field: getattr(plain, field) for field in fields})
