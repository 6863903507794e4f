"""cnn-rnn: which labels are fed back and wanted in which order."""

import dataclasses

import pytest
import torch

from hsal_bench.baselines.cnn_rnn import CnnRnn
from hsal_bench.method.contract import Batch, Unsupported

LABELS = torch.tensor([[2, 0], [0, 1], [1, -1], [-1, -1]])
COUNTS = torch.tensor([[1, 0, 1], [1, 1, 0], [0, 1, 0], [0, 0, 0]])
BOXES = torch.tensor(
    [
        [[5, 0, 9, 8], [0, 3, 3, 9]],
        [[4, 0, 9, 2], [2, 1, 8, 9]],
        [[1, 1, 2, 2], [-1, -1, -1, -1]],
        [[-1, -1, -1, -1]] * 2,
    ]
)
BATCH = Batch(torch.zeros(4, 3, 2, 3), COUNTS, LABELS, BOXES)
# What is after the last label is fed as class 0 and counts for nothing.
FED = {
    "random": [[2, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]],
    "frequency": [[0, 2, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]],
    "spatial": [[0, 2, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]],
    "area": [[2, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]],
}
P = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]


@pytest.mark.parametrize(("order", "fed"), FED.items())
def test_teacher_forcing_feeds_the_order_s_labels(order, fed, sequential):
    method = sequential(CnnRnn, order=order)
    assert method.unroll(BATCH, method.execution(BATCH)).y_hat.tolist() == fed


def test_free_running_feeds_samples_of_the_policy(sequential):
    choose = sequential(CnnRnn, teacher_forcing=False).execution(BATCH)
    p = torch.tensor([0.2, 0.5, 0.3])
    share = torch.bincount(choose(0, p.log().expand(5_000, 3)), minlength=3) / 5_000
    assert torch.allclose(share, p, atol=0.03)


@pytest.mark.parametrize("forced", [True, False])
def test_the_loss_by_hand(forced, sequential, decoding):
    """Whatever was fed, the labels of the order are what each step is to say."""
    method = sequential(CnnRnn, order="spatial", teacher_forcing=forced)
    method.unroll = decoding(P, [0.1, 0.4, 0.9], [[2, 2, 2]] * 4)
    expected = torch.tensor([0.7 * 0.1, 0.2 * 0.1, 0.2, 1.0]).log()
    scalars = method.loss(BATCH)
    assert scalars["class_loss"].item() == pytest.approx(-expected.mean().item())
    stop = torch.tensor([0.9 * 0.6 * 0.9, 0.9 * 0.6 * 0.9, 0.9 * 0.4, 0.1]).log()
    assert scalars["loss"].item() == pytest.approx(-(expected + stop).mean().item())


def test_frequency_alone_asks_how_frequent_classes_are(sequential, task):
    unknown = dataclasses.replace(task, class_objects=None)
    with pytest.raises(Unsupported, match="frequencies of its classes"):
        sequential(CnnRnn, unknown)
    assert sequential(CnnRnn, unknown, order="area").ranks is None
