"""Assignment: as cheap as scipy's, whichever solver does it."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsal_bench.baselines.shared import assignment
from hsal_bench.baselines.shared.assignment import (
    MOST_QUERIES,
    assign,
    assign_by_scipy,
    assign_by_subsets,
    on_host,
)

BOTH = pytest.mark.parametrize("solve", [assign_by_subsets, assign_by_scipy])


def _cost(batch=6, objects=3, queries=5, seed=0):
    return torch.rand(batch, objects, queries, generator=torch.Generator().manual_seed(seed))


def _total(cost, answer):
    return cost.gather(2, answer[:, :, None]).sum((1, 2))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 7), st.integers(0, 3), st.integers(1, 5), st.integers(0, 10**6))
def test_the_total_is_scipy_s(objects, spare, batch, seed):
    cost = _cost(batch, objects, objects + spare, seed) - 0.5
    # Few different values: many ties.
    for one in (cost, cost.mul(4).round()):
        totals = [_total(one, solve(one)) for solve in (assign_by_subsets, assign_by_scipy)]
        assert torch.allclose(*totals, atol=1e-5)


@BOTH
def test_the_total_is_the_least_of_all_orders(solve):
    cost = _cost(4, 3, 4)
    every = torch.tensor(list(itertools.permutations(range(4), 3)))
    totals = torch.stack([_total(cost, one.expand(4, 3)) for one in every])
    assert torch.allclose(_total(cost, solve(cost)), totals.min(0).values)


@BOTH
def test_no_query_is_taken_twice_whatever_the_ties(solve):
    for cost in (torch.zeros(2, 4, 4), _cost(2, 4, 6).round(), torch.ones(2, 4, 7)):
        answer = solve(cost)
        assert answer.dtype == torch.int64
        assert all(len(set(row)) == 4 and min(row) >= 0 for row in answer.tolist())
        assert torch.equal(answer, solve(cost))


@BOTH
def test_reordered_queries_reorder_the_answer(solve):
    cost, order = _cost(), torch.tensor([3, 0, 4, 1, 2])
    assert torch.equal(order[solve(cost[:, :, order])], solve(cost))


@BOTH
def test_reordered_objects_reorder_the_answer(solve):
    cost, order = _cost(), torch.tensor([2, 0, 1])
    assert torch.equal(solve(cost[:, order]), solve(cost)[:, order])


@BOTH
def test_one_by_one_gives_what_a_batch_gives(solve):
    cost = _cost()
    assert torch.equal(torch.cat([solve(one[None]) for one in cost]), solve(cost))


@BOTH
def test_padding_takes_what_the_others_leave(solve):
    cost = _cost(objects=4)
    cost[:, 2:] = 0.0
    assert torch.allclose(_total(cost, solve(cost)), _total(cost[:, :2], solve(cost[:, :2])))


def test_more_objects_than_queries_are_refused():
    with pytest.raises(ValueError, match="3 queries cannot take 4 objects"):
        assign(_cost(2, 4, 3))


def test_what_is_not_a_number_is_left_for_the_loss_to_tell():
    cost = torch.full((2, 2, 3), torch.nan)
    assert all(len(set(row)) == 2 for row in assign(cost).tolist())


def test_a_cpu_asks_scipy(monkeypatch):
    monkeypatch.setattr(assignment, "assign_by_subsets", None)
    assert torch.equal(assign(_cost()), assign_by_scipy(_cost()))


@pytest.mark.parametrize("queries", [MOST_QUERIES, MOST_QUERIES + 1])
def test_another_device_goes_by_subsets_up_to_where_the_host_must(queries, monkeypatch):
    asked = []
    for name in ("assign_by_subsets", "assign_by_scipy"):
        answer = torch.zeros(2, 3, dtype=torch.int64)
        monkeypatch.setattr(
            assignment, name, lambda cost, name=name, answer=answer: asked.append(name) or answer
        )
    assign(torch.empty(2, 3, queries, device="meta"))
    assert asked == ["assign_by_scipy" if on_host(queries) else "assign_by_subsets"]
    assert on_host(queries) == (queries > MOST_QUERIES)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_captured_graph_assigns_anew():
    cost = _cost().cuda()
    assign(cost)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        answer = assign(cost)
    for seed in (1, 2):
        cost.copy_(_cost(seed=seed))
        graph.replay()
        assert torch.equal(answer.cpu(), assign_by_scipy(_cost(seed=seed)))
