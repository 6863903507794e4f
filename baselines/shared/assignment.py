"""Exact assignment of objects to queries at the least total cost, for a whole batch.

On a GPU by dynamic programming over the subsets of the queries: tensor operations alone, so that
an update with it can be captured as a CUDA graph. On a CPU, where it is the faster one at every
size (benchmarks/assign.py), and for more queries than that can take, by scipy's solver, one
problem at a time on the host.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

MOST_QUERIES = 12
"""Up to here a GPU goes through the subsets: 4,096 of them."""


def on_host(queries: int) -> bool:
    """Return whether `assign` leaves even a GPU's problems to the host, where no graph follows."""
    return queries > MOST_QUERIES


def assign(cost: Float[Tensor, "batch objects queries"]) -> Int[Tensor, "batch objects"]:
    """Return a query for every object, none twice, such that each row's total cost is least.

    Int64, on the device of `cost`. An object that is only padding costs the same everywhere (0)
    and takes a query that the others leave. Of equally good assignments the same one comes back
    every time, but another on a GPU than on a CPU. NaN counts as 0: it is for the loss to tell.

    Raises:
        ValueError: there are more objects than queries.
    """
    _, objects, queries = cost.shape
    if objects > queries:
        raise ValueError(f"{queries} queries cannot take {objects} objects")
    by_subsets = cost.device.type != "cpu" and not on_host(queries)
    return (assign_by_subsets if by_subsets else assign_by_scipy)(cost.nan_to_num())


def assign_by_subsets(cost: Float[Tensor, "batch objects queries"]) -> Int[Tensor, "batch objects"]:
    """Return what `assign` does, object by object over all sets of queries that may be taken.

    The least cost of objects 1..i taking the set s is the least over q in s of that of objects
    1..i-1 taking s without q, plus i's cost of q. Equal totals go to the lowest query of the last
    object, and before that to the first set.
    """
    batch, objects, queries = cost.shape
    layers = [_subsets(size, queries, cost.device) for size in range(1, objects + 1)]
    # The batch comes last: what is gathered are then whole rows.
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
    """Return what `assign` does, by scipy's `linear_sum_assignment`; waits for the device."""
    from scipy.optimize import linear_sum_assignment

    # The columns come in the order of the rows, and no row goes without where queries suffice.
    answer = [linear_sum_assignment(one)[1] for one in cost.detach().cpu().numpy()]
    return torch.from_numpy(np.stack(answer)).to(cost.device)


# Kept for good: a captured graph reads these very tensors.
@cache
def _subsets(
    size: int, queries: int, device: torch.device
) -> tuple[Int[Tensor, "sets members"], Int[Tensor, "sets members"]]:
    """Return the sets of `size` queries, and for each member the number of the set without it."""
    sets = list(combinations(range(queries), size))
    smaller = {one: number for number, one in enumerate(combinations(range(queries), size - 1))}
    rest = [[smaller[one[:i] + one[i + 1 :]] for i in range(size)] for one in sets]
    return torch.tensor(sets, device=device), torch.tensor(rest, device=device)
