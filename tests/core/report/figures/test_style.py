"""What every picture has in common, and how it is written."""

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from hsal_bench.report.figures import style


def _figure() -> Figure:
    with style.drawing():
        figure = Figure(figsize=(style.ONE_COLUMN, 1))
        figure.text(0.1, 0.5, "priority $P_t$ ✓", parse_math=True)
    return figure


def test_a_pdf_has_its_fonts_as_truetype(tmp_path):
    style.save(_figure(), tmp_path / "x.pdf")
    written = (tmp_path / "x.pdf").read_bytes()
    assert written.startswith(b"%PDF")
    assert written.count(b"/FontFile2") == written.count(b"/CIDFontType2") > 0
    assert b"/Type3" not in written


def test_a_png_has_300_dots_per_inch(tmp_path):
    style.save(_figure(), tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.format == "PNG"
        assert picture.size == (975, 300)
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("kind", ["pdf", "png"])
def test_the_same_figure_gives_the_same_bytes(tmp_path, kind):
    for name in "ab":
        style.save(_figure(), tmp_path / f"{name}.{kind}")
    assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    assert b"CreationDate" not in (tmp_path / f"a.{kind}").read_bytes()


def test_a_name_with_dollars_is_drawn_as_it_stands(tmp_path):
    with style.drawing():
        figure = Figure(figsize=(style.ONE_COLUMN, 1))
        plain, dollars = (figure.text(0, 0, name) for name in ("a b", "$a b$"))
        assert dollars.get_window_extent().width > 1.2 * plain.get_window_extent().width
        figure.text(0, 0.5, r"$\no_such_command$")
    style.save(figure, tmp_path / "x.png")


def test_an_error_leaves_no_picture(tmp_path, monkeypatch):
    written = []

    def savefig(self, target, **options):
        target.write_bytes(b"half a picture")
        written.extend(tmp_path.iterdir())
        raise OSError("the disk is full")

    monkeypatch.setattr(Figure, "savefig", savefig)
    with pytest.raises(OSError, match="the disk is full"):
        style.save(_figure(), tmp_path / "x.png")
    assert len(written) == 1
    assert list(tmp_path.iterdir()) == []


def test_other_drawings_keep_their_fonts():
    before = matplotlib.rcParams["font.size"]
    with style.drawing():
        assert matplotlib.rcParams["font.size"] == style.FONT != before
    assert matplotlib.rcParams["font.size"] == before


def test_a_map_is_white_for_nothing_and_darker_for_more_in_grey_too():
    colours = matplotlib.colormaps[style.MAP](np.linspace(0, 1, 101))[:, :3]
    grey = colours @ [0.299, 0.587, 0.114]
    assert colours[0].tolist() == [1, 1, 1]
    assert (np.diff(grey) < 1e-6).all()
    assert grey[-1] < 0.05


def test_60_lines_and_10_classes_differ():
    lines = {
        (style.LINES[i % len(style.LINES)], style.DASHES[i % len(style.DASHES)]) for i in range(60)
    }
    assert len(lines) == 60
    assert len(set(style.CLASSES)) == 10


def test_pixels_have_the_face_of_the_figures():
    assert style.font(12).getname() == ("DejaVu Sans", "Book")
    assert style.font(24).getlength("{3, 7}") == pytest.approx(
        2 * style.font(12).getlength("{3, 7}"), rel=0.1
    )


def test_a_multiset_is_written_in_the_order_of_the_classes():
    assert style.multiset([7, 3, 3], "0123456789") == "{3, 3, 7}"
    assert style.multiset([], "0123456789") == "{}"


def test_an_image_is_shown_in_its_colours():
    image = np.arange(24, dtype=np.uint8).reshape(3, 2, 4)
    assert style.as_pixels(image).shape == (2, 4, 3)
    assert style.as_pixels(image)[1, 2].tolist() == image[:, 1, 2].tolist()
    assert np.array_equal(style.as_pixels(image[:1]), image[0])
