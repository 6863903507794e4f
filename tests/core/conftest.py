"""A toy dataset, written straight from the schema: what verify, preview and the commands read."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from hsal_bench import registry
from hsal_bench.data.generator import Rows
from hsal_bench.data.schema import (
    PAD,
    SPLITS,
    Examples,
    Header,
    Layout,
    content_sha256,
    run_digests,
)
from hsal_bench.errors import UsageError
from hsal_bench.options import as_json, option

SIDE, K, CLASSES = 12, 3, 3
CHUNK_ROWS = 256


@dataclass(frozen=True)
class ToySpec:
    min_objects: int = option(1, "fewest objects")
    max_objects: int = option(3, "most objects")
    clutter: int = option(1, "pieces of clutter")
    clutter_size: int = option(2, "side of a piece, pixels")
    unique: bool = option(True, "no class twice")
    train: int = option(1200, "images of the train split")
    valid: int = option(40, "images of the valid split")
    test: int = option(60, "images of the test split")
    seed: int = option(0, "seed")

    def __post_init__(self) -> None:
        if self.min_objects > self.max_objects:
            raise UsageError("min_objects is larger than max_objects")


@dataclass(frozen=True)
class ToyRecipe:
    """Squares of 3 x 3 pixels; everything follows from the split and the number of the example."""

    spec: ToySpec
    name: str
    source_sha256: str = "5" * 64

    @property
    def header(self) -> Header:
        config = {"generator": self.name, **as_json(self.spec)}
        names, seed = ("a", "b", "c"), self.spec.seed
        return Header(
            self.name, "1", names, config, seed, "toy", self.source_sha256, "1", "CC0", "x"
        )

    @property
    def layout(self) -> Layout:
        sizes = {split: getattr(self.spec, split) for split in SPLITS}
        return Layout((1, SIDE, SIDE), K, CLASSES, sizes)

    def makers(self, wanted: Sequence[Rows]) -> Iterator[tuple[Rows, ToyRecipe]]:
        # Backwards: the order is the recipe's own.
        for rows in reversed(wanted):
            yield rows, self

    def make(self, split: str, start: int, stop: int) -> Examples:
        rows = [self._example(split, i) for i in range(start, stop)]
        arrays = self.layout.arrays()
        return {
            name: np.array([row[name] for row in rows], dtype).reshape(-1, *shape)
            for name, (dtype, shape) in arrays.items()
        }

    def _example(self, split: str, i: int) -> Examples:
        image = np.zeros((1, SIDE, SIDE))
        image[0, 10:, 10:] = 50  # clutter
        labels, source_index = np.full(K, PAD), np.full(K, PAD)
        boxes = np.full((K, 4), PAD)
        for k in range(1 + (i + self.spec.seed) % K):
            x, y = 4 * k, 4 * (i % 2)
            image[0, y : y + 3, x : x + 3] = 100 + i % 100
            labels[k], boxes[k] = (i + k) % CLASSES, (x, y, x + 3, y + 3)
            source_index[k] = SPLITS.index(split) * 10_000 + i * K + k
        counts = np.bincount(labels[labels != PAD], minlength=CLASSES)
        return {
            "images": image,
            "labels": labels,
            "counts": counts,
            "boxes": boxes,
            "source_index": source_index,
        }


class ToyGenerator:
    summary = "squares"

    def __init__(self, name: str = "toy", **defaults: int) -> None:
        self.name, self.defaults = name, ToySpec(**defaults)

    def data_set_name(self, spec: ToySpec) -> str:
        return f"{self.name}-x"

    def recipe(self, spec: ToySpec, data_dir: Path) -> ToyRecipe:
        if data_dir.name == "without-source":
            raise UsageError(f"no glyphs in {data_dir}")
        return ToyRecipe(spec, self.name)

    def companion(self, spec: ToySpec) -> None:
        return None


def write_toy(recipe: ToyRecipe, path: Path, objects: int = K, **header: object) -> Path:
    """Write the recipe's dataset with room for `objects` per image, `header` fields changed."""
    layout = dataclasses.replace(recipe.layout, max_objects=objects)
    digests = {}
    with h5py.File(path, "w") as file:
        for split, size in layout.sizes.items():
            for name, array in recipe.make(split, 0, size).items():
                if name in ("labels", "boxes", "source_index"):
                    more = [(0, 0), (0, objects - K), (0, 0)][: array.ndim]
                    array = np.pad(array, more, constant_values=PAD)
                digests[split, name] = run_digests(array)
                chunks = (min(CHUNK_ROWS, size), *array.shape[1:])
                packed = {"chunks": chunks, "compression": 1, "shuffle": True}
                file.create_dataset(
                    f"{split}/{name}", data=array, **packed if name == "images" else {}
                )
        content = content_sha256(layout, digests)
        changed = dataclasses.replace(recipe.header, **header, content_sha256=content)
        file.attrs.update(changed.attributes())
    return path


@pytest.fixture(scope="session")
def toy_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(ToyRecipe(ToySpec(), "toy"), tmp_path_factory.mktemp("toy") / "toy-x.h5")


@pytest.fixture
def another_toy(tmp_path: Path) -> Callable[..., Path]:
    """Write toy sets of other content under other names, FOLDER/NAME.h5."""

    def write(name: str, objects: int = K, seed: int = 1, **header: object) -> Path:
        recipe = ToyRecipe(ToySpec(train=30, valid=20, test=30, seed=seed), name)
        return write_toy(recipe, tmp_path / f"{name}.h5", objects, **header)

    return write


@pytest.fixture
def toy_file(tmp_path: Path, toy_template: Path) -> Path:
    """A valid dataset file of 1200 + 40 + 60 images in chunks of at most 256."""
    return Path(shutil.copy(toy_template, tmp_path))


@pytest.fixture
def set_config(toy_file: Path) -> Callable[..., None]:
    """Change fields in the config of `toy_file`; None takes the field out."""

    def change(**fields: object) -> None:
        with h5py.File(toy_file, "r+") as file:
            config = json.loads(file.attrs["config"]) | fields
            known = {name: value for name, value in config.items() if value is not None}
            file.attrs["config"] = json.dumps(known)

    return change


@pytest.fixture
def known_generators(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The only datasets are "toy" and "toy-large"."""
    generators = (ToyGenerator(), ToyGenerator("toy-large", train=2000))
    points = [
        SimpleNamespace(
            name=one.name, value=f"toys:{one.name}", dist=None, load=lambda one=one: one
        )
        for one in generators
    ]
    installed = registry.entry_points
    monkeypatch.setattr(
        registry,
        "entry_points",
        lambda group: points if group == registry.GENERATORS else installed(group=group),
    )
    registry._points.cache_clear()
    yield
    registry._points.cache_clear()


@pytest.fixture
def damage(toy_file: Path) -> Callable[[str, int], None]:
    """Overwrite the stored bytes of the image chunk that begins with an example."""

    def overwrite(split: str, first: int) -> None:
        with h5py.File(toy_file) as file:
            offset = (first, 0, 0, 0)
            chunk = file[split]["images"].id.get_chunk_info_by_coord(offset)
        with toy_file.open("rb+") as stored:
            stored.seek(chunk.byte_offset)
            stored.write(b"\xff" * chunk.size)

    return overwrite


@pytest.fixture(params=["file", "FIFO", "link to nothing", "loop"])
def no_folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A path named "taken" where no folder can be."""
    path = tmp_path / "taken"
    if request.param == "file":
        path.write_text("x")
    elif request.param == "FIFO":
        os.mkfifo(path)
    else:
        path.symlink_to(path if request.param == "loop" else tmp_path / "nothing")
    return path
