"""How far two runs may differ: not at all on a CPU, a little on a GPU."""

import pytest
import torch

from hsal_bench.checking import Failed
from hsal_bench.conformance.tiny_task import tiny_task
from hsal_bench.conformance.trial import Trial


@pytest.fixture
def differ(sound):
    """Return a function: do runs with these values differ on this device?"""

    def differ(device, a, b, **tolerance):
        tiny = tiny_task("activations", torch.device("cpu"))
        trial = Trial(sound, None, torch.device(device), tiny)
        try:
            trial.compare([a], [b], "predict", "the runs differ", **tolerance)
        except Failed as failure:
            assert str(failure).startswith("the runs differ: ")
            return True
        return False

    return differ


COUNTS = {f"counts of image {image}": [image, 0] for image in range(24)}


@pytest.mark.parametrize(("value", "cpu", "gpu"), [(1.0, 0, 0), (1.04, 1, 0), (1.06, 1, 1)])
def test_numbers_may_differ_by_5_percent_on_a_gpu(differ, value, cpu, gpu):
    a, b = {"loss at update 1": 1.0}, {"loss at update 1": value}
    assert (differ("cpu", a, b), differ("cuda", a, b)) == (cpu, gpu)


@pytest.mark.parametrize(("images", "cpu", "gpu"), [([], 0, 0), ([3], 1, 0), ([3, 5], 1, 1)])
def test_the_counts_of_one_image_may_differ_on_a_gpu(differ, images, cpu, gpu):
    other = COUNTS | {f"counts of image {image}": [9, 9] for image in images}
    assert (differ("cpu", COUNTS, other), differ("cuda", COUNTS, other)) == (cpu, gpu)


def test_a_tolerance_is_relative_above_1_and_absolute_below(differ):
    for x, y, wide in ((200.0, 200.1, False), (200.0, 201.0, True), (0.0, 5e-4, False)):
        assert differ("cpu", {"x": x}, {"x": y}, tolerance=1e-3) == wide


def test_a_value_that_only_one_run_has_is_a_difference(differ):
    for device in ("cpu", "cuda"):
        assert differ(device, {"loss": 1.0}, {"loss": 1.0, "more": 0.0})
        assert differ(device, {"loss": 1.0, "more": 0.0}, {"loss": 1.0})
