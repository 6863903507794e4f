"""The embedded glyph source: the same digits everywhere, MNIST-like, of use to a classifier."""

import hashlib

import numpy as np
import pytest

from hsal_bench.generators.glyphs import synthetic
from hsal_bench.generators.glyphs.synthetic import synthetic_glyphs

# Bit for bit on every machine and NumPy version; a change of the drawing changes them, and with
# them the content of every dataset made from these glyphs.
TRAIN_SHA256 = "9cda05b6263a9aaa719f940789186f7d9df8d4eef924c7958cf01c286f00975d"
TEST_SHA256 = "2ec19896a6b78c407021b10e21cee3b75e93e5b4eefbb238412b8aa671d1cea7"


@pytest.fixture(scope="module")
def glyphs() -> tuple[np.ndarray, ...]:
    return synthetic_glyphs()


def test_types_shapes_and_equally_frequent_classes(glyphs: tuple[np.ndarray, ...]) -> None:
    train, train_labels, test, test_labels = glyphs
    assert all(array.dtype == np.uint8 for array in glyphs)
    assert (train.shape, test.shape) == ((10_000, 28, 28), (2_000, 28, 28))
    assert np.bincount(train_labels).tolist() == [1000] * 10
    assert np.bincount(test_labels).tolist() == [200] * 10
    assert len(np.unique(train_labels[:100])) == 10, "the classes come in random order"


def test_the_glyphs_are_the_same_on_every_machine(glyphs: tuple[np.ndarray, ...]) -> None:
    train, train_labels, test, test_labels = glyphs
    assert _sha256(train, train_labels) == TRAIN_SHA256
    assert _sha256(test, test_labels) == TEST_SHA256


def test_block_size_is_not_part_of_the_drawing_of_ink() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(5, 22, (6, 96, 2))
    radius = rng.uniform(0.7, 1.9, (6, 96))
    together = synthetic._ink(points, radius)
    alone = [synthetic._ink(points[i : i + 1], radius[i : i + 1]) for i in range(6)]
    np.testing.assert_array_equal(together, np.concatenate(alone))


def test_digits_are_like_mnist_in_size_place_and_ink(glyphs: tuple[np.ndarray, ...]) -> None:
    images, labels = glyphs[0], glyphs[1]
    rows, columns = images.max(axis=2) > 0, images.max(axis=1) > 0
    height, width = _extent(rows), _extent(columns)
    longer = np.maximum(height, width)
    assert longer.min() >= 16
    assert longer.max() <= 25
    assert 19 <= np.median(longer) <= 22
    middle = (rows.argmax(axis=1) + 28 - 1 - rows[:, ::-1].argmax(axis=1)) / 2
    assert np.abs(middle - 13.5).max() <= 2.5
    assert images.max(axis=(1, 2)).min() > 100
    assert 20 < images.mean() < 50  # MNIST: 33
    assert width[labels == 1].mean() < width[labels == 0].mean()


def test_strokes_have_soft_edges(glyphs: tuple[np.ndarray, ...]) -> None:
    ink = glyphs[0][glyphs[0] > 0]
    assert 0.3 < (ink < 255).mean() < 0.9


def test_no_glyph_of_the_test_set_was_trained_on(glyphs: tuple[np.ndarray, ...]) -> None:
    train = {image.tobytes() for image in glyphs[0]}
    assert len(train) == 10_000
    assert not any(image.tobytes() in train for image in glyphs[2])


def test_nearest_neighbours_tell_the_digits_apart(glyphs: tuple[np.ndarray, ...]) -> None:
    train, train_labels, test, test_labels = glyphs
    known = _coarse(train[:4000])
    new = _coarse(test[:500])
    distance = (known**2).sum(axis=1) - 2 * new @ known.T
    accuracy = (train_labels[distance.argmin(axis=1)] == test_labels[:500]).mean()
    assert accuracy > 0.95


def test_a_curve_passes_through_its_control_points() -> None:
    ends = synthetic._catmull_rom(np.array([0.0, 1.0]))
    np.testing.assert_array_equal(ends, [[0, 1, 0, 0], [0, 0, 1, 0]])
    inside = synthetic._catmull_rom(np.linspace(0, 1, 11))
    np.testing.assert_allclose(inside.sum(axis=1), 1, atol=1e-12)


def test_strokes_that_name_the_same_point_share_it() -> None:
    points, strokes = synthetic._parse("0 0, 50 0; 50 0, 20 100")
    assert points.tolist() == [[0, 0], [0.5, 0], [0.2, 1]]
    assert strokes == [[0, 1], [1, 2]]


def _extent(occupied: np.ndarray) -> np.ndarray:
    return 28 - occupied.argmax(axis=1) - occupied[:, ::-1].argmax(axis=1)


def _coarse(images: np.ndarray) -> np.ndarray:
    return images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196) / 255


def _sha256(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
