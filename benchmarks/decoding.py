"""Compare two ways to choose labels at test time: the likeliest one, or a sample.

    python benchmarks/decoding.py runs/mnist-multiset/cross-entropy runs/mnist-set/cross-entropy

Takes finished runs of `hsal-rl`, `cross-entropy` and `hsal-multiset`, and predicts the test split
with the tested state: greedily, as the run did, and with each label sampled from the network's
probabilities. Glimpses are greedy in both. Does the same with the true label shares of each image
and its number of objects. These have the lowest loss of cross-entropy on labels in random order, if
the network's own labels are fed back. Writes decoding.csv next to this script; rows of other runs
stay.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from reproduction_summary import mean_and_deviation

from hsal_bench.baselines.hsal.method import HsalRL
from hsal_bench.baselines.hsal.network import Choose
from hsal_bench.baselines.shared.policy import greedy, sample
from hsal_bench.comparison.grouping import NONE, label
from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.files import write_text
from hsal_bench.metrics import scores
from hsal_bench.metrics.scores import Counts
from hsal_bench.record.find import read_records
from hsal_bench.record.record import Record
from hsal_bench.report.columns import heading
from hsal_bench.text import named, table
from hsal_bench.training.batches import ExampleSet, evaluation_batches
from hsal_bench.training.evaluate import BATCH_SIZE
from hsal_bench.training.restore import restore_method

TABLE = Path(__file__).with_name("decoding.csv")
METHODS = ("hsal-rl", "cross-entropy", "hsal-multiset")
SHARES = "true label shares"
"""Stands for a method."""
DRAWS = 100
DECODINGS = ("greedy", "sampled")
METRICS = ("exact_match", "macro_f1", *(f"exact_match_m{m}" for m in range(1, 5)))
KIND = ("dataset", "content", "method", "backbone", "models", "updates")
"""What the runs of a mean have in common. content: of the dataset. models: activation models."""
RUN = (*KIND, "seed", "activation_model")
_HASH_DIGITS = 8


def main() -> None:
    """Add the rows of the runs to the table."""
    args = _arguments()
    records = read_records(args.runs)
    for path, record in records.items():
        if record.method not in METHODS or record.activation is None:
            raise UsageError(f"{path} is of {record.method}: name runs of {named(METHODS)} only")
    for path, record in records.items():
        rows = merged(read(args.table), of_run(record, path.parent, args.datasets))
        write_text(args.table, rows.to_csv(index=False))
    print(summary(read(args.table)))


def of_run(record: Record, folder: Path, datasets: Path) -> list[dict[str, Any]]:
    """Return the rows of a run, and those of the label shares of its test split.

    Raises:
        UsageError: `restore_method` cannot restore it.
    """
    with restore_method(record, folder, datasets, torch.device("cpu")) as trained:
        method, test = trained.method, trained.test
        assert isinstance(method, HsalRL)
        draw = partial(sample, generator=torch.Generator().manual_seed(record.seed))
        network = [decode(method, test, choose) for choose in (greedy, draw)]
        truth = test.counts.numpy()
    data, model = record.data_set, record.activation
    assert model is not None
    dataset = {"dataset": data.name, "content": data.content_sha256[:_HASH_DIGITS]}
    run = {
        "method": label(record),
        "backbone": model.backbone,
        "models": "one for all seeds" if model.recipe_sha256 is None else "one per seed",
        "updates": record.budget["updates"],
        "seed": record.seed,
        "activation_model": model.sha256[:_HASH_DIGITS],
    }
    return [
        {
            **dict.fromkeys(RUN, ""),
            **dataset,
            **names,
            "decoding": decoding,
            **_scores(truth, counts),
        }
        for names, predicted in ((run, network), ({"method": SHARES}, shares(truth)))
        for decoding, counts in zip(DECODINGS, predicted, strict=True)
    ]


def decode(method: HsalRL, test: ExampleSet, choose_class: Choose) -> Counts:
    """Return the predicted counts of a split. choose_class: turns class scores into classes."""
    batches = (batch for _, batch in evaluation_batches(test, BATCH_SIZE))
    return torch.cat([method.decode(batch, choose_class).counts for batch in batches]).numpy()


def shares(truth: Counts) -> tuple[Counts, Counts]:
    """Return predictions from the true label shares, of as many labels as there are objects.

    Greedily, all are the same: the most frequent label of the image (the first of several).
    Sampled, each is drawn from the image's labels with replacement: `DRAWS` splits in a row.
    """
    m, generator = truth.sum(1), np.random.default_rng(0)
    likeliest = np.eye(truth.shape[1], dtype=truth.dtype)[truth.argmax(1)] * m[:, None]
    p = truth / np.maximum(m, 1)[:, None]
    return likeliest, np.concatenate([generator.multinomial(m, p) for _ in range(DRAWS)])


def merged(rows: pd.DataFrame, more: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Return the rows with more of them, which replace those of the same run."""
    key = [*RUN, "decoding"]
    rows = pd.concat([rows, pd.DataFrame(more).astype(_texts())])
    return rows.drop_duplicates(key, keep="last").sort_values(key).round(4)


def summary(rows: pd.DataFrame) -> str:
    """Return the means over runs, as Markdown."""
    lines = []
    for (dataset, _, method, backbone, models, updates), group in rows.groupby(list(KIND)):
        by_decoding = [group[group["decoding"] == decoding] for decoding in DECODINGS]
        cells = (mean_and_deviation(list(some[m])) for m in METRICS[:2] for some in by_decoding)
        run = (f"`{method}`", f"{backbone}, {models}", updates, str(len(by_decoding[0])))
        shown = run if backbone else (method, NONE, NONE, NONE)
        lines.append((f"`{dataset}`", *shown, *cells))
    scored = [f"{heading(metric)}: {decoding}" for metric in METRICS[:2] for decoding in DECODINGS]
    columns = ("dataset", "labels from", "activation model", "updates", "runs", *scored)
    return table(columns, lines, left=columns[:3])


def read(path: Path) -> pd.DataFrame:
    """Return the rows of a table; none if the file does not exist."""
    if not path.exists():
        return pd.DataFrame()
    rows = pd.read_csv(path, dtype=_texts())
    return rows.fillna(dict.fromkeys(_texts(), ""))


def _texts() -> dict[str, type]:
    return dict.fromkeys((*RUN, "decoding"), str)


def _scores(truth: Counts, predicted: Counts) -> dict[str, float]:
    """Return the metrics of predictions of a split, or of several one after another."""
    values = scores.score(np.tile(truth, (len(predicted) // len(truth), 1)), predicted)
    return {metric: values[metric] for metric in METRICS if metric in values}


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
