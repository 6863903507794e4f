"""The head on the pooled volume."""

import pytest
import torch
from torch import nn

from hsal_bench.baselines.shared.layers import pooled_head


@pytest.mark.parametrize(("hidden", "layers"), [(0, 1), (5, 2)])
def test_where_a_cell_lies_is_not_seen(hidden, layers):
    head = pooled_head(3, hidden, 4)
    assert sum(isinstance(part, nn.Linear) for part in head) == layers
    V = torch.rand(2, 3, 2, 3, generator=torch.Generator().manual_seed(0))
    moved = V.flatten(2)[:, :, [4, 2, 0, 5, 1, 3]].unflatten(2, (2, 3))
    assert head(V).shape == (2, 4)
    assert torch.allclose(head(moved), head(V), atol=1e-6)
