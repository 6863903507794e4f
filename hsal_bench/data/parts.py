"""The parts of an unfinished data set file: one file per finished job, in a folder beside it."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hsal_bench.data.generator import Recipe
from hsal_bench.files import locked

Part = dict[str, np.ndarray]


class Parts:
    """The folder `.NAME.h5.parts` beside the target `NAME.h5`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    @contextmanager
    def open(cls, recipe: Recipe, path: Path) -> Iterator[Parts]:
        """Yield the parts of `path`, for this process alone; those of another recipe are dropped.

        Raises:
            HsalBenchError: another process is building `path`.
        """
        parts = cls(path.with_name(f".{path.name}.parts"))
        parts.folder.mkdir(exist_ok=True)
        with locked(parts.folder, f"building {path}"):
            parts._keep_only(_identity(recipe))
            yield parts

    def sound(self) -> set[str]:
        """Return the names of the parts that are whole; broken ones are removed."""
        names = set()
        for file in self.folder.glob("*.npz"):
            if _is_whole(file):
                names.add(file.stem)
            else:
                file.unlink()
        return names

    def save(self, name: str, part: Part) -> None:
        """Write a part: under its name it is whole, unless the machine itself went down."""
        buffer = io.BytesIO()
        np.savez(buffer, **part)  # type: ignore[arg-type]
        temporary = self.folder / f"{name}.tmp"
        temporary.write_bytes(buffer.getbuffer())
        temporary.replace(self.folder / f"{name}.npz")

    def load(self, name: str) -> Part:
        """Return a part."""
        with np.load(self.folder / f"{name}.npz") as stored:
            return dict(stored)

    def remove(self) -> None:
        """Remove the folder with all parts."""
        shutil.rmtree(self.folder)

    def _keep_only(self, identity: str) -> None:
        described = self.folder / "build.json"
        if not described.exists() or described.read_text(encoding="utf-8") != identity:
            for file in self.folder.glob("*.npz"):
                file.unlink()
            temporary = described.with_suffix(".tmp")
            temporary.write_text(identity, encoding="utf-8")
            temporary.replace(described)


def _identity(recipe: Recipe) -> str:
    """Return what a part depends on besides its place, as JSON."""
    header, layout = recipe.header.attributes(), recipe.layout
    arrays = {name: f"{dtype.str} {shape}" for name, (dtype, shape) in layout.arrays().items()}
    return json.dumps(
        {"header": header, "arrays": arrays, "sizes": dict(layout.sizes)}, sort_keys=True
    )


def _is_whole(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False
