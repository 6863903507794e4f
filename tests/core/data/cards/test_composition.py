from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from hsal_bench.data.cards.composition import Composition, compositions
from hsal_bench.data.file import open_data

Change = Callable[[h5py.File], None]


def measured(path: Path, split: str = "train", change: Change | None = None) -> Composition:
    if change is not None:
        with h5py.File(path, "r+") as file:
            change(file)
    with open_data(path) as data:
        return compositions(data)[split]


def test_the_toy_set_counted_by_hand(toy_file: Path) -> None:
    # Image i has 1 + i % 3 squares of 3 x 3 pixels at x = 0, 4, 8 and y = 0 or 4, on 12 x 12.
    found = measured(toy_file)
    assert found.images == 1200
    assert found.objects.tolist() == [0, 400, 400, 400]
    assert found.classes.tolist() == [800, 800, 800]
    assert found.repeated == 0
    np.testing.assert_allclose(found.sizes, [[3] * 5, [3] * 5, [9 / 144] * 5])
    row = [1 / 4, 1 / 6, 1 / 12]
    np.testing.assert_allclose(found.centres, [row, row, [0, 0, 0]])
    np.testing.assert_allclose(found.unreached, [0, 1 / 2, 1, 1])
    assert found.overlapping == 0
    assert found.sources == 2400


def test_pixels_are_of_all_images_where_there_are_few(toy_file: Path) -> None:
    with open_data(toy_file) as data:
        images = data.read("test", "images").reshape(60, -1) / 255
    found = measured(toy_file, "test")
    assert found.sampled == 60
    assert found.brightness == pytest.approx(images.mean(), rel=1e-5)
    assert found.contrast == pytest.approx(images.std(axis=1).mean(), rel=1e-5)


def test_pixels_are_of_a_sample_where_there_are_many(toy_file: Path) -> None:
    assert measured(toy_file).sampled == 512


def test_a_repeated_class_is_counted(toy_file: Path) -> None:
    def change(file: h5py.File) -> None:
        file["test/counts"][:3, 0] = 2

    assert measured(toy_file, "test", change).repeated == pytest.approx(3 / 60)


@pytest.mark.parametrize(("shift", "overlap"), [(0, 0), (1, 0), (2, 1)])
def test_boxes_overlap_if_they_share_a_pixel(toy_file: Path, shift: int, overlap: int) -> None:
    def change(file: h5py.File) -> None:
        # Image 1 has two squares, at x = 0 and x = 4; the first one moves to the right.
        file["test/boxes"][1, 0] = [shift, 4, 3 + shift, 7]

    # Of 60 images, 40 have several objects.
    assert measured(toy_file, "test", change).overlapping == pytest.approx(overlap / 40)


def test_a_side_is_reached_by_a_box_in_its_outer_tenth(toy_file: Path) -> None:
    def change(file: h5py.File) -> None:
        file["test/boxes"][0, 0] = [9, 9, 12, 12]

    left, top, right, bottom = measured(toy_file, "test", change).unreached
    assert (left, right, bottom) == pytest.approx((1 / 60, 59 / 60, 59 / 60))
    assert top == pytest.approx(31 / 60)


def test_what_there_is_nothing_of_is_nan(toy_file: Path) -> None:
    def change(file: h5py.File) -> None:
        for name in ("labels", "boxes", "source_index"):
            file[f"test/{name}"][:] = -1
        file["test/counts"][:] = 0

    found = measured(toy_file, "test", change)
    assert found.objects.tolist() == [60, 0, 0, 0]
    assert found.sources == 0
    assert np.isnan(found.overlapping)
    assert np.isnan(found.sizes).all()
    assert np.isnan(found.centres).all()
    assert found.unreached.tolist() == [1, 1, 1, 1]
