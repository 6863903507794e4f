"""A small source of glyphs in IDX files, so that no test here needs MNIST."""

from pathlib import Path

import numpy as np
import pytest

CLASSES, TRAIN, TEST = 5, 240, 70


def write_idx(path: Path, array: np.ndarray) -> Path:
    magic = 0x800 + array.ndim
    header = np.array([magic, *array.shape], ">u4").tobytes()
    path.write_bytes(header + array.astype(np.uint8).tobytes())
    return path


def blobs(rng: np.random.Generator, number: int) -> np.ndarray:
    """Glyphs with grey ink in a random rectangle that leaves a margin of black."""
    images = np.zeros((number, 28, 28), np.uint8)
    for image in images:
        (y0, x0), (y1, x1) = rng.integers(2, 12, 2), rng.integers(15, 26, 2)
        image[y0:y1, x0:x1] = rng.integers(0, 256, (y1 - y0, x1 - x0))
    return images


@pytest.fixture(scope="session")
def idx_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Paths of IMAGES, LABELS, TEST_IMAGES, TEST_LABELS; every class occurs often."""
    folder, rng = tmp_path_factory.mktemp("idx"), np.random.default_rng(0)
    return [
        write_idx(folder / "train-images", blobs(rng, TRAIN)),
        write_idx(folder / "train-labels", np.arange(TRAIN) % CLASSES),
        write_idx(folder / "test-images", blobs(rng, TEST)),
        write_idx(folder / "test-labels", np.arange(TEST) % CLASSES),
    ]


@pytest.fixture(scope="session")
def source(idx_files: list[Path]) -> str:
    """The four files as the text of the option `source`."""
    return ",".join(map(str, idx_files))
