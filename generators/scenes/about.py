"""The unmeasured part of the data card of a dataset of scenes."""

from __future__ import annotations

from hsal_bench.data.generator import About
from hsal_bench.generators.glyphs.origins import origin

from .spec import SceneSpec

_NOT_FOR = (
    "Reading text, numbers or forms: the objects are isolated, upright and in no order.",
    "Showing that a method finds objects in photographs: the background is black, the clutter is "
    "small, and no object hides another.",
)
_NOT_FOR_DISJOINT = (
    "Comparison with results on images whose test glyphs were also in training, such as those of "
    "the authors' own script."
)
_NOT_FOR_SHARED = (
    "Reporting how good a method is: most glyphs of the test split were in training. Use it to "
    "measure the effect of that leak against the leak-free dataset (`--glyph-pools disjoint`)."
)


def about(spec: SceneSpec, limits: tuple[str, ...] = ()) -> About:
    """Return the `About` of a spec; `limits`: extra limits, listed first."""
    source = origin(spec.source)
    repeats = "no class twice" if spec.unique else "repeats allowed"
    number = _number(spec.min_objects, spec.max_objects)
    objects = f"{number} {source.glyphs} ({repeats})"
    if spec.max_objects == spec.min_objects == 1:
        objects = f"one of the {source.glyphs}"
    clutter = f"{spec.clutter} small pieces of clutter" if spec.clutter else "no clutter"
    shared = spec.glyph_pools == "shared"
    split_limits = (_SHARED_LIMIT,) if shared else source.split_limits
    leaks = " Its splits leak: they draw from one pool of glyphs." if shared else ""
    return About(
        summary=f"An image shows {objects}, resized, on a black canvas of "
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
        + (", each equally likely." if spec.min_objects < spec.max_objects else "."),
        _WHICH[spec.unique],
        f"Size: a square of {_number(spec.min_size, spec.max_size)} pixels a side, drawn per "
        "object; the glyph is resized to it bilinearly.",
        _WHERE[spec.placement],
        *([_clutter(spec)] if spec.clutter else []),
        "Boxes are tight around an object's ink, so they are smaller than its square.",
    ]


_SHARED_LIMIT = (
    "The splits leak on purpose: a glyph of `test` may also be in `train`. The leak-free dataset "
    "with the same seed differs only in the glyphs: number, size and place of the objects are the "
    "same, and so is the activation model."
)
_SPLITS = {
    "disjoint": "Splits: the glyphs of `train`, `valid` and `test` are disjoint. One twelfth of "
    "the source's training glyphs is held out for `valid`; `test` uses the source's test glyphs.",
    "shared": "Splits: `train`, `valid` and `test` all draw from the source's training glyphs, as "
    "in the authors' own script. The source's test glyphs are not used.",
}
_WHICH = {
    False: "Choice of objects: glyphs are drawn uniformly from those of the split, so classes are "
    "as frequent as in the source and may repeat.",
    True: "Choice of objects: classes are drawn uniformly without replacement, then a glyph each.",
}
_WHERE = {
    "grid": "Place: the canvas is cut into a grid whose cells are as large as the image's largest "
    "object; each object gets its own cell and a random place in it, as in the paper.",
    "uniform": "Place: anywhere on the canvas where the object's square overlaps no other square.",
}


def _clutter(spec: SceneSpec) -> str:
    side = spec.clutter_size
    return (
        f"Clutter: {spec.clutter} windows of {side} x {side} pixels cut out of random glyphs, in "
        "different cells of a grid, painted before the objects, whose ink covers them. Pieces "
        "without ink are invisible."
    )


def _limits(spec: SceneSpec) -> list[str]:
    limits = [
        "Numbers, sizes and places of the objects depend on the seed, not on the classes: "
        "`mnist-set` and `mnist-multiset` with the same seed have the same layout in each scene; "
        "they are not independent samples."
    ]
    if spec.max_objects == 1 and 2 * spec.min_size <= spec.canvas:
        limits.append(
            "An image has one object: this dataset is for training the network that provides the "
            "activations, not a multiset prediction task."
        )
    if spec.min_objects == 0:
        limits.append(
            "An image may have no object, as often as any other number of objects. Such an image "
            "affects precision, recall and F1 only by false alarms; exact match counts it."
        )
    if spec.placement == "grid":
        limits.append(
            "The grid starts at the top left. If the largest object's side does not divide the "
            "canvas's, a strip at the right and the bottom is never used: a method can learn to "
            "look there less. `--placement uniform` avoids this."
        )
        limits.append(
            "The largest object of an image sets the grid for all its objects, so their places "
            "are correlated with their sizes."
        )
    if spec.clutter:
        limits.append("Clutter comes from the same glyphs as the objects and has no boxes.")
    return limits
