"""What a data card tells of a data set of house numbers."""

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
    "House numbers without street, town or owner; no pictures of people are sought. Where a "
    "photograph was taken is not in the data, and should not be looked for."
)
_NOT_FOR = (
    "Commercial use, of SVHN's photographs: they are published for non-commercial use only, and so "
    "is all made from them.",
    "Reading real house numbers: the digits are an unordered multiset here, and each image is a "
    "crop around the known boxes, so finding the number in a picture is not part of the task.",
    "Finding a place, a building or its inhabitants.",
    "Deployment: streets, cameras and plates of 2011 and before.",
)


def about(spec: NumbersSpec) -> About:
    """Return what is to be said of the house numbers that `spec` describes."""
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
    """Return the licence of what is made from a collection, as far as it is known."""
    return LICENCE if collection == OFFICIAL else OTHER_LICENCE


def _origin(collection: str) -> str:
    if collection == OFFICIAL:
        return _SVHN
    return (
        f"Photographs of house numbers in the folder `{collection}`, laid out as SVHN's full "
        "numbers are. This is not SVHN's official split: a result on it does not compare with one "
        f"on SVHN. Of SVHN itself: {_SVHN}"
    )


def _steps(spec: NumbersSpec) -> list[str]:
    return [
        f"Choice: pictures of 1 to {spec.max_objects} digits; those with more, without any, with a "
        "box outside the picture or broken are left out (see the notes, if any).",
        "Splits: `test` is the test archive; of the training archive a part is held out for "
        "`valid` by the seed (5,000 pictures of SVHN, 15 % of a small collection), the rest is "
        "`train`. SVHN's `extra` pictures are not used.",
        f"Crop: the union of the digits' boxes, its sides grown by {100 * spec.grow:g} %, within "
        "the picture.",
        f"Resize: bilinear to {spec.resolution} x {spec.resolution}, whatever the crop's shape.",
        "Boxes and labels are as published, the boxes carried along with crop and resize.",
    ]


def _limits(most: int) -> list[str]:
    return [
        "The resize does not keep the aspect ratio: long numbers are squeezed, and how narrow the "
        "digits are tells how many there are.",
        "The crop follows the boxes, so the digits fill the image and lie around its middle.",
        "House numbers are not random: short numbers and low leading digits are more frequent.",
        "Boxes are drawn by hand: some are loose, some cut a digit, and a label may be wrong.",
        f"Numbers of more than {most} digits are missing.",
        "Pictures are compared by the hash of their files: the same house photographed twice, or "
        "one picture saved twice in different ways, once for each of two splits, is not noticed.",
        "Crop, resize, most digits and the held-out part are this project's reading of what the "
        "paper leaves open.",
    ]
