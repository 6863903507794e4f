"""Which images show the limits of the saliency map, and how they are drawn."""

import numpy as np
import pytest
import torch

from hsal_bench.method.contract import Prediction, Trace
from hsal_bench.report.figures.glimpses import Glimpses
from hsal_bench.report.figures.limits import SplitPrediction, crowded, faint, predict_split
from hsal_bench.report.figures.limits_picture import limits_figure
from hsal_bench.training.batches import ExampleSet

LEFT, RIGHT, MIDDLE = (0, 0, 10, 10), (20, 20, 30, 30), (5, 0, 15, 10)
NONE = (-1, -1, -1, -1)


def _seen(S, objects, predicted, classes=3):
    """Return images of 30 x 30 pixels; objects: (label, box) of each image."""
    K = max(map(len, objects))
    padded = [[*image, *[(-1, NONE)] * (K - len(image))] for image in objects]
    labels = torch.tensor([[label for label, _ in image] for image in padded])
    boxes = torch.tensor([[box for _, box in image] for image in padded])
    counts, guessed = (
        torch.tensor([[image.count(c) for c in range(classes)] for image in images])
        for images in ([[y for y, _ in image] for image in objects], predicted)
    )
    inputs = torch.zeros(len(objects), 1, 30, 30)
    test = ExampleSet(inputs, counts, labels, boxes, (30, 30))
    return SplitPrediction(torch.tensor(np.array(S), dtype=torch.float32), guessed, test)


def _map(cell, value=9.0):
    """Return a map of 3 x 3 cells with one that is salient."""
    S = np.ones((3, 3))
    S.flat[cell] = value
    return S


def test_the_cell_most_shared_by_two_objects_comes_first():
    objects = [
        [(0, LEFT)],  # alone in the cell
        [(0, LEFT), (1, (8, 0, 18, 10))],  # 1 and 0.2 of the cell
        [(0, LEFT), (1, MIDDLE)],  # 1 and 0.5
        [(0, LEFT), (1, MIDDLE)],  # but the salient cell is another
        [(0, LEFT), (1, RIGHT)],
    ]
    S = [_map(0), _map(0), _map(0), _map(4), _map(0)]
    limit = crowded(_seen(S, objects, [[0], [0], [0, 1], [0, 1], [0, 1]]))
    assert limit.rows.tolist() == [2, 1]
    assert limit.marked.tolist() == [[True, True]] * 2
    assert limit.extent.startswith("2 of 5 images (40.0 %) have two or more objects in that cell;")
    assert "50.0 % of them are predicted right, and 100.0 % of the remaining images" in limit.extent


def test_only_objects_in_the_cell_are_marked():
    limit = crowded(_seen([_map(1)], [[(0, MIDDLE), (0, RIGHT), (1, (12, 2, 18, 9))]], [[]]))
    assert limit.marked.tolist() == [[True, False, True]]
    assert not len(crowded(_seen([_map(8)], [[(0, LEFT), (1, RIGHT)]], [[]])).rows)


def test_missed_objects_go_by_their_salience_over_that_of_their_surroundings():
    # The cell of LEFT is number 0, next to it are 1, 3 and 4; RIGHT is cell 8.
    objects = [[(0, LEFT), (1, RIGHT)]] * 5
    S = [_map(4, 2.0), _map(4, 4.0), _map(2, 8.0), _map(4, 8.0), _map(3, 8.0)]
    limit = faint(_seen(S, objects, [[0], [0], [0], [0, 1], [1]]))
    # 2 is as salient as its surroundings, 3 is predicted right.
    assert limit.rows.tolist() == [4, 1, 0]
    assert limit.marked.tolist() == [[True, False], [False, True], [False, True]]
    # Fainter than the cells next to them: both objects of 0, 1 and 3, LEFT of 4; missed: 3 of 7.
    assert limit.extent.startswith("7 of 10 objects with such a cell (70.0 %) are less salient")
    assert (
        "the class of 42.9 % of them is predicted too rarely, and that of 33.3 % of the remaining"
        in (limit.extent)
    )


def test_equal_images_go_by_number_and_three_are_shown():
    objects = [[(0, LEFT), (1, MIDDLE)]] * 5
    many = _seen([_map(0)] * 5, objects, [[]] * 5)
    assert crowded(many).rows.tolist() == [0, 1, 2]


def test_an_object_between_the_centres_of_cells_has_no_salience():
    limit = faint(_seen([_map(4)], [[(0, (6, 6, 14, 14))]], [[]]))
    assert limit.rows.tolist() == []
    assert limit.extent.startswith("0 of 0 objects with such a cell (0.0 %)")
    assert "the class of none of them" in limit.extent


class _Looker:
    def __init__(self, traced):
        self.traced = traced

    def predict(self, batch, *, trace=False):
        count = len(batch.inputs)
        counts = torch.zeros(count, 3, dtype=torch.int64)
        S = batch.inputs.mean((1, 2, 3))[:, None, None].expand(count, 2, 2)
        steps, glimpses = S[:, None], torch.zeros(count, 1, 1, dtype=torch.int64)
        traced = Trace(S, steps, steps, steps, glimpses, glimpses[..., 0])
        return Prediction(counts, None, traced if self.traced else None)


def test_a_whole_split_is_seen_in_its_order(monkeypatch):
    monkeypatch.setattr("hsal_bench.report.figures.limits.BATCH_SIZE", 2)
    test = _seen([_map(0)] * 5, [[(0, LEFT)]] * 5, [[]] * 5).test
    test.inputs[:] = torch.arange(5.0)[:, None, None, None]
    assert predict_split(_Looker(True), test).S[:, 0, 1].tolist() == [0, 1, 2, 3, 4]
    assert predict_split(_Looker(False), test) is None


@pytest.mark.parametrize("images", [1, 3])
def test_the_cell_and_the_objects_are_outlined_on_image_and_map(images):
    S = torch.tensor(_map(5)).expand(images, 3, 3)
    steps = S[:, None]
    labels = torch.full((images, 1), 1)
    trace = Trace(S, steps, steps, steps, labels[..., None], labels)
    found = Glimpses(np.zeros((images, 1, 30, 30), np.uint8), [[1]] * images, trace, "abc")
    boxes = np.array([[LEFT, RIGHT]] * images)
    figure = limits_figure(found, boxes, np.array([[False, True]] * images))
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert len(shown) == 2 * images
    corners = [[(p.get_x(), p.get_y(), p.get_width()) for p in axis.patches] for axis in shown[:2]]
    # Pixels are counted from their middle: what begins with pixel 0 begins at -0.5.
    assert corners[0] == [(19.5, 19.5, 10), (19.5, 9.5, 10)]
    np.testing.assert_allclose(corners[1], [(1.5, 1.5, 1), (1.5, 0.5, 1)])
    assert shown[0].get_title(loc="left") == "true {b}\n✓ right"
    assert [axis.get_xlabel() for axis in shown[:2]] == ["image", "saliency, 3 x 3"]
    figure.draw_without_rendering()
