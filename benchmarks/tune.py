"""Equal tuning: choose the settings of every method with the same small budget of trials.

    python benchmarks/tune.py --data-dir data --jobs 2
    python benchmarks/tune.py --data-dir data --updates 6000 --methods hsal-rl cross-entropy

Each method gets eight trials with one seed: four learning rates (some five) times two values of one
more field (`ALTERNATIVES`). The best two are trained with three seeds, on one activation model, and
the one with the highest mean wins: exact match of the best state on the validation split, then
macro F1. The test split is not used. Each trial is a run of `hsal-bench run --preset quick` on
mnist-multiset. Trials in the table are not repeated, whichever activation model they used; the
table has the first digits of that model's hash. If the presets, which determine the names of
variants, have changed since, use another --out. Such a short training favours large learning rates:
the winner is the best setting for that number of updates only.
"""

from __future__ import annotations

import argparse
import csv
import io
import shlex
import sys
from collections.abc import Collection, Iterable, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean

from reproduction_summary import mean_and_deviation

from hsal_bench import registry
from hsal_bench.comparison.grouping import NONE
from hsal_bench.errors import HsalBenchError
from hsal_bench.files import write_text
from hsal_bench.record.record import Record
from hsal_bench.runs import methods
from hsal_bench.runs import request as requests
from hsal_bench.text import table
from hsal_bench.training import presets

LEARNING_RATES = ("0.0003", "0.001", "0.003", "0.01")
MORE_RATES = {"rl": ("0.0001",), "count-classifier": ("0.03",), "cross-entropy": ("0.03",)}
"""Rates for a method that was best at the lowest or highest of the others."""
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
"""The field that a method has tried besides the learning rate, and its two values."""
FOR_OTHERS = ("weight_decay", "0", "0.01")
TABLE = Path(__file__).with_name("tuning.csv")
FINALISTS = 2
HASH_DIGITS = 8
COLUMNS = (
    *("method", "learning_rate", "field", "value", "seed", "updates", "best_update"),
    *("valid_exact_match", "valid_macro_f1", "seconds", "status", "activation_model", "chosen"),
)
_SETTING = ("learning_rate", "field", "value")

Row = dict[str, str]
"""One run: a row of the table."""
Setting = tuple[str, ...]
"""The `_SETTING` of a trial."""


def main() -> None:
    """Run the missing trials, write the table and print the winners."""
    args = _arguments()
    rows = read(args.table)
    for method in args.methods:
        rows += tune(method, rows, args)
        write(rows, args.table)
    print(summary(rows, _updates(args)))
    print(f"{len(rows)} runs in {args.table}")


def trials(method: str) -> list[str]:
    """Return the variants of a method to try, as `hsal-bench run --model` takes them."""
    field, *values = ALTERNATIVES.get(method, FOR_OTHERS)
    rates = (*MORE_RATES.get(method, ()), *LEARNING_RATES)
    return [
        f"{method}+learning_rate={rate}+{field}={value}" for rate, value in product(rates, values)
    ]


def tune(method: str, rows: Sequence[Row], args: argparse.Namespace) -> list[Row]:
    """Return the rows missing from the table for a method: one seed of all, then the finals.

    The best two are trained with every seed unless they have been, all on one activation model.
    """
    made = run_trials(list(missing(method, rows, args).values()), args.seeds[:1], args)
    known = [*_of(method, rows, args), *made]
    best = finalists(known)
    if len(args.seeds) > 1 and not any(_complete(known, best, args.seeds)):
        models = {_setting(model, args.preset): model for model in trials(method)}
        asked = [models[setting] for setting in best if setting in models]
        there = {(_key(row), row["activation_model"]) for row in known}
        finals = run_trials(asked, args.seeds, args)
        made += [row for row in finals if (_key(row), row["activation_model"]) not in there]
    return made


