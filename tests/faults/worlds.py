"""Small folders with everything a user's disk holds, and the numbers that are right there."""

from __future__ import annotations

import json
import shlex
import shutil
import struct
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import process
from process import CRASHED, Crash, Ended

METHOD = Path(__file__).with_name("method.py")
RUN = shlex.split(
    f"run --model {shlex.quote(str(METHOD))}:Sensitive --dataset data/synthetic-multiset.h5 "
    "--datasets data --preset quick --device cpu --threads 1 --updates 6 --eval-every 2 "
    "--batch-size 8 --fine-tune-updates 3"
)
GENERATE = shlex.split(
    "generate mnist-single mnist-multiset --source synthetic --train 96 --valid 16 --test 32 "
    "--out data --workers"
)
UNIFORM = shlex.split(
    "generate synthetic-multiset-uniform --train 8 --valid 8 --test 24 --out data --workers 1"
)
FROM_IDX = shlex.split(
    "generate mnist-multiset --source images-idx3-ubyte,labels-idx1-ubyte --train 16 --valid 8 "
    "--test 8 --workers 1 --out data"
)
ELSEWHERE = (*RUN, "--eval-on", "data/synthetic-multiset-uniform.h5")
SEEDS = 4
RUN_FOLDER = Path("runs/synthetic-multiset/Sensitive/quick/seed-0")
DATASET = "data/synthetic-multiset.h5"


class Worlds:
    """Undisturbed folders to copy, each made when it is first needed.

    They differ in the moment at which work stopped there.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def make_all(self) -> None:
        """Make every folder, before processes share them."""
        for name, value in vars(Worlds).items():
            if isinstance(value, cached_property):
                getattr(self, name)

    @cached_property
    def done(self) -> Path:
        """Nothing is left to do."""
        return _finished(self.root / "done")

    @cached_property
    def other(self) -> Path:
        """As `done`, with other data."""
        return _finished(self.root / "other", "--seed", "1")

    @cached_property
    def seeds(self) -> Path:
        """As `done`, with more seeds."""
        folder = copy(self.done, self.root / "seeds")
        must(folder, *RUN, "--seeds", f"0-{SEEDS - 1}")
        return folder

    @cached_property
    def early(self) -> Path:
        """Killed before the second checkpoint."""
        return self._crashed("early", ["runs"], ELSEWHERE, Crash("replace", "checkpoint.pt"))

    @cached_property
    def evaluating(self) -> Path:
        """Killed in an evaluation."""
        crash = Crash("unlink", "evaluation.pt", 0)
        return self._crashed("evaluating", ["runs"], ELSEWHERE, crash)

    @cached_property
    def embedding(self) -> Path:
        """Killed while the activations are computed."""
        crash = Crash("replace", "valid.npy", 0)
        return self._crashed("embedding", ["runs", "data/activations"], ELSEWHERE, crash)

    @cached_property
    def building(self) -> Path:
        """Killed in `generate`, with all parts of the dataset."""
        return self._building(self.done, "building")

    @cached_property
    def building_other(self) -> Path:
        """As `building`, with other data."""
        return self._building(self.other, "building-other", "--seed", "1")

    @cached_property
    def numbers(self) -> dict[str, Any]:
        """The results in `done`."""
        return numbers(self.done)

    @cached_property
    def seed_numbers(self) -> dict[str, Any]:
        """The results in `seeds`."""
        return numbers(self.seeds)

    def _building(self, done: Path, name: str, *options: str) -> Path:
        crash = Crash("replace", "multiset.h5", 0)
        return self._crashed(name, ["data"], [*GENERATE, "1", *options], crash, done)

    def _crashed(
        self,
        name: str,
        removed: Sequence[str],
        arguments: Sequence[str],
        crash: Crash,
        done: Path | None = None,
    ) -> Path:
        folder = copy(done or self.done, self.root / name)
        for part in removed:
            shutil.rmtree(folder / part)
        ended = process.call(folder, *arguments, crash=crash)
        if ended.code != CRASHED:
            raise RuntimeError(f"{name}: the command was not stopped: {ended.text}")
        return folder


def copy(source: Path, target: Path) -> Path:
    """Return `target` as a copy of the folder `source`."""
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(source, target, symlinks=True))


def must(folder: Path, *arguments: str) -> Ended:
    """Run a command that has to work."""
    ended = process.call(folder, *arguments)
    if ended.code != 0:
        raise RuntimeError(f"{arguments}: {ended.text}")
    return ended


def numbers(folder: Path) -> dict[str, Any]:
    """Return the results in a folder: records without times, and predictions with confidences."""
    return {
        str(path.relative_to(folder)): _results(path)
        for path in sorted(folder.rglob("record.json"))
    }


def contents(folder: Path, name: str = DATASET) -> dict[str, bytes]:
    """Return every array of a dataset file, as bytes."""
    with h5py.File(folder / name) as file:
        return {
            f"{split}/{name}": array[()].tobytes()
            for split, group in file.items()
            for name, array in group.items()
            if isinstance(array, h5py.Dataset)
        }


def _results(path: Path) -> dict[str, Any]:
    record = json.loads(path.read_text())
    names = ("status", "metrics", "predictions_sha256", "selected_update", "updates")
    predictions = path.with_name("predictions.jsonl")
    return {
        "data": record["data_set"]["content_sha256"],
        "predictions": predictions.read_text() if predictions.is_file() else None,
        "curve": [
            {name: value for name, value in line.items() if "seconds" not in name}
            for line in record["curve"]
        ],
        **{name: record.get(name) for name in names},
    }


def _finished(folder: Path, *options: str) -> Path:
    folder.mkdir(parents=True)
    must(folder, *GENERATE, "1", *options)
    must(folder, *UNIFORM, *options)
    must(folder, *ELSEWHERE)
    _write_idx(folder, np.random.default_rng(len(options)))
    must(folder, *FROM_IDX)
    _write_submission(folder)
    return folder


def _write_idx(folder: Path, rng: np.random.Generator) -> None:
    """Write glyphs in the format of MNIST, ten of each class and split."""
    labels = np.tile(np.arange(10, dtype=np.uint8), 60)
    images = rng.integers(1, 256, (len(labels), 28, 28), np.uint8)
    header = struct.pack(">4I", 2051, *images.shape)
    (folder / "images-idx3-ubyte").write_bytes(header + images.tobytes())
    header = struct.pack(">2I", 2049, len(labels))
    (folder / "labels-idx1-ubyte").write_bytes(header + labels.tobytes())


def _write_submission(folder: Path) -> None:
    import zipfile

    record = json.loads((folder / RUN_FOLDER / "record.json").read_text())
    names = ("name", "content_sha256")
    statement = {
        "method": "made-elsewhere",
        "entry": "unofficial",
        "authors": ["Ada Lovelace"],
        "link": "https://example.org/paper",
        "data_set": {name: record["data_set"][name] for name in names},
        "split": "test",
        "seeds": [0],
        "extra_data": [],
        "parameters": 1,
        "training_compute": "none",
    }
    with zipfile.ZipFile(folder / "submission.zip", "w") as file:
        file.writestr("submission.json", json.dumps(statement))
        file.write(folder / RUN_FOLDER / "predictions.jsonl", "predictions.jsonl")
