"""The attention picture, by what is drawn in it."""

import numpy as np
import pytest
import torch
from PIL import Image

from hsal_bench import figures
from hsal_bench.method import Trace


def _trace(images: int, steps: int = 3) -> Trace:
    maps = torch.rand(images, steps, 7, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[3, 10, -1]]).expand(images, steps)
    glimpses = torch.tensor([[0, 48], [8, 8], [5, 6]]).expand(images, steps, 2)
    return Trace(maps[:, 0], maps, maps, maps, glimpses, labels)


def test_the_picture_is_a_png_that_grows_with_the_images(tmp_path):
    images = np.full((2, 1, 100, 100), 128, np.uint8)
    sizes = []
    for n in (1, 2):
        figures.attention_picture(images[:n], _trace(n), [[3]] * n, 10, tmp_path / f"{n}.png")
        with Image.open(tmp_path / f"{n}.png") as picture:
            sizes.append(picture.size)
    assert sizes[1][0] > 1.5 * sizes[0][0]
    assert sizes[1][1] == sizes[0][1]


def test_the_steps_after_the_stop_stay_empty(tmp_path):
    from matplotlib.figure import Figure

    axes = Figure().subplots(4, 3)
    image = np.zeros((3, 14, 14), np.uint8)
    for t in range(3):
        figures._draw_step(axes[:, t], image, _trace(1), 0, t, stop=10)
    assert [axis.get_visible() for axis in axes[0]] == [True, True, False]
    assert [axis.get_xlabel() for axis in axes[3]] == ["3", "stop", ""]
    first, last = axes[3, 0].patches
    assert first.get_x() < 1.0
    assert last.get_x() > 11.5


def test_an_error_leaves_no_picture(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    written = []

    def savefig(self, target, **options):
        target.write_bytes(b"half a picture")
        written.extend(tmp_path.iterdir())
        raise OSError("the disk is full")

    monkeypatch.setattr(Figure, "savefig", savefig)
    image = np.zeros((1, 1, 14, 14), np.uint8)
    with pytest.raises(OSError, match="the disk is full"):
        figures.attention_picture(image, _trace(1), [[3]], 10, tmp_path / "x.png")
    assert len(written) == 1
    assert list(tmp_path.iterdir()) == []
