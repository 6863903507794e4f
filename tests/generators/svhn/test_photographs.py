"""Cropping photographs, and carrying boxes along."""

import io
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hsal_bench.errors import UsageError
from hsal_bench.generators.svhn.photographs import (
    UNREADABLE,
    clip_boxes,
    crops,
    measure,
    photograph,
    resize_boxes,
)

SIZE = (60, 40)
NONE = [np.nan] * 4


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_boxes_that_stick_out_are_clipped_and_those_outside_are_reported():
    one = [[10, 5, 20, 10], [-4, -2, 10, 10], [50, 30, 20, 20], [60, 0, 5, 5], NONE]
    clipped, outside = clip_boxes(np.array([one], float), np.array([SIZE]))
    assert clipped[0, :3].tolist() == [[10, 5, 30, 15], [0, 0, 6, 8], [50, 30, 60, 40]]
    assert outside.tolist() == [[False, False, False, True, False]]


def test_the_crop_is_the_union_grown_by_its_share():
    boxes = np.array([[[20, 10, 30, 20], [30, 12, 40, 22]], [[20, 10, 40, 22], NONE]], float)
    sizes = np.array([SIZE, SIZE])
    # The union is 20 x 12: 30 % more is 3 and 1.8 pixels on either side, and whole pixels.
    assert crops(boxes, sizes, 0.3).tolist() == [[17, 8, 43, 24]] * 2
    assert crops(boxes, sizes, 0.0).tolist() == [[20, 10, 40, 22]] * 2
    assert crops(boxes, sizes, 9.0).tolist() == [[0, 0, 60, 40]] * 2


def test_boxes_follow_the_crop_and_the_resize():
    boxes = np.array([[[20, 10, 30, 22], [30, 10, 40, 22]], [[20, 10, 30, 22], NONE]], float)
    crop = np.array([[20, 10, 40, 22], [10, 10, 40, 40]])
    assert resize_boxes(boxes, crop, 30).tolist() == [
        [[0, 0, 15, 30], [15, 0, 30, 30]],
        [[10, 0, 20, 12], [-1, -1, -1, -1]],
    ]


_side = st.floats(0.0, 30.0)


@given(
    st.lists(
        st.tuples(st.floats(-20, 59), st.floats(-20, 39), _side, _side), min_size=1, max_size=6
    ),
    st.floats(0.0, 2.0),
    st.integers(1, 128),
)
def test_carried_boxes_lie_in_the_square_and_hold_a_pixel(published, grow, resolution):
    sizes = np.array([SIZE])
    boxes, outside = clip_boxes(np.array([published], float), sizes)
    boxes[outside] = np.nan
    if outside.all():
        return
    crop = crops(boxes, sizes, grow)
    x0, y0, x1, y1 = crop[0]
    assert 0 <= x0 < x1 <= SIZE[0]
    assert 0 <= y0 < y1 <= SIZE[1]
    carried = resize_boxes(boxes, crop, resolution)[~outside]
    assert (carried[:, :2] >= 0).all()
    assert (carried[:, :2] < carried[:, 2:]).all()
    assert (carried <= resolution).all()