def missing(method: str, rows: Sequence[Row], args: argparse.Namespace) -> dict[Setting, str]:
    """Return the trials of a method that have no row at this number of updates, by setting."""
    there = {_setting_of(row) for row in _of(method, rows, args)}
    every = {_setting(model, args.preset): model for model in trials(method)}
    return {setting: model for setting, model in every.items() if setting not in there}


def run_trials(
    models: Sequence[str], seeds: tuple[int, ...], args: argparse.Namespace
) -> list[Row]:
    """Return the rows of variants; existing records are read."""
    from hsal_bench.cluster import grid

    if not models:
        return []
    request = requests.Request(
        models=tuple(models),
        seeds=seeds,
        dataset=args.dataset,
        preset=args.preset,
        device=args.device,
        out=args.out,
        datasets=args.datasets,
        data_dir=args.data_dir,
        updates=args.updates,
        fine_tune_updates=args.fine_tune_updates,
        activation_model=args.activation_model,
        command=shlex.join(["python", *sys.argv]),
    )
    requests.check_request(request)
    return [row_of(record) for record in grid.run(request, f"local:{args.jobs}", {}) or ()]


def finalists(rows: Iterable[Row]) -> list[Setting]:
    """Return the settings of the best two trials, by the first seed of each.

    A trial that failed has no scores and is never among them. Of equal trials the first is better.
    """
    first: dict[Setting, Row] = {}
    for row in rows:
        first.setdefault(_setting_of(row), row)
    scored = [row for row in first.values() if row["valid_exact_match"]]
    return [_setting_of(row) for row in sorted(scored, key=_scores, reverse=True)[:FINALISTS]]


