"""Measure the time of the exact assignment, by subsets of queries and by scipy on the host.

    python benchmarks/assign.py
    python benchmarks/assign.py --device cuda

For each batch and size (objects x queries) it prints the milliseconds of both, their ratio, and the
share of each in an update of query-transformer with as many images (an update that assigns by scipy
on a CPU, by subsets on a GPU). Costs and activations are random.
"""

from __future__ import annotations

import argparse
from functools import partial

import torch
from train import alternate

from hsal_bench.baselines.query_transformer import QueryTransformer, QueryTransformerConfig
from hsal_bench.baselines.shared.assignment import assign_by_scipy, assign_by_subsets
from hsal_bench.method.contract import Batch, Setup, Task
from hsal_bench.metrics.multiset import counts_from_labels
from hsal_bench.training.device import describe, resolve

CLASSES = 10
SIZES = ((4, 8), (8, 8))


def main() -> None:
    """Print the measurements of the command line."""
    args = _arguments()
    device = resolve(args.device)
    print(f"{describe(device)}, torch {torch.__version__}, one update: {args.preset} preset")
    heads = ("subsets", "scipy", "scipy/subsets", "subsets/update", "scipy/update")
    print(f"{'':<16}" + "".join(f" {head:>14}" for head in heads))
    for batch in args.batches:
        for objects, queries in SIZES:
            cost = torch.rand(batch, objects, queries, device=device)
            subsets, scipy = alternate(
                partial(assign_by_subsets, cost),
                partial(assign_by_scipy, cost),
                device,
                args.repeats,
            )
            update = update_seconds(args, device, batch, objects, queries)
            times = f" {1e3 * subsets:>11.3f} ms {1e3 * scipy:>11.3f} ms {scipy / subsets:>13.2f}x"
            shares = f" {subsets / update:>14.1%} {scipy / update:>14.1%}"
            print(f"{batch:>4}, {objects} x {queries:<7}{times}{shares}", flush=True)


def update_seconds(
    args: argparse.Namespace, device: torch.device, batch: int, objects: int, queries: int
) -> float:
    """Return the median seconds of an update of query-transformer."""
    task = Task(CLASSES, objects, (args.channels, 7, 7))
    changed = dict(QueryTransformer.presets.get(args.preset, {}))
    method = QueryTransformer(
        task,
        QueryTransformerConfig(**{**changed, "queries": queries}),
        Setup(device, 0, 10**9),
    )
    labels = torch.randint(0, CLASSES, (batch, objects), device=device)
    inputs = torch.randn(batch, *task.input_shape, device=device).relu()
    examples = Batch(inputs, counts_from_labels(labels, CLASSES), labels)
    seconds, _ = alternate(lambda: method.update(examples), None, device, args.repeats)
    return seconds


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", help="cpu, cuda; by default a GPU if there is one")
    parser.add_argument("--batches", type=int, nargs="*", default=[64, 128, 512])
    parser.add_argument("--preset", default="quick", help="of query-transformer: paper or quick")
    parser.add_argument("--channels", type=int, default=192, help="of the volume's 7 x 7 cells")
    parser.add_argument("--repeats", type=int, default=15, help="the median is printed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
