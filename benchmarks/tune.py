"""Equal tuning: every method's settings chosen by the same small budget of trials.

    python benchmarks/tune.py --data-dir data --jobs 2

Each method gets six trials with one seed: three learning rates times two values of one more field
(`ALTERNATIVES`). Each trial is a run of `hsal-bench run --preset quick` on mnist-multiset, and the
one whose best state scores highest on the validation split wins: exact match, then macro F1. The
test split has no say. Runs that are there already are not made again; where the presets, which
decide what a variant is called, have changed since, give another --out. So short a training
favours large learning rates: what wins here is each method's setting for the quick preset, and no
more.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed

from hsal_bench import registry
from hsal_bench.errors import HsalBenchError
from hsal_bench.files import write_text
from hsal_bench.plan import Request
from hsal_bench.record import Record

LEARNING_RATES = ("0.0003", "0.001", "0.003")
ALTERNATIVES = {
    "count-classifier": ("hidden", "0", "512"),
    "count-regression": ("hidden", "0", "512"),
    "idspn": ("inner_rate", "0.1", "0.03"),
    "query-transformer": ("no_object_weight", "1.0", "0.1"),
    "slot-attention": ("no_object_weight", "1.0", "0.1"),
    "hsal-rl": ("entropy_class", "0.01", "0.05"),
    "hsal-multiset": ("entropy_location", "0.1", "0.02"),
    "log-marginal": ("execution", "greedy", "stochastic"),
    "multiset-loss": ("execution", "greedy", "stochastic"),
    "one-step-matching": ("hidden", "512", "1024"),
    "rl": ("entropy", "0.01", "0.05"),
}
"""The field that a method has tried beside the learning rate, and its two values."""
FOR_OTHERS = ("weight_decay", "0", "0.01")
TABLE = Path(__file__).with_name("tuning.csv")


def main() -> None:
    """Make the trials that are missing, write the table and print what won."""
    args = _arguments()
    first, *others = args.methods
    # The first one makes the data set, the activation model and the activations for all of them.
    records = run_trials(first, args)
    pool = Parallel(n_jobs=args.jobs, return_as="generator")
    for more in pool(delayed(run_trials)(method, args) for method in others):
        records += more
    table = tabulate(records)
    write_text(args.table, table.to_csv(index=False))
    won = table[table["chosen"]]
    print(won.drop(columns="chosen").to_string(index=False))
    print(f"{len(table)} trials in {args.table}")


def trials(method: str) -> list[str]:
    """Return the six variants of a method, as `hsal-bench run --model` takes them."""
    field, *values = ALTERNATIVES.get(method, FOR_OTHERS)
    return [
        f"{method}+learning_rate={rate}+{field}={value}"
        for rate, value in product(LEARNING_RATES, values)
    ]


def run_trials(method: str, args: argparse.Namespace) -> list[Record]:
    """Return the records of a method's trials; those that are there are read."""
    from hsal_bench.run import run

    request = Request(
        models=tuple(trials(method)),
        seeds=(args.seed,),
        dataset=args.dataset,
        preset=args.preset,
        device=args.device,
        out=args.out,
        datasets=args.datasets,
        data_dir=args.data_dir,
        updates=args.updates,
        fine_tune_updates=args.fine_tune_updates,
        command=shlex.join(["python", *sys.argv]),
    )
    return run(request)


def tabulate(records: Iterable[Record]) -> pd.DataFrame:
    """Return a row per trial: its scores on the validation split, and whether it is chosen.

    A trial that failed has no scores and is never chosen. Of equal trials the first is chosen.
    """
    table = pd.DataFrame([_row(record) for record in records])
    ranked = table.sort_values(
        ["valid_exact_match", "valid_macro_f1"], ascending=False, kind="stable"
    )
    ranked = ranked[ranked["valid_exact_match"].notna()]
    best = ranked.groupby("method").head(1).index
    return table.assign(chosen=table.index.isin(best))


def _row(record: Record) -> dict[str, object]:
    """Return one trial's row, from the line of its curve that scored best."""
    field, *_ = ALTERNATIVES.get(record.method, FOR_OTHERS)
    best = max(record.curve, key=lambda line: line["valid_exact_match"]) if record.metrics else {}
    return {
        "method": record.method,
        "learning_rate": record.config["learning_rate"],
        "field": field,
        "value": record.config[field],
        "updates": record.updates,
        "best_update": record.selected_update,
        "valid_exact_match": best.get("valid_exact_match"),
        "valid_macro_f1": best.get("valid_macro_f1"),
        "seconds": round(record.wall_s, 1),
        "status": record.status,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    known = registry.names(registry.METHODS)
    parser.add_argument("--methods", nargs="+", default=known, choices=known, metavar="NAME")
    parser.add_argument("--dataset", default="mnist-multiset")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--updates", type=int, help="instead of the preset's")
    parser.add_argument("--fine-tune-updates", type=int, help="instead of the preset's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", help="cpu, cuda; a GPU where there is one")
    parser.add_argument("--out", type=Path, default=Path("runs/tuning"))
    parser.add_argument("--datasets", type=Path, default=Path("data"))
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--jobs", type=int, default=1, help="methods tried at the same time")
    parser.add_argument("--table", type=Path, default=TABLE)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except HsalBenchError as error:
        raise SystemExit(f"error: {error}") from None