def chosen(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with "chosen": the runs that the choice of their method's setting rests on.

    Those of the finalist with the higher mean where both were trained with the same seeds, several,
    on one activation model; else that of the best trial.
    """
    decisive = (finals for group in _groups(rows) if (finals := _finals(group)))
    won = {id(row) for winner, *_ in decisive for row in winner}
    return [{**row, "chosen": str(id(row) in won)} for row in rows]


def summary(rows: Iterable[Row], updates: str) -> str:
    """Return each method's chosen settings at a number of updates, the best first, as Markdown.

    Scores are exact match on the validation split. Without finals, the score is the best trial's.
    """
    groups = _groups(row for row in rows if row["updates"] == updates)
    decided = [(group, finals) for group in groups if (finals := _finals(group))]
    lines = []
    for group, finals in sorted(decided, key=lambda pair: _mean_scores(pair[1][0]), reverse=True):
        winner, *rest = finals
        won = winner[0]
        other = [f"{_exact(f)} ({f[0]['learning_rate']}, {f[0]['value']})" for f in rest] or [NONE]
        tried = f"`{won['field']}`: {', '.join(dict.fromkeys(row['value'] for row in group))}"
        worst = min(_scores(row)[0] for row in group)
        name, rate = f"`{won['method']}`", won["learning_rate"]
        scores = _exact(winner), *other, f"{worst:.3f}"
        lines.append((name, rate, tried, won["value"], *scores))
    field = "second field: values tried"
    columns = "method", "learning rate", field, "chosen", "final", "the other finalist", "worst run"
    return table(columns, lines, left=(field, "the other finalist"))


def _groups(rows: Iterable[Row]) -> Collection[list[Row]]:
    """Return the rows of each method and number of updates."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["updates"]), []).append(row)
    return groups.values()


def _finals(rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows that decide for one method at one number of updates, the winner's first.

    Those of both finalists; without complete finals, that of the best trial.
    """
    best = finalists(rows)
    if complete := list(_complete(rows, best)):
        return sorted(complete[-1], key=_mean_scores, reverse=True)
    return [[next(row for row in rows if _setting_of(row) == setting)] for setting in best[:1]]


def _complete(
    rows: Sequence[Row], best: Sequence[Setting], seeds: Sequence[int] = ()
) -> Iterable[list[list[Row]]]:
    """Yield the finals on each activation model: both finalists' rows, of the same seeds.

    seeds: those that they must have; without, any, but more than one.
    """
    for model in dict.fromkeys(row["activation_model"] for row in rows):
        mine = [row for row in rows if row["activation_model"] == model]
        finals = [[row for row in mine if _setting_of(row) == setting] for setting in best]
        found = {frozenset(row["seed"] for row in final) for final in finals}
        whole = found == {frozenset(map(str, seeds))} if seeds else len(found) == 1
        if whole and (seeds or len(finals[0]) > 1):
            yield finals


def _mean_scores(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the means over seeds; a seed that failed has learnt nothing."""
    exact, f1 = zip(*map(_scores, rows), strict=True)
    return fmean(exact), fmean(f1)


def _exact(rows: Sequence[Row]) -> str:
    scores = [_scores(row)[0] for row in rows]
    return mean_and_deviation(scores) if len(scores) > 1 else f"{scores[0]:.3f} (1 seed)"


def _scores(row: Row) -> tuple[float, float]:
    return float(row["valid_exact_match"] or 0), float(row["valid_macro_f1"] or 0)


def _updates(args: argparse.Namespace) -> str:
    return str(args.updates or presets.preset(args.preset).train.updates)


def _of(method: str, rows: Iterable[Row], args: argparse.Namespace) -> list[Row]:
    wanted = (method, _updates(args))
    return [row for row in rows if (row["method"], row["updates"]) == wanted]


def _key(row: Row) -> tuple[str, ...]:
    return (*_setting_of(row), row["seed"])


def _setting_of(row: Row) -> Setting:
    return tuple(row[name] for name in _SETTING)


def _setting(model: str, preset: str) -> Setting:
    entry = methods.method_run(model, preset, {})
    field, *_ = ALTERNATIVES.get(entry.name, FOR_OTHERS)
    return str(entry.config.learning_rate), field, str(getattr(entry.config, field))


def row_of(record: Record) -> Row:
    """Return a run's row: its scores on the validation split where it scored best."""
    field, *_ = ALTERNATIVES.get(record.method, FOR_OTHERS)
    best = max(record.curve, key=lambda line: line["valid_exact_match"]) if record.metrics else {}
    values = {
        "method": record.method,
        "learning_rate": record.config["learning_rate"],
        "field": field,
        "value": record.config[field],
        "seed": record.seed,
        "updates": record.budget["updates"],
        "best_update": record.selected_update,
        "valid_exact_match": best.get("valid_exact_match"),
        "valid_macro_f1": best.get("valid_macro_f1"),
        "seconds": round(record.wall_s or 0.0, 1),
        "status": record.status,
        "activation_model": record.activation and record.activation.sha256[:HASH_DIGITS],
        "chosen": False,
    }
    return {name: "" if value is None else str(value) for name, value in values.items()}


def read(path: Path) -> list[Row]:
    """Return the rows of a table; none if the file does not exist."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(rows: Sequence[Row], path: Path) -> None:
    """Write a table with its chosen rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(chosen(rows))
    write_text(path, text.getvalue())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    known = registry.names(registry.METHODS)
    parser.add_argument("--methods", nargs="+", default=known, choices=known, metavar="NAME")
    parser.add_argument("--dataset", default="mnist-multiset")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--updates", type=int, help="instead of the preset's")
    parser.add_argument("--fine-tune-updates", type=int, help="instead of the preset's")
    parser.add_argument("--activation-model", help="published, or a file: no fine-tuning")
    parser.add_argument(
        "--seeds",
        type=requests.seeds,
        default=(0, 1, 2),
        help="the first for all, all for the best",
    )
    parser.add_argument("--device", help="cpu, cuda; by default a GPU if there is one")
    parser.add_argument("--out", type=Path, default=Path("runs/tuning"))
    parser.add_argument("--datasets", type=Path, default=Path("data"))
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--table", type=Path, default=TABLE)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except HsalBenchError as error:
        raise SystemExit(f"error: {error}") from None
