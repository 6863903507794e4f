"""What a data card tells of a data set of scenes."""

from __future__ import annotations

from hsal_bench.data.generator import About
from hsal_bench.generators.glyphs.origins import origin

from .spec import SceneSpec

_NOT_FOR = (
    "Reading text, numbers or forms: the objects are isolated, upright and in no order.",
    "Showing that a method finds objects in photographs: the background is black, the clutter "
    "small, and an object's ink is never hidden by another's.",
)
_NOT_FOR_DISJOINT = (
    "Comparison with numbers from images whose test glyphs were also trained on, such as those "
    "that the paper's authors' own script makes."
)
_NOT_FOR_SHARED = (
    "Reporting how good a method is: most glyphs of the test split were trained on. It is for "
    "measuring what that leak is worth, next to the leak-free dataset (`--glyph-pools disjoint`)."
)


def about(spec: SceneSpec, limits: tuple[str, ...] = ()) -> About:
    """Return what is to be said of the scenes that `spec` describes; `limits` of its own first."""
    source = origin(spec.source)
    repeats = "no class twice" if spec.unique else "repeats allowed"
    number = _number(spec.min_objects, spec.max_objects)
    shown = f"{number} {source.glyphs} ({repeats})"
    if spec.max_objects == spec.min_objects == 1:
        shown = f"one of the {source.glyphs}"
    clutter = f"{spec.clutter} small pieces of clutter" if spec.clutter else "no clutter"
    shared = spec.glyph_pools == "shared"
    split_limits = (_SHARED_LIMIT,) if shared else source.split_limits
    leaks = " Its splits leak: they draw from one pool of glyphs." if shared else ""
    return About(
        summary=f"An image shows {shown}, resized, on a black canvas of "
        f"{spec.canvas} x {spec.canvas} pixels with {clutter}.{leaks}",
        origin=source.made_by,
        made=tuple(_steps(spec)),
        limits=(*limits, *source.limits, *split_limits, *_limits(spec)),
        not_for=(*_NOT_FOR, _NOT_FOR_SHARED if shared else _NOT_FOR_DISJOINT),
        personal=source.personal,
        license=source.license,
        license_url=source.license_url,
        homepage=source.homepage,
    )


def _number(least: int, most: int) -> str:
    return str(most) if least == most else f"{least} to {most}"


def _steps(spec: SceneSpec) -> list[str]:
    return [
        _SPLITS[spec.glyph_pools],
        f"Number of objects: {_number(spec.min_objects, spec.max_objects)}"
        + (", each as likely." if spec.min_objects < spec.max_objects else "."),
        _WHICH[spec.unique],
        f"Size: a square of {_number(spec.min_size, spec.max_size)} pixels a side, drawn per "
        "object; the glyph is resized to it bilinearly.",
        _WHERE[spec.placement],
        *([_clutter(spec)] if spec.clutter else []),
        "Boxes are tight around an object's ink, so they are smaller than its square.",
    ]


_SHARED_LIMIT = (
    "The splits leak on purpose: a glyph behind `test` may be behind `train` too. Number, size and "
    "place of the objects are those of the leak-free dataset with the same seed, and so is the "
    "activation model: only the glyphs differ."
)
_SPLITS = {
    "disjoint": "Splits: the glyphs behind `train`, `valid` and `test` are disjoint. One twelfth "
    "of the source's training glyphs is held out for `valid`, `test` draws from its test glyphs.",
    "shared": "Splits: `train`, `valid` and `test` all draw from the source's training glyphs, as "
    "in the paper's authors' own script. The source's test glyphs are not used.",
}
_WHICH = {
    False: "Which objects: glyphs are drawn evenly from those of the split, so classes are as "
    "frequent as in the source and may repeat.",
    True: "Which objects: classes are drawn evenly without replacement, then a glyph of each.",
}
_WHERE = {
    "grid": "Place: the canvas is cut into a grid whose cells are as large as the image's largest "
    "object; each object gets a cell of its own and a random place in it (the paper's way).",
    "uniform": "Place: anywhere on the canvas where the object's square overlaps no other.",
}


def _clutter(spec: SceneSpec) -> str:
    side = spec.clutter_size
    return (
        f"Clutter: {spec.clutter} windows of {side} x {side} pixels cut out of random glyphs, in "
        "different cells of a grid, painted before the objects; an object covers it where it has "
        "ink. Pieces without ink are not seen."
    )


def _limits(spec: SceneSpec) -> list[str]:
    told = [
        "Numbers, sizes and places of the objects follow from the seed, whatever the classes: "
        "`mnist-set` and `mnist-multiset` of one seed share their layout scene by scene, and are "
        "not independent samples."
    ]
    if spec.max_objects == 1 and 2 * spec.min_size <= spec.canvas:
        told.append(
            "An image has one object: this is for training the network whose activations methods "
            "are given, no task of multiset prediction."
        )
    if spec.min_objects == 0:
        told.append(
            "An image may have no object, as often as any other number of them. With every count 0 "
            "it adds nothing to precision, recall and F1 but false alarms; exact match counts it."
        )
    if spec.placement == "grid":
        told.append(
            "The grid begins at the top left, and what is left of the canvas at the right and the "
            "bottom, where the largest object's side does not divide the canvas's, is never used: "
            "a method can learn to look there less. `--placement uniform` is without this."
        )
        told.append(
            "The largest object of an image sets the grid for all of them, so where the objects "
            "are tells something about how large they are."
        )
    if spec.clutter:
        told.append("Clutter comes from the same glyphs as the objects, and has no box.")
    return told
