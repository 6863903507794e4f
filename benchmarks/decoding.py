"""Compare two ways to choose labels at test time: the likeliest one, or a sample.

    python benchmarks/decoding.py runs/mnist-multiset/cross-entropy runs/mnist-set/cross-entropy

Takes finished runs of `hsal-rl`, `cross-entropy` and `hsal-multiset`, and predicts the test split
with the tested state: greedily, as the run did, and with each label sampled from the network's
probabilities (glimpses are greedy in both). Does the same with the image's true label shares and
number of objects, which are the best that cross-entropy on labels in random order can learn.
Writes decoding.csv next to this script; rows of other runs stay.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int
from reproduction_summary import mean_and_deviation

from hsal_bench.baselines.hsal.method import HsalRL
from hsal_bench.baselines.hsal.network import Choose
from hsal_bench.baselines.shared.policy import greedy, sample
from hsal_bench.comparison.grouping import label
from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.files import write_text
from hsal_bench.metrics import scores
from hsal_bench.record.find import read_records
from hsal_bench.record.record import Record
from hsal_bench.report.columns import heading
from hsal_bench.text import table
from hsal_bench.training.batches import ExampleSet, evaluation_batches
from hsal_bench.training.evaluate import BATCH_SIZE
from hsal_bench.training.restore import restore_method

TABLE = Path(__file__).with_name("decoding.csv")
SHARES = "label shares"
"""Stands for a method in the rows of the true label shares."""
METRICS = ("exact_match", "macro_f1", *(f"exact_match_m{m}" for m in range(1, 5)))
WAYS = ("greedy", "sampled")
RUN = ("dataset", "method", "backbone", "activation_model", "seed")
_HASH_DIGITS = 8

Counts = Int[np.ndarray, "images classes"]


def main() -> None:
    """Add the rows of the runs to the table."""
    args = _arguments()
    rows = read(args.table)
    for path, record in read_records(args.runs).items():
        rows = pd.concat([rows, pd.DataFrame(of_run(record, path.parent, args.datasets))])
    rows = rows.drop_duplicates([*RUN, "decoding"], keep="last").sort_values([*RUN, "decoding"])
    write_text(args.table, rows.to_csv(index=False, float_format="%.4f"))
    print(summary(rows))


def summary(rows: pd.DataFrame) -> str:
    """Return the means over runs by dataset and method, as Markdown."""
    lines = []
    for (dataset, method, backbone), group in rows.groupby(["dataset", "method", "backbone"]):
        network = f"`{method}`, `{backbone}`" if backbone else f"the image's {method}"
        by_way = {way: group[group["decoding"] == way] for way in WAYS}
        runs = len(by_way[WAYS[0]])
        cells = (
            mean_and_deviation(list(by_way[way][metric])) for metric in METRICS[:2] for way in WAYS
        )
        lines.append((f"`{dataset}`", network, str(runs), *cells))
    columns = [f"{heading(metric)}: {way}" for metric in METRICS[:2] for way in WAYS]
    return table(
        ("dataset", "probabilities of", "runs", *columns), lines, left=("probabilities of",)
    )


def read(path: Path) -> pd.DataFrame:
    """Return the rows of a table; none if the file does not exist."""
    return pd.read_csv(path, keep_default_na=False) if path.exists() else pd.DataFrame()


def of_run(record: Record, folder: Path, datasets: Path) -> list[dict[str, Any]]:
    """Return the rows of a run, and those of the label shares of its test split.

    Raises:
        UsageError: the method is not one of HSAL's, or `restore_method` cannot restore it.
    """
    with restore_method(record, folder, datasets, torch.device("cpu")) as trained:
        method, test = trained.method, trained.test
        if not isinstance(method, HsalRL) or record.activation is None:
            raise UsageError(f"{folder}: {record.method} is not hsal-rl or one of its variants")
        draw = partial(sample, generator=torch.Generator().manual_seed(record.seed))
        ways: dict[str, Choose] = dict(zip(WAYS, (greedy, draw), strict=True))
        network = {way: decode(method, test, choose) for way, choose in ways.items()}
    of_shares = shares(test.counts.numpy(), np.random.default_rng(record.seed))
    volumes = record.activation.backbone, record.activation.sha256[:_HASH_DIGITS]
    rows = []
    for name, model, predicted in (label(record), volumes, network), (SHARES, ("", ""), of_shares):
        run = dict(zip(RUN, (record.data_set.name, name, *model, record.seed), strict=True))
        for decoding, counts in predicted.items():
            values = scores.score(test.counts.numpy(), counts)
            chosen = {metric: values[metric] for metric in METRICS if metric in values}
            rows.append({**run, "decoding": decoding, **chosen})
    return rows


def decode(method: HsalRL, test: ExampleSet, choose_class: Choose) -> Counts:
    """Return the predicted counts of a split. choose_class: turns class scores into classes."""
    batches = (batch for _, batch in evaluation_batches(test, BATCH_SIZE))
    return torch.cat([method.decode(batch, choose_class).counts for batch in batches]).numpy()


def shares(counts: Counts, generator: np.random.Generator) -> Mapping[str, Counts]:
    """Return predictions from the true label shares, as many labels as there are objects.

    Greedily, each is a most frequent label of the image (of equal ones the first, so one label is
    repeated); sampled, it is drawn from the image's labels with replacement.
    """
    m = counts.sum(1)
    likeliest = np.eye(counts.shape[1], dtype=counts.dtype)[counts.argmax(1)] * m[:, None]
    drawn = generator.multinomial(m, counts / np.maximum(m, 1)[:, None])
    return dict(zip(WAYS, (likeliest, drawn), strict=True))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, help="folders of finished runs")
    parser.add_argument("--datasets", type=Path, default=Path("data"))
    parser.add_argument("--table", type=Path, default=TABLE)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except HsalBenchError as error:
        raise SystemExit(f"error: {error}") from None
