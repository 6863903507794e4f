from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsal_bench.generators.glyphs.load import Glyphs, load_glyphs, make_pools
from hsal_bench.generators.scenes.painting import paint, resize
from hsal_bench.generators.scenes.sampling import Sampler, Scenes
from hsal_bench.generators.scenes.spec import SceneSpec


@pytest.fixture(scope="module")
def loaded(source: str) -> Glyphs:
    return load_glyphs(source, Path())


def neighbours(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Left and right pixel of each resized one, and the share of the right one in [0, 1)."""
    centre = (np.arange(size) + 0.5) * 28 / size - 0.5
    left = np.floor(centre).astype(int)
    return left.clip(0, 27), (left + 1).clip(0, 27), centre - left


def bilinear_float(glyph: np.ndarray, size: int) -> np.ndarray:
    left, right, share = neighbours(size)
    wide = glyph[:, left] * (1 - share) + glyph[:, right] * share
    return wide[left] * (1 - share)[:, None] + wide[right] * share[:, None]


def bilinear_whole(glyph: np.ndarray, size: int) -> np.ndarray:
    left, right, share = neighbours(size)
    share = np.floor(share * 256 + 0.5 + 1e-9).astype(np.int64)
    glyph = glyph.astype(np.int64)
    wide = glyph[:, left] * (256 - share) + glyph[:, right] * share
    tall = wide[left] * (256 - share)[:, None] + wide[right] * share[:, None]
    return (tall + 2**15) >> 16


def drawn_glyphs() -> np.ndarray:
    """Return three glyphs drawn by a formula: discs of 376, 316 and 256 pixels."""
    y, x = np.mgrid[:28, :28]
    ink = [(7 * y + 11 * x + 60 * n) % 200 + 56 for n in range(3)]
    discs = [(y - 13.5) ** 2 + (x - 13.5) ** 2 < 120 - 20 * n for n in range(3)]
    return np.stack([a * b for a, b in zip(ink, discs, strict=True)]).astype(np.uint8)


def random_glyphs(seed: int, number: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (number, 28, 28), dtype=np.uint8)


@given(st.integers(1, 130), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_resizing_is_bilinear_and_exact(size: int, seed: int) -> None:
    glyphs = random_glyphs(seed)
    resized = resize(glyphs, size)
    for glyph, square in zip(glyphs, resized, strict=True):
        np.testing.assert_array_equal(square, bilinear_whole(glyph, size))
        assert abs(square - np.rint(bilinear_float(glyph, size))).max() <= 1


# cv2.resize of the first drawn glyph: the middle row, and the sum of all pixels.
CV2_ROWS = {
    20: ([0, 0, 188, 204, 219, 235, 226, 65, 81, 96, 111, 127, 142], 30_941),
    50: ([0, 0, 0, 0, 4, 107, 187, 193, 199, 205, 211, 218, 224], 192_916),
}


@pytest.mark.parametrize("size", CV2_ROWS)
def test_resizing_is_within_one_of_opencv(size: int) -> None:
    row, total = CV2_ROWS[size]
    (square,) = resize(drawn_glyphs()[:1], size).astype(int)
    assert square[size // 2, : len(row)] == pytest.approx(row, abs=1)
    assert square.sum() == pytest.approx(total, abs=0.07 * size**2)


@pytest.mark.parametrize("size", [1, 20, 28, 35, 50, 200])
def test_white_stays_white_and_single_equals_batched(size: int) -> None:
    assert (resize(np.full((2, 28, 28), 255, np.uint8), size) == 255).all()
    glyphs = random_glyphs(1, 7)
    batched = resize(glyphs, size)
    for n in range(7):
        np.testing.assert_array_equal(resize(glyphs[n : n + 1], size)[0], batched[n])


def test_the_glyphs_own_size_changes_nothing() -> None:
    glyphs = random_glyphs(2)
    np.testing.assert_array_equal(resize(glyphs, 28), glyphs)


@pytest.mark.parametrize(
    "spec",
    [
        SceneSpec(min_objects=0),
        SceneSpec(placement="uniform", clutter=300),
        SceneSpec(canvas=64, max_size=12, min_size=8, max_objects=10, clutter_size=9),
        SceneSpec(clutter=0),
    ],
    ids=["grid", "uniform", "tiny", "plain"],
)
def test_scenes_equal_slow_painting(spec: SceneSpec, loaded: Glyphs) -> None:
    source = np.concatenate([loaded.train_images, loaded.test_images])
    scenes = Sampler(spec, make_pools(loaded)).sample("test", 0, 600)
    images, boxes = paint(scenes, source, spec.canvas, spec.clutter_size)
    assert images.shape == (600, 1, spec.canvas, spec.canvas)
    side = spec.clutter_size
    for n in [*range(40), 511, 512, 599]:
        expected = np.zeros((spec.canvas, spec.canvas), np.uint8)
        for glyph, (y, x), (top, left) in zip(
            scenes.clutter_glyphs[n],
            scenes.clutter_windows[n],
            scenes.clutter_corners[n],
            strict=True,
        ):
            expected[top : top + side, left : left + side] = source[
                glyph, y : y + side, x : x + side
            ]
        for k in range(scenes.counts[n]):
            size, (top, left) = scenes.sizes[n, k], scenes.corners[n, k]
            ink = bilinear_whole(source[scenes.glyphs[n, k]], size)
            window = expected[top : top + size, left : left + size]
            window[ink > 0] = ink[ink > 0]
            ys, xs = np.nonzero(ink)
            tight = [left + xs.min(), top + ys.min(), left + xs.max() + 1, top + ys.max() + 1]
            assert boxes[n, k].tolist() == tight
        assert (boxes[n, scenes.counts[n] :] == -1).all()
        np.testing.assert_array_equal(images[n, 0], expected)


def test_a_scene_is_painted_as_by_the_authors_script() -> None:
    """Factors of one scene, and pixels that the paper's authors' place_elements paints of them.

    It resizes with OpenCV, so a pixel may differ by one.
    """
    scenes = Scenes(
        counts=np.array([2]),
        glyphs=np.array([[0, 2]]),
        sizes=np.array([[20, 35]]),
        corners=np.array([[[3, 9], [35, 35]]]),
        clutter_glyphs=np.array([[1, 2]]),
        clutter_windows=np.array([[[10, 12], [8, 9]]]),
        clutter_corners=np.array([[[10, 10], [95, 95]]]),
    )
    image = paint(scenes, drawn_glyphs(), 100, 5)[0][0, 0].astype(int)
    painted = {(10, 10): 118, (12, 14): 225, (13, 19): 111, (52, 52): 219, (97, 97): 167}
    black = [(20, 25), (40, 50), (60, 41), (5, 11)]
    for pixel, ink in painted.items():
        assert abs(image[pixel] - ink) <= 1
    assert not any(image[pixel] for pixel in black)
    assert (image > 0).sum() == 676
    assert image.sum() == pytest.approx(99_000, abs=100)


def test_an_object_without_ink_has_its_square_as_box(loaded: Glyphs) -> None:
    spec = SceneSpec(clutter=0)
    scenes = Sampler(spec, make_pools(loaded)).sample("train", 0, 20)
    images, boxes = paint(scenes, np.zeros((400, 28, 28), np.uint8), spec.canvas, 5)
    assert not images.any()
    top, left = scenes.corners[0, 0]
    size = scenes.sizes[0, 0]
    assert boxes[0, 0].tolist() == [left, top, left + size, top + size]


def test_no_scene_at_all(loaded: Glyphs) -> None:
    scenes = Sampler(SceneSpec(), make_pools(loaded)).sample("train", 5, 5)
    images, boxes = paint(scenes, loaded.train_images, 100, 5)
    assert images.shape == (0, 1, 100, 100)
    assert boxes.shape == (0, 4, 4)
