"""Named variations of the paper's datasets, each with one change, to test generalisation.

A variation uses the same code and glyphs as the original dataset; its name is the original's name
with the variation's suffix.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .spec import SceneSpec


@dataclass(frozen=True)
class Variation:
    """The meaning of a suffix of a name.

    summary: one line for lists. changes: fields of the spec. limits: extra limits for its card.
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
            "100 x 100 pixels (four of 50 pixels fill it): these have 20 to 24 pixels.",
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
            "An image has one object: two objects larger than half of the canvas would overlap. "
            "The dataset tests size alone; by itself it is not a multiset prediction task.",
            "The object is placed anywhere: the paper's grid would have a single cell, as large as "
            "the object, always at the top left.",
        ),
    ),
}
"""By suffix. "-4" and "-10" come from the follow-up paper (arXiv 1711.05246)."""

VARIED = tuple(
    field.name
    for field in dataclasses.fields(SceneSpec)
    if any(field.name in variation.changes for variation in VARIATIONS.values())
    and field.name != "placement"
)
"""The fields that suffixes fix: a spec has a suffix if all of these match the variation.

The placement is not among them: "-uniform" combines with any suffix that does not set it.
"""


def suffix_of(spec: SceneSpec, plain: SceneSpec, variations: Mapping[str, Variation]) -> str:
    """Return the suffix of the variation that turns `plain` into `spec`, "" if there is none."""
    for suffix, variation in variations.items():
        values = vars(plain) | dict(variation.changes)
        if all(getattr(spec, field) == values[field] for field in (*VARIED, *variation.changes)):
            return suffix
    return ""


def without(spec: SceneSpec, plain: SceneSpec, variation: Variation) -> SceneSpec:
    """Return `spec`, of that variation, with the varied fields reset to those of `plain`."""
    fields = {*VARIED, *variation.changes}
    return dataclasses.replace(spec, **{field: getattr(plain, field) for field in fields})
