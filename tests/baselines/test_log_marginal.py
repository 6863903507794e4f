"""log-marginal: each step is content with any label that is left."""

import math

import pytest
import torch

from hsal_bench.baselines.log_marginal import LogMarginal
from hsal_bench.method.contract import Batch


def test_the_loss_by_hand(sequential, decoding):
    method = sequential(LogMarginal)
    p = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]
    method.unroll = decoding(p, [0.1, 0.4, 0.9], [[1, 2, 1], [1, 2, 2]])
    counts, labels = torch.tensor([[1, 0, 0], [1, 1, 0]]), torch.tensor([[0, -1], [1, 0]])
    scalars = method.loss(Batch(torch.zeros(2, 3, 2, 3), counts, labels))
    first, second = -math.log(0.7), -math.log(0.7 + 0.2) - math.log(0.1)
    assert scalars["class_loss"].item() == pytest.approx((first + second) / 2)
