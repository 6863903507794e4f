"""The options of `hsal-bench generate` for datasets of house numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hsal_bench.data.schema import MOST_IMAGES, MOST_OBJECTS, MOST_PIXELS, MOST_SEED
from hsal_bench.options import check_bounds, option

from .files import OFFICIAL, check_name


@dataclass(frozen=True)
class NumbersSpec:
    """House numbers cropped to their digits, which one image's labels are.

    A collection's name becomes the data set's: the error for one that cannot names the remedy.
    """

    collection: str = option(
        OFFICIAL,
        "photographs: svhn, or a folder of --data-dir with train.tar.gz and test.tar.gz alike",
    )
    resolution: int = option(100, "side of the stored image, pixels", 1, MOST_PIXELS)
    colour: Literal["rgb", "grey"] = option("rgb", "colour of the stored image")
    grow: float = option(
        0.3, "by what share of its sides the union of the boxes grows to the crop", 0.0, 100.0
    )
    max_objects: int = option(
        6, "most digits of an image; those with more are left out", 1, MOST_OBJECTS
    )
    train: int | None = option(None, "images of the train split; none: all", 1, MOST_IMAGES)
    valid: int | None = option(None, "images of the valid split; none: all", 1, MOST_IMAGES)
    test: int | None = option(None, "images of the test split; none: all", 1, MOST_IMAGES)
    seed: int = option(0, "seed of the choice of what is held out for valid", 0, MOST_SEED)

    def __post_init__(self) -> None:
        check_bounds(self)
        check_name(self.collection)
