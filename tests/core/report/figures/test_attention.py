"""The attention picture, by what is drawn in it."""

import numpy as np
import pytest
import torch

from hsal_bench.method.contract import Trace
from hsal_bench.report.figures.attention import attention_figure
from hsal_bench.report.figures.glimpses import Glimpses
from hsal_bench.report.figures.style import TWO_COLUMNS

DIGITS = tuple("0123456789")


def _trace(labels, k=2) -> Trace:
    labels = torch.tensor(labels)
    shape = (*labels.shape, 7, 7)
    maps = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    glimpses = torch.tensor([0, 48, 8, 5, 6, 9])[:k].expand(*labels.shape, k)
    return Trace(maps[:, 0], maps, maps, maps, glimpses, labels)


def _looks(trace, truths, names=DIGITS, image=(1, 14, 14)) -> Glimpses:
    return Glimpses(np.full((len(truths), *image), 128, np.uint8), truths, trace, names)


def _drawn(*arguments, per_row=3, **more):
    """Return the figure that is drawn and its texts."""
    figure = attention_figure(_looks(*arguments, **more), per_row)
    return figure, [text.get_text() for text in figure.texts]


def _markers(figure):
    """Return the glimpses on each image: marker and place."""
    return [
        [(line.get_marker(), line.get_xdata()[0], line.get_ydata()[0]) for line in axis.lines]
        for axis in figure.axes
        if axis.lines
    ]


def test_the_figure_is_two_columns_wide_and_has_as_many_rows_as_it_takes():
    sizes = [
        _drawn(_trace([[3, 4, 10]] * n), [[3]] * n)[0].get_size_inches().tolist() for n in (1, 3, 4)
    ]
    (one, _), (three, low), (four, high) = sizes
    assert one == three == four == TWO_COLUMNS
    assert high > 1.8 * low


def test_many_steps_take_rows_of_fewer_images():
    low, high = (
        _drawn(_trace([[*range(steps), 10]] * 2), [[3]] * 2, per_row=2)[0].get_size_inches()
        for steps in (2, 9)
    )
    assert [low[0], high[0]] == pytest.approx([TWO_COLUMNS] * 2)
    assert high[1] > 1.5 * low[1]


@pytest.mark.parametrize(("steps", "per_row"), [(1, 4), (4, 4), (4, 3), (20, 1)])
def test_nothing_lies_outside_the_figure(steps, per_row):
    figure, _ = _drawn(_trace([[3] * steps] * per_row), [[3]] * per_row, per_row=per_row)
    for axis in figure.axes:
        box = axis.get_position()
        assert min(box.x0, box.y0) > 0
        assert max(box.x1, box.y1) < 1


def test_a_column_per_step_up_to_the_stop():
    figure, _ = _drawn(_trace([[3, 10, -1], [7, 1, 10]]), [[3], [1, 7]])
    labels = [axis.get_xlabel() for axis in figure.axes if axis.get_xlabel()]
    assert labels == ["3", "stop", "7", "1", "stop"]
    assert len(figure.axes) == 5 * 4 + 1


def test_symbols_are_set_as_maths_and_names_of_classes_are_not():
    names = ("$\\lost$", "b", "c")
    figure, texts = _drawn(_trace([[0, 3]]), [[0]], names=names)
    maths = {text.get_text() for text in figure.texts if text.get_parse_math()}
    assert "mask\n$M_t$" in maths
    assert "true {$\\lost$}" in set(texts) - maths
    figure.draw_without_rendering()


def test_each_map_is_drawn_on_one_scale():
    trace = _trace([[3, 10]])
    figure, texts = _drawn(trace, [[3]])
    first = figure.axes[0].images[0]
    np.testing.assert_allclose(first.get_array(), trace.S_t[0, 0].numpy())
    maps = [axis.images[0] for axis in figure.axes[:3] + figure.axes[4:7]]
    assert {picture.get_clim() for picture in maps} == {(0.0, 1.0)}
    assert "saliency, mask, priority" in texts
    assert [tick.get_text() for tick in figure.axes[-1].get_xticklabels()] == ["0", "1"]


def test_glimpses_lie_in_the_middle_of_their_cells():
    figure, _ = _drawn(_trace([[3, 10]]), [[3]])
    # Cells of 2 x 2 pixels, the first and the last; the middle of pixel 0 is 0.
    # On the priority map each cell is a pixel.
    on_map, on_image = [("s", 0, 0), ("o", 6, 6)], [("s", 0.5, 0.5), ("o", 12.5, 12.5)]
    assert _markers(figure) == [on_map, on_image] * 2


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        (1, ["first glimpse"]),
        (2, ["first glimpse", "second glimpse"]),
        (6, ["glimpses 1, 5", "glimpses 2, 6", "third glimpse", "fourth glimpse"]),
    ],
)
def test_the_legend_names_each_marker(k, expected):
    figure, _ = _drawn(_trace([[3, 10]], k), [[3]])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == expected


def test_truth_and_verdict_stand_above_each_image():
    trace = _trace([[3, 1, 10, -1], [7, 7, 2, 10]])
    _, texts = _drawn(trace, [[1, 3], [2, 7, 5]])
    assert texts[:2] == ["true {1, 3}", "✓ right"]
    second = texts.index("true {2, 5, 7}")
    assert texts[second + 1] == "✗ missing 5; extra 7"


def test_a_verdict_that_has_no_room_is_reported_in_lines():
    _, texts = _drawn(_trace([[3, 10]]), [[5]])
    assert texts[:3] == ["true {5}", "✗ missing 5", "extra 3"]


def test_classes_have_their_names_and_a_colour_image_is_shown():
    names = ("T-shirt/top", "Bag")
    trace = _trace([[0, 1, 2]])
    figure, texts = _drawn(trace, [[0, 0, 0]], names, (3, 14, 14))
    assert [axis.get_xlabel() for axis in figure.axes if axis.get_xlabel()] == [*names, "stop"]
    assert " ".join(texts[:2]) == "true {T-shirt/top, T-shirt/top, T-shirt/top}"
    assert figure.axes[3].images[0].get_array().shape == (14, 14, 3)


def test_long_names_stay_within_their_column():
    names = ("T-shirt/top", "Ankle boot", "a very long name")
    figure, _ = _drawn(_trace([[0, 1, 2, 3]]), [[0]], names)
    columns = [axis for axis in figure.axes if axis.get_xlabel()]
    for axis in columns:
        label = axis.xaxis.label.get_window_extent()
        assert label.width < 1.1 * axis.get_window_extent().width, axis.get_xlabel()
