"""The options of `hsal-bench generate` for datasets of house numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hsal_bench.data.schema import MOST_IMAGES, MOST_OBJECTS, MOST_PIXELS, MOST_SEED
from hsal_bench.options import check_bounds, option

from .files import OFFICIAL, check_name


@dataclass(frozen=True)
class NumbersSpec:
    """House numbers, cropped to their digits, whose classes are the labels.

    The collection's name becomes part of the dataset's name.
    """

    collection: str = option(
        OFFICIAL,
        "photographs: svhn, or a folder of --data-dir with a train.tar.gz and a test.tar.gz",
    )
    resolution: int = option(100, "side of the stored image, pixels", 1, MOST_PIXELS)
    colour: Literal["rgb", "grey"] = option("rgb", "colour of the stored image")
    grow: float = option(
        0.3, "share by which the crop is larger than the union of the boxes", 0.0, 100.0
    )
    max_objects: int = option(
        6, "most digits per image; pictures with more are skipped", 1, MOST_OBJECTS
    )
    train: int | None = option(None, "images of the train split; none: all", 1, MOST_IMAGES)
    valid: int | None = option(None, "images of the valid split; none: all", 1, MOST_IMAGES)
    test: int | None = option(None, "images of the test split; none: all", 1, MOST_IMAGES)
    seed: int = option(0, "seed of the choice of the valid split", 0, MOST_SEED)

    def __post_init__(self) -> None:
        check_bounds(self)
        check_name(self.collection)
