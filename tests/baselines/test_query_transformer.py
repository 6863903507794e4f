"""query-transformer: what its queries do."""

import pytest
import torch

from hsal_bench.baselines.query_transformer import QueryTransformer, QueryTransformerConfig
from hsal_bench.errors import UsageError
from hsal_bench.method.contract import Batch, Setup, Task

TASK = Task(num_classes=3, max_objects=2, input_shape=(3, 2, 3))


def _method():
    config = QueryTransformerConfig(queries=3, hidden=16, heads=2)
    return QueryTransformer(TASK, config, Setup(torch.device("cpu"), 0, 100))


def _scores(method):
    V = torch.rand(4, *TASK.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return method.scores(Batch(V))


def test_reordered_queries_reorder_the_scores():
    method, order = _method(), torch.tensor([2, 0, 1])
    before = _scores(method)
    with torch.no_grad():
        method.network.queries.copy_(method.network.queries[order])
    assert torch.allclose(_scores(method), before[:, order], atol=1e-5)


def test_equal_queries_would_say_the_same():
    """Why they must differ: one of two equal queries cannot say what the other does not."""
    method = _method()
    different = _scores(method)
    assert not torch.allclose(different[:, 0], different[:, 1])
    with torch.no_grad():
        method.network.queries[1] = method.network.queries[0]
    same = _scores(method)
    assert torch.allclose(same[:, 0], same[:, 1], atol=1e-6)


def test_layers_start_from_weights_of_their_own():
    one, other = _method().network.layers
    assert not torch.equal(one.linear1.weight, other.linear1.weight)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(UsageError, match="hidden=30 is not a multiple of heads=8"):
        QueryTransformerConfig(hidden=30)
