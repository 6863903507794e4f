"""The unmeasured part of the data card of a dataset of house numbers."""

from __future__ import annotations

from hsal_bench.data.generator import About

from .files import OFFICIAL
from .spec import NumbersSpec

LICENCE = "SVHN: for non-commercial use only"
OTHER_LICENCE = "that of the photographs; for non-commercial use only where they are SVHN's"
_HOMEPAGE = "http://ufldl.stanford.edu/housenumbers/"

_SVHN = (
    "Street View House Numbers: crops of Google Street View photographs from urban areas of "
    "various countries, collected by Netzer, Wang, Coates, Bissacco, Wu and Ng (2011); people on "
    "Amazon Mechanical Turk transcribed the numbers and drew a box around each digit. These are "
    "the full numbers, of varying size (`train` and `test` archives)."
)
_PERSONAL = (
    "House numbers without street, town or owner; the pictures do not aim to show people. The data "
    "does not say where a photograph was taken; do not try to find out."
)
_NOT_FOR = (
    "Commercial use of SVHN's photographs: they, and everything made from them, are for "
    "non-commercial use only.",
    "Reading real house numbers: the digits are an unordered multiset here, and each image is a "
    "crop around the known boxes, so finding the number is not part of the task.",
    "Finding a place, a building or its inhabitants.",
    "Deployment: the streets, cameras and number plates are from 2011 and before.",
)


def about(spec: NumbersSpec) -> About:
    """Return the `About` of a spec."""
    side, most = spec.resolution, spec.max_objects
    colour = {"rgb": "in colour", "grey": "in grey"}[spec.colour]
    return About(
        summary=f"An image is a photograph of a house number of 1 to {most} digits, cropped to "
        f"its digits and resized to {side} x {side} pixels, {colour}; repeats allowed.",
        origin=_origin(spec.collection),
        made=tuple(_steps(spec)),
        limits=tuple(_limits(most)),
        not_for=_NOT_FOR,
        personal=_PERSONAL,
        license=licence(spec.collection),
        homepage=_HOMEPAGE if spec.collection == OFFICIAL else "",
    )


def licence(collection: str) -> str:
    """Return the licence of datasets from a collection, as far as it is known."""
    return LICENCE if collection == OFFICIAL else OTHER_LICENCE


def _origin(collection: str) -> str:
    if collection == OFFICIAL:
        return _SVHN
    return (
        f"Photographs of house numbers in the folder `{collection}`, in the layout of SVHN's full "
        "numbers. This is not SVHN's official split: results are not comparable with those on "
        f"SVHN. About SVHN itself: {_SVHN}"
    )


def _steps(spec: NumbersSpec) -> list[str]:
    return [
        f"Choice: readable pictures with 1 to {spec.max_objects} digits whose boxes are in the "
        "picture; all others are skipped (see the notes, if any).",
        "Splits: `test` is the test archive. A random part of the training archive, chosen by the "
        "seed, is `valid` (5,000 pictures of SVHN, 15 % of a small collection); the rest is "
        "`train`. SVHN's `extra` pictures are not used.",
        f"Crop: the union of the digits' boxes, enlarged by {100 * spec.grow:g} % of its sides, "
        "within the picture.",
        f"Resize: bilinear to {spec.resolution} x {spec.resolution}, whatever the crop's shape.",
        "Labels are as published; boxes are transformed along with crop and resize.",
    ]


def _limits(most: int) -> list[str]:
    return [
        "The resize does not keep the aspect ratio: long numbers are squeezed, so the width of the "
        "digits reveals their number.",
        "The crop follows the boxes, so the digits fill the image and are near its centre.",
        "House numbers are not random: short numbers and low leading digits are more frequent.",
        "Boxes are drawn by hand: some are loose, some cut a digit, and some labels are wrong.",
        f"Numbers with more than {most} digits are missing.",
        "Pictures are compared by the hash of their files: two photographs of the same house, or "
        "two encodings of one picture, in different splits are not detected.",
        "The paper does not specify crop, resize, maximum number of digits and validation split: "
        "they are this project's choices.",
    ]
