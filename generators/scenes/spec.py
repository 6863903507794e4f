"""The options of `hsal-bench generate` for datasets of scenes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from hsal_bench.data.schema import MOST_IMAGES, MOST_OBJECTS, MOST_PIXELS, MOST_SEED
from hsal_bench.errors import UsageError
from hsal_bench.generators.glyphs.sources import GLYPH_SIZE, NAME, OWN, SOURCES, GlyphPools
from hsal_bench.options import check_bounds, option

Placement = Literal["grid", "uniform"]


@dataclass(frozen=True)
class SceneSpec:
    """Scenes of resized glyphs on a black square canvas with clutter behind them (App. A).

    A spec that contradicts itself raises UsageError, which names the fields, their values and the
    remedy.
    """

    source: str = option(
        "mnist",
        f"glyphs: {', '.join(SOURCES)}, or IDX files IMAGES,LABELS[,TEST_IMAGES,TEST_LABELS]",
    )
    class_names: str | None = option(
        None,
        "names of the classes of own IDX files, A,B,... for the labels 0,1,...; none: the labels",
        omit_default=True,
    )
    name: str | None = option(
        None,
        "name of own IDX files: the dataset is NAME-multiset, not idx-multiset",
        omit_default=True,
    )
    min_objects: int = option(1, "fewest objects per image", 0, MOST_OBJECTS)
    max_objects: int = option(4, "most objects per image", 1, MOST_OBJECTS)
    min_size: int = option(20, "smallest side of an object's square, pixels", 1, MOST_PIXELS)
    max_size: int = option(50, "largest side of an object's square, pixels", 1, MOST_PIXELS)
    canvas: int = option(100, "side of the image, pixels", 1, MOST_PIXELS)
    clutter: int = option(8, "pieces of clutter per image", 0, MOST_PIXELS)
    clutter_size: int = option(5, "side of a piece of clutter, pixels", 1, GLYPH_SIZE)
    placement: Placement = option(
        "grid", "grid: one object per cell as in the paper; uniform: anywhere without overlap"
    )
    glyph_pools: GlyphPools = option(
        "disjoint",
        "disjoint: no glyph in two splits; shared: all splits draw from the source's training "
        "glyphs, as in the authors' script, so the test split leaks",
        omit_default=True,
    )
    unique: bool = option(False, "no class twice in an image")
    train: int = option(60_000, "images of the train split", 1, MOST_IMAGES)
    valid: int = option(5_000, "images of the valid split", 1, MOST_IMAGES)
    test: int = option(10_000, "images of the test split", 1, MOST_IMAGES)
    seed: int = option(0, "random seed", 0, MOST_SEED)

    def __post_init__(self) -> None:
        for check in (
            check_bounds,
            _check_name,
            _check_choices,
            _check_names,
            _check_order,
            _check_room,
            _check_clutter,
        ):
            check(self)

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the classes of own IDX files; None: their labels."""
        return tuple(self.class_names.split(",")) if self.class_names is not None else None

    @property
    def sizes(self) -> dict[str, int]:
        """Number of images of each split."""
        return {"train": self.train, "valid": self.valid, "test": self.test}


def _check_name(spec: SceneSpec) -> None:
    if spec.name is None:
        return
    if "," not in spec.source:
        raise UsageError(
            f"name={spec.name} names own IDX files, but source={spec.source} has a name: drop one "
            "of the two"
        )
    if spec.name in (*SOURCES, OWN) or not NAME.fullmatch(spec.name):
        raise UsageError(
            f"name={spec.name!r}: use letters, digits, '_', '.' and '-', and no source's name "
            f"({', '.join((*SOURCES, OWN))})"
        )


def _check_choices(spec: SceneSpec) -> None:
    for field, choices in (("placement", Placement), ("glyph_pools", GlyphPools)):
        if (value := getattr(spec, field)) not in get_args(choices):
            raise UsageError(f"{field}={value!r}: use {' or '.join(get_args(choices))}")


def _check_names(spec: SceneSpec) -> None:
    if spec.class_names is not None and spec.source in SOURCES:
        raise UsageError(
            f"class_names={spec.class_names!r}, but the classes of source={spec.source} have "
            "names: drop class_names, or give IDX files"
        )


def _check_order(spec: SceneSpec) -> None:
    for small, large in (
        ("min_objects", "max_objects"),
        ("min_size", "max_size"),
        ("max_size", "canvas"),
    ):
        low, high = getattr(spec, small), getattr(spec, large)
        if low > high:
            raise UsageError(
                f"{small}={low} is larger than {large}={high}: lower {small} or raise {large}"
            )


def _check_room(spec: SceneSpec) -> None:
    # Squares of side s that do not overlap: at most (canvas // s)^2, on a grid or off it.
    field = "max_size" if spec.placement == "grid" else "min_size"
    size = getattr(spec, field)
    room = (spec.canvas // size) ** 2
    if spec.max_objects <= room:
        return
    other = "" if spec.placement == "uniform" else ", or use placement=uniform"
    raise UsageError(
        f"max_objects={spec.max_objects} objects of {field}={size} do not fit in "
        f"canvas={spec.canvas} with placement={spec.placement} (room for {room}): "
        f"lower max_objects or {field}, or raise canvas{other}"
    )


def _check_clutter(spec: SceneSpec) -> None:
    cells = (spec.canvas // spec.clutter_size) ** 2
    if spec.clutter > cells:
        raise UsageError(
            f"clutter={spec.clutter} pieces of clutter_size={spec.clutter_size} do not fit in "
            f"canvas={spec.canvas} (room for {cells}): lower clutter or clutter_size"
        )
