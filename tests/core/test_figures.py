"""The attention picture, by what is drawn in it."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from hsal_bench import figures
from hsal_bench.method import Trace

DIGITS = tuple("0123456789")


def _trace(labels, k=2) -> Trace:
    labels = torch.tensor(labels)
    shape = (*labels.shape, 7, 7)
    maps = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    glimpses = torch.tensor([0, 48, 8, 5, 6, 9])[:k].expand(*labels.shape, k)
    return Trace(maps[:, 0], maps, maps, maps, glimpses, labels)


def _drawn(monkeypatch, tmp_path, trace, truths, names=DIGITS, image=(1, 14, 14)):
    """Return the figure that is drawn and its texts."""
    saved = []
    monkeypatch.setattr(Figure, "savefig", lambda self, target, **kw: saved.append(self))
    monkeypatch.setattr(figures, "replacing", lambda path: _Nothing())
    images = np.full((len(truths), *image), 128, np.uint8)
    figures.attention_picture(images, trace, truths, names, tmp_path / "x.png")
    (figure,) = saved
    return figure, [text.get_text() for text in figure.texts]


class _Nothing:
    def __enter__(self):
        return None

    def __exit__(self, *error):
        return None


def _markers(figure):
    """Return the glimpses on each image: marker and place."""
    return [
        [(line.get_marker(), line.get_xdata()[0], line.get_ydata()[0]) for line in axis.lines]
        for axis in figure.axes
        if axis.lines
    ]


def test_the_picture_is_a_png(tmp_path):
    image = np.full((1, 1, 100, 100), 128, np.uint8)
    figures.attention_picture(image, _trace([[3, 10]]), [[3]], DIGITS, tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.format == "PNG"
        assert picture.size[0] > 1000


def test_images_stand_in_rows_of_three(monkeypatch, tmp_path):
    sizes = []
    for n in (1, 3, 4):
        figure, _ = _drawn(monkeypatch, tmp_path, _trace([[3, 4, 10]] * n), [[3]] * n)
        sizes.append(figure.get_size_inches().tolist())
    (one, _), (three, low), (four, high) = sizes
    assert one < three == four
    assert high > 1.8 * low


def test_many_steps_take_rows_of_fewer_images(monkeypatch, tmp_path):
    figure, _ = _drawn(monkeypatch, tmp_path, _trace([[*range(10), 10]] * 2), [[3]] * 2)
    width, height = figure.get_size_inches()
    assert width < 11
    assert height > 8


def test_a_column_per_step_up_to_the_stop(monkeypatch, tmp_path):
    figure, _ = _drawn(monkeypatch, tmp_path, _trace([[3, 10, -1], [7, 1, 10]]), [[3], [1, 7]])
    told = [axis.get_xlabel() for axis in figure.axes if axis.get_xlabel()]
    assert told == ["3", "stop", "7", "1", "stop"]
    assert len(figure.axes) == 5 * 4 + 1


def test_each_map_is_drawn_on_one_scale(monkeypatch, tmp_path):
    trace = _trace([[3, 10]])
    figure, texts = _drawn(monkeypatch, tmp_path, trace, [[3]])
    first = figure.axes[0].images[0]
    np.testing.assert_allclose(first.get_array(), trace.S_t[0, 0].numpy())
    maps = [axis.images[0] for axis in figure.axes if axis.images and not axis.lines]
    assert {picture.get_clim() for picture in maps} == {(0.0, 1.0)}
    assert "saliency, mask, priority" in texts
    assert [tick.get_text() for tick in figure.axes[-1].get_xticklabels()] == ["0", "1"]


def test_glimpses_lie_in_the_middle_of_their_cells(monkeypatch, tmp_path):
    figure, _ = _drawn(monkeypatch, tmp_path, _trace([[3, 10]]), [[3]])
    # Cells of 2 x 2 pixels, the first and the last; the middle of pixel 0 is 0.
    assert _markers(figure) == [[("s", 0.5, 0.5), ("o", 12.5, 12.5)]] * 2


@pytest.mark.parametrize(
    ("k", "told"),
    [
        (1, ["first glimpse"]),
        (2, ["first glimpse", "second glimpse"]),
        (6, ["glimpses 1, 5", "glimpses 2, 6", "third glimpse", "fourth glimpse"]),
    ],
)
def test_the_legend_names_each_marker(monkeypatch, tmp_path, k, told):
    figure, _ = _drawn(monkeypatch, tmp_path, _trace([[3, 10]], k), [[3]])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == told


def test_truth_prediction_and_verdict_stand_above_each_image(monkeypatch, tmp_path):
    trace = _trace([[3, 1, 10, -1], [7, 7, 2, 10]])
    _, texts = _drawn(monkeypatch, tmp_path, trace, [[1, 3], [2, 7, 5]])
    assert texts[:3] == ["true {1, 3}", "predicted {1, 3}", "✓ right"]
    second = texts.index("true {2, 5, 7}")
    assert texts[second + 1 : second + 3] == ["predicted {2, 7, 7}", "✗ wrong: missing 5; extra 7"]


@pytest.mark.parametrize(
    ("truth", "predicted", "told"),
    [
        ([], [], "right"),
        ([2, 1, 2], [2, 2, 1], "right"),
        ([1, 2, 2], [1, 2], "wrong: missing 2"),
        ([1], [1, 3, 3], "wrong: extra 3, 3"),
        ([5, 4], [], "wrong: missing 4, 5"),
        ([1], [2], "wrong: missing 1; extra 2"),
    ],
)
def test_the_verdict_is_in_words(truth, predicted, told):
    assert figures.verdict(truth, predicted, DIGITS) == told


def test_classes_have_their_names_and_a_colour_image_is_shown(monkeypatch, tmp_path):
    names = ("T-shirt/top", "Bag")
    trace = _trace([[0, 1, 2]])
    figure, texts = _drawn(monkeypatch, tmp_path, trace, [[0, 0, 0]], names, (3, 14, 14))
    assert [axis.get_xlabel() for axis in figure.axes if axis.get_xlabel()] == [*names, "stop"]
    assert " ".join(texts[:2]) == "true {T-shirt/top, T-shirt/top, T-shirt/top}"
    assert figure.axes[3].images[0].get_array().shape == (14, 14, 3)


def test_an_error_leaves_no_picture(tmp_path, monkeypatch):
    written = []

    def savefig(self, target, **options):
        target.write_bytes(b"half a picture")
        written.extend(tmp_path.iterdir())
        raise OSError("the disk is full")

    monkeypatch.setattr(Figure, "savefig", savefig)
    image = np.zeros((1, 1, 14, 14), np.uint8)
    with pytest.raises(OSError, match="the disk is full"):
        figures.attention_picture(image, _trace([[3, 10]]), [[3]], DIGITS, tmp_path / "x.png")
    assert len(written) == 1
    assert list(tmp_path.iterdir()) == []


def test_long_names_stay_within_their_column(monkeypatch, tmp_path):
    names = ("T-shirt/top", "Ankle boot", "a very long name")
    figure, _ = _drawn(monkeypatch, tmp_path, _trace([[0, 1, 2, 3]]), [[0]], names)
    columns = [axis for axis in figure.axes if axis.get_xlabel()]
    for axis in columns:
        label = axis.xaxis.label.get_window_extent()
        assert label.width < 1.1 * axis.get_window_extent().width, axis.get_xlabel()
