from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from hsal_bench.data.file import open_data
from hsal_bench.report.figures.contact_sheet import PICTURES, _Example, _tile, contact_sheet, save
from hsal_bench.report.figures.style import CLASSES


def colours(picture: Image.Image) -> set[str]:
    return {f"#{r:02X}{g:02X}{b:02X}" for r, g, b in np.asarray(picture).reshape(-1, 3)}


def test_a_grid_of_enlarged_pictures(toy_file: Path) -> None:
    with open_data(toy_file) as data:
        sheet = contact_sheet(data, "test", [0, 1, 2, 3, 4], columns=3, scale=4)
        wide = contact_sheet(data, "test", range(2), columns=8, scale=4)
    assert sheet.mode == "RGB"
    margin, picture, caption = 6, 12 * 4, 18
    assert sheet.size == (
        3 * (picture + margin) + margin,
        2 * (picture + caption + margin) + margin,
    )
    assert wide.width == 2 * (picture + margin) + margin


def test_a_title_above_and_lines_below(toy_file: Path) -> None:
    with open_data(toy_file) as data:
        plain = contact_sheet(data, "test", [0, 1], scale=8)
        lines = [[("A", "#ff0000"), ("B", "#0000ff")], [("A", "#ff0000"), ("B", "#ff0000")]]
        lined = contact_sheet(data, "test", [0, 1], scale=8, title="title", lines=lines)
    assert lined.size == (plain.width, plain.height + 18 + 2 * 16)
    below = np.asarray(lined)[18:]
    np.testing.assert_array_equal(below[: plain.height - 6], np.asarray(plain)[:-6])
    assert "#0000FF" in colours(lined.crop((0, 0, lined.width // 2, lined.height)))
    assert "#0000FF" not in colours(lined.crop((lined.width // 2, 0, lined.width, lined.height)))


def test_boxes_have_the_colour_of_their_class(toy_file: Path) -> None:
    with open_data(toy_file) as data:
        seen = [colours(contact_sheet(data, "test", [i], scale=4)) for i in range(3)]
    assert [[CLASSES[label] in one for label in range(3)] for one in seen] == [
        [True, False, False],
        [False, True, True],
        [True, True, True],
    ]


def test_no_line_or_label_lies_on_the_ink_of_its_object() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 40, 60), np.uint8)
    for x0, y0, x1, y1 in ((10, 20, 30, 35), (0, 0, 20, 20), (40, 0, 60, 40)):
        example = _Example("test 0", image, np.array([[x0, y0, x1, y1]]), [2])
        tile = np.asarray(_tile(example, ["a", "b", "c"], 3))[: 3 * 40, :, 0]
        enlarged = image[0].repeat(3, axis=0).repeat(3, axis=1)
        inside = (slice(3 * y0, 3 * y1), slice(3 * x0, 3 * x1))
        np.testing.assert_array_equal(tile[inside], enlarged[inside])


def test_labels_of_one_box_are_below_each_other() -> None:
    image = np.zeros((1, 40, 60), np.uint8)
    whole = np.array([[0, 0, 60, 40]] * 3)
    tile = _tile(_Example("test 0", image, whole, [0, 1, 2]), ["a", "b", "c"], 3)
    rows = [
        np.flatnonzero((np.asarray(tile)[:120] == ImageColor.getrgb(CLASSES[label])).all(-1).any(1))
        for label in range(3)
    ]
    assert all(len(row) > 8 for row in rows)
    assert rows[0].max() < rows[1].min() <= rows[1].max() < rows[2].min()


def test_colour_pictures_and_more_classes_than_colours() -> None:
    image = np.zeros((3, 40, 60), np.uint8)
    image[1] = 200
    example = _Example("test 0", image, np.array([[5, 20, 30, 35], [-1] * 4]), [13])
    tile = _tile(example, [str(k) for k in range(20)], 2)
    assert tile.size == (120, 80 + 18)
    assert tile.getpixel((100, 70)) == (0, 200, 0)
    assert CLASSES[3] in colours(tile)


@pytest.mark.parametrize("suffix", list(PICTURES))
def test_every_picture_format_can_be_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"sheet{suffix}"
    save(Image.new("RGB", (4, 4)), path, PICTURES[suffix])
    assert path.stat().st_size > 0
    assert list(tmp_path.iterdir()) == [path]
