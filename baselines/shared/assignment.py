"""Exact assignment of objects to queries at the least total cost, for a whole batch.

A GPU uses dynamic programming over the subsets of the queries: only tensor operations, so that an
update can be captured as a CUDA graph. A CPU uses scipy's solver, one problem at a time, which is
faster there at every size (benchmarks/assign.py); so does a GPU for more than `MOST_QUERIES`.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

MOST_QUERIES = 12
"""Most queries for which a GPU enumerates the subsets: 4,096 of them."""


def on_host(queries: int) -> bool:
    """Return whether `assign` solves on the host even for a GPU, which prevents graph capture."""
    return queries > MOST_QUERIES


def assign(cost: Float[Tensor, "batch objects queries"]) -> Int[Tensor, "batch objects"]:
    """Return a distinct query for every object, with the least total cost of each row.

    Int64, on the device of `cost`. A padding object costs the same everywhere (0) and takes a
    remaining query. Ties are resolved deterministically, but differently on a GPU and a CPU. NaN
    counts as 0: the loss reports it.

    Raises:
        ValueError: there are more objects than queries.
    """
    _, objects, queries = cost.shape
    if objects > queries:
        raise ValueError(f"{queries} queries cannot take {objects} objects")
    by_subsets = cost.device.type != "cpu" and not on_host(queries)
    return (assign_by_subsets if by_subsets else assign_by_scipy)(cost.nan_to_num())


def assign_by_subsets(cost: Float[Tensor, "batch objects queries"]) -> Int[Tensor, "batch objects"]:
    """Return the result of `assign`, object by object over all possible sets of taken queries.

    The least cost of objects 1..i with the set s is the minimum over q in s of the least cost of
    objects 1..i-1 with s without q, plus the cost of q for i. Ties go to the lowest query of the
    last object, and before that to the first set.
    """
    batch, objects, queries = cost.shape
    layers = [_subsets(size, queries, cost.device) for size in range(1, objects + 1)]
    # The batch comes last, so that complete rows are gathered.
    costs, least, lasts = cost.permute(1, 2, 0).contiguous(), cost.new_zeros(1, batch), []
    for of_object, (members, rest) in zip(costs, layers, strict=True):
        least, last = (least[rest] + of_object[members]).min(1)
        lasts.append(last)
    taken, answer = least.argmin(0), []
    for (members, rest), last in zip(reversed(layers), reversed(lasts), strict=True):
        place = last.gather(0, taken[None]).squeeze(0)
        answer.append(members[taken, place])
        taken = rest[taken, place]
    return torch.stack(answer[::-1], 1)


def assign_by_scipy(cost: Float[Tensor, "batch objects queries"]) -> Int[Tensor, "batch objects"]:
    """Return the result of `assign` by scipy's `linear_sum_assignment`; waits for the device."""
    from scipy.optimize import linear_sum_assignment

    # Columns are in the order of the rows, and every row has one if there are enough queries.
    answer = [linear_sum_assignment(matrix)[1] for matrix in cost.detach().cpu().numpy()]
    return torch.from_numpy(np.stack(answer)).to(cost.device)


# Cached forever: a captured graph reads these tensors.
@cache
def _subsets(
    size: int, queries: int, device: torch.device
) -> tuple[Int[Tensor, "sets members"], Int[Tensor, "sets members"]]:
    """Return the sets of `size` queries, and for each member the index of the set without it."""
    sets = list(combinations(range(queries), size))
    smaller = {s: index for index, s in enumerate(combinations(range(queries), size - 1))}
    rest = [[smaller[s[:i] + s[i + 1 :]] for i in range(size)] for s in sets]
    return torch.tensor(sets, device=device), torch.tensor(rest, device=device)
