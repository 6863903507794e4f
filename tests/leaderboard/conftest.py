"""Records for the board, of runs whose numbers are known; submissions, and what they predict."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from hsal_bench.data.schema import PAD, SPLITS, Header, Layout
from hsal_bench.leaderboard.page.sections import Entry
from hsal_bench.record.correct import pack_correct
from hsal_bench.record.environment import Git
from hsal_bench.record.external_entry import Statement
from hsal_bench.record.record import DataSet, Record

IMAGES = 400

LABELS = np.array([[image % 3, PAD if image % 2 else 1] for image in range(20)])
LAYOUT = Layout((1, 4, 4), 2, 3, dict.fromkeys(SPLITS, len(LABELS)))
CONTENT = "56987d474b13686011f7d68539f197e3d51960cd127264c55ccb6a862c18b275"

STATED = Statement(
    entry="unofficial",
    authors=("A. Author",),
    link="https://example.org/paper",
    extra_data=("ImageNet",),
    training_compute="one GPU, two hours",
)


def data_set(name: str, content: str = "ab12") -> DataSet:
    return DataSet(name, content * 16, {"train": 60, "test": IMAGES}, f"{name}.h5")


@pytest.fixture(scope="session")
def run(ok: Callable[..., Record]) -> Callable[..., Entry]:
    """Return a function that makes the entry of a run with the first `right` of 400 images right.

    Its exact match is the share of those, whatever other metrics it is given.
    """

    def run(method="hsal-rl", seed=0, right=200, images=None, **changes):
        correct = np.arange(IMAGES) < right if images is None else images
        share = float(correct.mean())
        by_objects = {"exact_match_m1": share, "exact_match_m2": share / 2}
        first, last = {"update": 0, "valid_exact_match": 0.0}, {"update": 100, "loss": 0.25}
        values = {
            "config": {"learning_rate": 0.001, "hidden": [128, 512]},
            "data_set": data_set("mnist-multiset"),
            "metrics": {"cardinality_accuracy": 0.9, **by_objects},
            "curve": (first, last | {"valid_exact_match": share}),
            "selected_update": 100,
            "wall_s": 12.5,
            "throughput_predict": 2000.0,
            "parameters": 1000,
            "git": Git("0123456789abcdef", True),
            "command": f"hsal-bench run --model {method}",
        }
        record = ok(method, seed, correct=pack_correct(correct), **values | changes)
        folder = Path("runs") / record.data_set.name / method / f"seed-{seed}"
        return Entry(folder / "record.json", record)

    return run


@pytest.fixture(scope="session")
def bad(run: Callable[..., Entry]) -> Callable[..., Entry]:
    """Return a function that makes the entry of a run that did not succeed."""

    def bad(status="failed", reason="the loss is nan", **changes):
        entry = run(curve=(), **changes)
        nothing = {"metrics": {}, "correct": None}
        record = replace(entry.record, status=status, reason=reason, **nothing)
        return replace(entry, record=record)

    return bad


@pytest.fixture(scope="session")
def elsewhere(run: Callable[..., Entry]) -> Callable[..., Entry]:
    """Return a function that makes the entry of predictions that were made elsewhere."""

    def elsewhere(method="theirs", seed=0, right=200, stated=STATED, **changes):
        unknown = {"budget": {}, "environment": None, "updates": None, "wall_s": None}
        unknown |= {"activation": None, "selected_update": None, "curve": (), "preset": None}
        unknown |= {"git": None, "command": "", "throughput_predict": None}
        return run(method, seed, right, stated=stated, **unknown | changes)

    return elsewhere


@pytest.fixture(scope="session")
def many(run: Callable[..., Entry]) -> list[Entry]:
    """The runs of 12 methods on 5 datasets with 5 seeds each, with curves and all metrics."""
    from hsal_bench.metrics.scores import MEANINGS

    rng = np.random.default_rng(0)
    updates = range(0, 6001, 300)
    found = []
    for k in range(5):
        data = data_set(f"mnist-multiset-{k}", f"{k}b12")
        for number in range(12):
            for seed in range(5):
                right = float(np.clip(0.3 + 0.05 * number + 0.01 * rng.standard_normal(), 0, 1))
                curve = tuple(
                    {"update": u, "loss": 1.0, "valid_exact_match": right * u / (u + 800)}
                    for u in updates
                )
                metrics = {name: float(rng.random()) for name in MEANINGS}
                metrics |= {f"exact_match_m{m}": float(rng.random()) for m in range(1, 9)}
                found.append(
                    run(
                        f"method-{number}",
                        seed,
                        images=rng.random(IMAGES) < right,
                        metrics=metrics | {"exact_match": right},
                        data_set=data,
                        curve=curve,
                        wall_s=float(10 ** rng.uniform(1, 4)),
                        parameters=int(10 ** (4 + number / 4)),
                    )
                )
    return found


@pytest.fixture(scope="session")
def data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 20 images, one or two objects each, in `data/toy.h5`."""
    path = tmp_path_factory.mktemp("data") / "toy.h5"
    counts = np.stack([np.bincount(row[row >= 0], minlength=3) for row in LABELS])
    with h5py.File(path, "w") as file:
        for split in SPLITS:
            for name, (dtype, shape) in LAYOUT.arrays().items():
                array = {"labels": LABELS, "counts": counts}.get(
                    name, np.zeros((len(LABELS), *shape))
                )
                file[f"{split}/{name}"] = array.astype(dtype)
        header = Header("toy", "1", ("a", "b", "c"), {}, 0, "toy", "5" * 64, "1", "CC0", "x")
        file.attrs.update({**header.attributes(), "content_sha256": CONTENT})
    return path


@pytest.fixture
def submit(
    tmp_path: Path,
    data_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    hsal_bench: Callable[..., tuple[int, str, str]],
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs `check-submission` next to the data: code, out, err."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(data_file.parent)

    def submit(*arguments):
        code, out, err = hsal_bench("check-submission", *arguments)
        assert all(part.isprintable() for part in (out + err).split("\n"))
        return code, out, err

    return submit


@pytest.fixture(scope="session")
def lines() -> Callable[..., str]:
    """Return a writer of predictions of 20 images, all right except those that it is given."""

    def lines(wrong=()):
        rows = [
            {"id": image, "labels": [] if image in wrong else [int(y) for y in row if y >= 0]}
            for image, row in enumerate(LABELS)
        ]
        return "".join(json.dumps(row) + "\n" for row in rows)

    return lines


@pytest.fixture
def hand_in(tmp_path: Path, lines: Callable[..., str]) -> Callable[..., Path]:
    """Return a function that makes a submission's folder, with changes to what it states."""

    def hand_in(files=None, name="entry", **changes):
        stated = {
            "method": "my-counter",
            "authors": ["Ada Lovelace"],
            "link": "https://example.org/paper",
            "entry": "official",
            "data_set": {"name": "toy", "content_sha256": CONTENT},
            "split": "test",
            "seeds": [0],
            "extra_data": [],
            "parameters": 1000,
            "training_compute": "2 h on one GPU",
        }
        folder = tmp_path / name
        folder.mkdir()
        (folder / "submission.json").write_text(json.dumps(stated | changes))
        for file, text in (files or {"predictions.jsonl": lines([3])}).items():
            (folder / file).write_text(text)
        return folder

    return hand_in