def test_a_bright_digit_stays_in_its_carried_box():
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[12:24, 21:28] = (200, 100, 50)
    boxes = np.array([[[21, 12, 28, 24]]], float)
    crop = crops(boxes, np.array([SIZE]), 1.0)
    image = photograph(_png(pixels), crop[0].tolist(), 64, "rgb", "1.png")
    x0, y0, x1, y1 = resize_boxes(boxes, crop, 64)[0, 0]
    assert image.shape == (3, 64, 64)
    middle = image[:, (y0 + y1) // 2, (x0 + x1) // 2]
    assert middle.tolist() == [200, 100, 50]
    strong = np.argwhere(image[0] > 100)
    assert (strong.min(0) >= (y0, x0)).all()
    assert (strong.max(0) < (y1, x1)).all()


@pytest.mark.parametrize(("colour", "channels"), [("rgb", 3), ("grey", 1)])
def test_grey_and_coloured_pictures_are_stored_as_asked(colour, channels):
    for pixels in (np.full((9, 9), 7, np.uint8), np.full((9, 9, 3), 7, np.uint8)):
        image = photograph(_png(pixels), (0, 0, 9, 9), 4, colour, "1.png")
        assert image.tolist() == np.full((channels, 4, 4), 7).tolist()


def test_what_cannot_be_decoded_is_named():
    with pytest.raises(UsageError, match=r"train/7\.png cannot be decoded .*: use the published"):
        photograph(b"no picture", (0, 0, 1, 1), 4, "rgb", "train/7.png")
    whole = _png(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8))
    with pytest.raises(UsageError, match=r"7\.png cannot be decoded"):
        photograph(whole[: len(whole) // 2], (0, 0, 9, 9), 4, "rgb", "7.png")


def _chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return len(content).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")


def _raw_png(width: int, height: int, depth: int, kind: int, *chunks: bytes) -> bytes:
    """A PNG of what its chunks say; depth and kind as in its header (2: colours, 3: a palette)."""
    sides = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    header = _chunk(b"IHDR", sides + bytes([depth, kind, 0, 0, 0]))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + _chunk(b"IEND", b"")


def _pixels(content: bytes) -> bytes:
    return _chunk(b"IDAT", zlib.compress(content))


def _is_readable(content: bytes) -> bool:
    try:
        photograph(content, (0, 0, 2, 2), 2, "rgb", "1.png")
    except UsageError:
        return False
    return True


SMALL = _png(np.random.default_rng(0).integers(0, 255, (6, 5, 3), np.uint8))


def test_a_picture_has_a_size_exactly_where_it_can_be_read():
    rng = np.random.default_rng(1)
    assert measure(SMALL, "1.png") == (5, 6, "")
    damaged = [SMALL[:size] for size in range(len(SMALL))]
    for at in range(len(SMALL)):
        changed = bytearray(SMALL)
        changed[at] ^= int(rng.integers(1, 256))
        damaged.append(bytes(changed))
    for content in damaged:
        assert _is_readable(content) == (measure(content, "1.png")[:2] != (0, 0))


def test_a_picture_whose_checksums_are_right_but_not_its_content_is_unreadable():
    for chunk in (_pixels(bytes(3)), _chunk(b"IDAT", b"not packed"), b""):
        assert measure(_raw_png(9, 9, 8, 2, chunk), "1.png") == (0, 0, UNREADABLE)
    assert measure(_raw_png(1, 2, 8, 2, _pixels(bytes(8))), "1.png") == (1, 2, "")
    assert measure(_raw_png(2**31 - 1, 0, 8, 2, _pixels(b"")), "1.png") == (0, 0, UNREADABLE)


def test_another_kind_of_picture_is_unreadable():
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "GIF")
    assert measure(buffer.getvalue(), "1.gif") == (0, 0, UNREADABLE)
    with pytest.raises(UsageError, match=r"1.gif cannot be decoded"):
        photograph(buffer.getvalue(), (0, 0, 4, 4), 4, "rgb", "1.gif")


def test_greys_of_16_bits_are_refused():
    content = _png(np.full((4, 4), 300, np.uint16))
    assert measure(content, "1.png") == (0, 0, "16-bit grey, which is not supported")
    with pytest.raises(UsageError, match=r"1\.png cannot be decoded \(16-bit .*: convert it to 8"):
        photograph(content, (0, 0, 4, 4), 4, "grey", "1.png")


@pytest.mark.parametrize(
    ("mode", "transparency"),
    [
        *[("1", 1), ("L", 255), ("P", 0), ("P", b"\0\x80"), ("RGB", (255, 255, 255))],
        *[(mode, None) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")],
    ],
)
def test_transparency_is_dropped_without_a_word(mode, transparency):
    picture, buffer = Image.new("RGB", (4, 4), "white").convert(mode), io.BytesIO()
    if mode in ("LA", "RGBA"):
        picture.putalpha(0)
    picture.save(buffer, "PNG", transparency=transparency)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for colour in ("rgb", "grey"):
            image = photograph(buffer.getvalue(), (0, 0, 4, 4), 4, colour, "1.png")
            assert (image == 255).all()


@pytest.mark.parametrize("side", [10_000, 200_000])
def test_too_many_pixels_are_refused_before_they_are_decoded(side):
    content, message = _raw_png(side, side, 8, 2, _pixels(b"")), f"1.png has {side:,} x {side:,}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UsageError, match=message):
            measure(content, "1.png")
        with pytest.raises(UsageError, match=message):
            photograph(content, (0, 0, 4, 4), 4, "rgb", "1.png")


def test_a_palette_that_is_missing_or_short_does_no_harm():
    row = _pixels(b"\0\0\1\2" * 2)
    for palette in (b"", _chunk(b"PLTE", b"\1"), _chunk(b"PLTE", bytes(4))):
        content = _raw_png(3, 2, 8, 3, palette, row)
        assert _is_readable(content) == (measure(content, "1.png")[:2] != (0, 0))
