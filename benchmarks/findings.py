"""Tables and figures of docs/findings.md, and tables of other pages, from the committed records.

    python benchmarks/findings.py

Rewrites the tables of `page_tables`, each between two comments with its name, and the figures in
docs/images/findings. In the findings, a cell without a run is a dash, and a number of other than
five seeds is followed by their number.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path

import decoding
import leak
import tune
from findings_figures import (
    Runs,
    attention_figure,
    curve_figure,
    grid_figure,
    methods_figure,
    save,
)
from reproduction import (
    BASELINE,
    HSAL,
    LEAKING,
    MULTISET,
    MULTISET_LOSS,
    OBJECTIVES,
    READINGS,
    SET,
    SHARED,
    UNIFORM,
    plan,
    with_and_without_reward,
)
from reproduction_board import Board
from reproduction_summary import TABLE_1, mean_and_deviation
from scipy.stats import kendalltau, ttest_ind

from hsal_bench.comparison.grouping import NONE
from hsal_bench.files import write_text
from hsal_bench.metrics.scores import HEADLINE
from hsal_bench.record.environment import Environment
from hsal_bench.record.find import find_records
from hsal_bench.record.record import Record
from hsal_bench.report import text_tables
from hsal_bench.report.columns import heading
from hsal_bench.report.figures import style
from hsal_bench.report.metric_table import metric_table
from hsal_bench.report.rows import dataset_rows
from hsal_bench.text import table

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "leaderboard/records"
IMAGES = ROOT / "docs/images/findings"
VARIATIONS = ("uniform", "cluttered", "empty", "4", "large", "small", "5to8", "10")
SEEDS = 5

NAMES = (
    "REINFORCE (`hsal-rl`)",
    "expected reward",
    "log-marginal",
    "multiset loss (`hsal-multiset`)",
    "REINFORCE on a list, left to right",
    "cross-entropy, own samples (`cross-entropy`)",
    "cross-entropy, own best labels",
    "cross-entropy, true labels",
)
"""Names of the plan's `OBJECTIVES`, in their order."""
GRID = dict(zip(NAMES, map(with_and_without_reward, OBJECTIVES), strict=True))
GRID_READINGS = (
    f"{HSAL}+label_structure=list+label_order=spatial",
    f"{BASELINE}+label_feedback=greedy",
    f"{BASELINE}+teacher_forcing=yes",
)
"""The grid's objectives that are other readings of the paper, too."""


def main() -> None:
    """Write the tables and the figures."""
    for page, named in page_tables().items():
        write_text(page, with_tables(page.read_text(encoding="utf-8"), named))
    s, p6, quick = runs_of("S"), runs_of("P6"), quick_runs()
    IMAGES.mkdir(exist_ok=True)
    with style.drawing():
        save(curve_figure(s, p6), IMAGES / "table-1")
        save(grid_figure(s, GRID), IMAGES / "objectives")
        save(methods_figure(ranked_methods(s), by_method(quick)), IMAGES / "methods")
        save(attention_figure(s, GRID), IMAGES / "attention")


def page_tables() -> dict[Path, dict[str, str]]:
    """Return the tables of each page by name, as Markdown."""
    s = runs_of("S")
    readings = runs_of("S", ROOT / "benchmarks/readings")
    trials = tune.read(tune.TABLE)
    return {
        ROOT / "docs/findings.md": findings_tables(),
        ROOT / "docs/results.md": result_tables(),
        ROOT / "docs/methods.md": {f"tuning-{n}": tune.summary(trials, n) for n in ("400", "6000")},
        ROOT / "docs/paper.md": {
            "readings": readings_table({**s, **readings}),
            "decoding": decoding.summary(decoding.read(decoding.TABLE)),
        },
        ROOT / "README.md": {"table-1": paper_table(s, runs_of("P6"), ("exact_match",))},
    }


def findings_tables() -> dict[str, str]:
    """Return the tables of the findings by name."""
    s, quick = runs_of("S"), quick_runs()
    return {
        "table-1": paper_table(s, runs_of("P6")),
        "activation-models": activation_models_table(s, runs_of("S-per-seed")),
        "objectives": objectives_table(s),
        "leak": leak_table(s),
        "glyphs": glyphs_table(s),
        "methods": methods_table(s, quick),
        "orders": orders_table(s),
        "variations": variations_table(quick),
        "attention": attention_table(s),
    }


def result_tables() -> dict[str, str]:
    """Return the tables of the page of results by name, as `hsal-bench table` prints them."""
    folders = {"400-updates": quick_runs(), "6000-updates": _records(RECORDS / "S")}
    metrics = (*HEADLINE, "pointing_hit", "pointing_hit_chance")
    return {
        name: text_tables.markdown(text_tables.metric_tables(metric_table(records, metrics)))
        for name, records in folders.items()
    }


def with_tables(page: str, named: Mapping[str, str]) -> str:
    """Return the page with its tables replaced."""
    for name, text in named.items():
        before, start, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        assert start and end, name
        page = f"{before}{start}\n{text.strip()}\n\n{end}{after}"
    return page


@cache
def runs_of(scale: str, folder: Path | None = None) -> Runs:
    """Return a folder's records of the plan at a scale, by dataset and variant, each by seed."""
    board = Board(plan(scale), Path("no runs"), folder or RECORDS / scale)
    runs: dict[tuple[str, str], list[Record]] = {}
    for item in board.items:
        if item.name in board.done:
            runs.setdefault((item.dataset, item.variant), []).append(board.done[item.name])
    return runs


def methods_of(s: Runs, dataset: str = MULTISET) -> dict[str, Sequence[Record]]:
    """Return the runs of each method without settings of its own, on a dataset.

    `hsal-multiset` is in the plan as `MULTISET_LOSS`.
    """
    variants = {variant: runs for (name, variant), runs in s.items() if name == dataset}
    multiset = variants.get(MULTISET_LOSS)
    methods = {name: runs for name, runs in variants.items() if "+" not in name}
    return methods | ({"hsal-multiset": multiset} if multiset else {})


def ranked_methods(s: Runs) -> dict[str, Sequence[Record]]:
    """Return the runs of each method, the best method first."""
    return dict(sorted(methods_of(s).items(), key=lambda pair: -_mean(pair[1])))


def kendall(a: Mapping[str, Sequence[Record]], b: Mapping[str, Sequence[Record]]) -> float:
    """Return Kendall's τ of the orders of the methods that both have, by their means."""
    both = [name for name in a if name in b]
    return kendalltau(*([_mean(runs[name]) for name in both] for runs in (a, b))).statistic


@cache
def quick_runs() -> list[Record]:
    """Return the runs of all methods with 400 updates."""
    return _records(*sorted(RECORDS.glob("*.json")))


def cell(runs: Sequence[Record], metric: str = "exact_match") -> str:
    """Return the `seed_cell` of a metric."""
    return seed_cell([run.metrics[metric] for run in runs if metric in run.metrics])


def seed_cell(values: Sequence[float]) -> str:
    """Return mean and deviation over seeds, with the number of seeds if they are not five."""
    n = len(values)
    seeds = "" if n in (0, SEEDS) else f" ({n} seed{'s' * (n > 1)})"
    return mean_and_deviation(values) + seeds


def difference(a: Sequence[Record], b: Sequence[Record]) -> str:
    """Return the `seed_difference` of exact match."""
    return seed_difference(_exact(a), _exact(b))


def seed_difference(a: Sequence[float], b: Sequence[float]) -> str:
    """Return the difference a - b of the means over seeds, with Welch's 95 % interval."""
    if min(len(a), len(b)) < 1:
        return NONE
    mean = statistics.mean(a) - statistics.mean(b)
    if min(len(a), len(b)) < 3:
        return f"{mean:+.3f} (too few seeds for an interval)"
    low, high = ttest_ind(a, b, equal_var=False).confidence_interval()
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def paper_table(s: Runs, p6: Runs, metrics: Sequence[str] = ("exact_match", "macro_f1")) -> str:
    """Return the paper's Table 1 next to ours."""
    rows = []
    for key in product((MULTISET, SET), (HSAL, BASELINE)):
        stated = dict(zip(("macro_f1", "exact_match"), TABLE_1[key], strict=True))
        row = [f"`{name}`" for name in key]
        for metric in metrics:
            row += [f"{stated[metric]:.3f}", *(cell(runs.get(key, []), metric) for runs in (p6, s))]
        rows.append(row)
    sources = ("paper", "its network, our run", "small network, our run")
    columns = [f"{heading(metric)}: {source}" for metric in metrics for source in sources]
    return table(("dataset", "method", *columns), rows, left=("method",))


def activation_models_table(s: Runs, per_seed: Runs) -> str:
    """Return Table 1's exact match with one activation model, and with one per seed."""
    rows = []
    for key in product((MULTISET, SET), (HSAL, BASELINE)):
        same, own = (runs.get(key, []) for runs in (s, per_seed))
        rows.append((*(f"`{name}`" for name in key), cell(same), cell(own), difference(own, same)))
    columns = ("one activation model", "one per seed", "difference")
    return table(("dataset", "method", *columns), rows, left=("method",))


def objectives_table(s: Runs) -> str:
    """Return exact match by objective, with and without the location reward."""
    rows = []
    for name, variants in GRID.items():
        given, without = (s.get((MULTISET, variant), []) for variant in variants)
        rows.append((name, cell(given), cell(without), difference(given, without)))
    columns = ("learns the labels from", "with location reward", "without", "difference")
    return table(columns, rows)


def readings_table(known: Runs) -> str:
    """Return other readings of the paper by method, the best first, next to the default."""
    runs = {variant: found for (dataset, variant), found in known.items() if dataset == MULTISET}
    others = [name for name in (*READINGS, *GRID_READINGS) if name in runs]
    metrics = "exact_match", "macro_f1", "pointing_hit"
    rows = []
    for default in (HSAL, BASELINE):
        names = [default, *(name for name in others if name.startswith(f"{default}+"))]
        for name in sorted(names, key=lambda name: -_mean(runs[name])):
            text = ", ".join(f"`{part}`" for part in name.split("+"))
            if name == default:
                label, against = f"**{text}, the default**", ""
            else:
                label, against = text, difference(runs[name], runs[default])
            exact, f1, hit = (cell(runs[name], metric) for metric in metrics)
            rows.append((label, exact, against, f1, hit))
    columns = "reading", "exact match", "difference from the default", "macro F1", "pointing hit"
    return table(columns, rows)


def leak_table(s: Runs) -> str:
    """Return exact match with and without glyphs shared between the splits."""
    rows = []
    for method in LEAKING:
        apart, shared = (s.get((dataset, method), []) for dataset in (MULTISET, SHARED))
        valid = list(map(on_validation, apart))
        cells = cell(apart), seed_cell(valid), cell(shared), seed_difference(_exact(shared), valid)
        rows.append((f"`{method}`", *cells))
    splits = "no shared glyphs: test", "no shared glyphs: validation", "shared glyphs: test"
    return table(("method", *splits, "difference of the last two"), rows)


def on_validation(run: Record) -> float:
    """Return the exact match of the tested state on the validation split."""
    (point,) = (point for point in run.curve if point["update"] == run.selected_update)
    return point["valid_exact_match"]


def glyphs_table(s: Runs) -> str:
    """Return exact match on the leaking test split by whether training has all glyphs."""
    rows = []
    for method in LEAKING:
        if not (runs := s.get((SHARED, method), [])):
            continue
        images = leak.committed(runs[0].data_set.content_sha256)
        known, unknown, effect, half = leak.compared(runs, images)
        interval = f"{effect:+.3f} [{effect - half:+.3f}, {effect + half:+.3f}]"
        rows.append((f"`{method}`", f"{known:.3f}", f"{unknown:.3f}", interval))
    columns = "known glyphs only", "an unknown glyph", "all glyphs known against none"
    return table(("method", *columns), rows)


def methods_table(s: Runs, quick: Sequence[Record]) -> str:
    """Return all methods after 6,000 updates by rank, with their exact match by kind of image."""
    methods, short, shared = methods_of(s), by_method(quick), methods_of(s, SHARED)
    names = {id(run): name for name, runs in methods.items() for run in runs}
    minutes = cpu_minutes({name: (*runs, *shared.get(name, ())) for name, runs in methods.items()})
    (ranked,) = dataset_rows([run for runs in methods.values() for run in runs])
    rows = []
    for row in ranked.rows:
        name = names[id(row.runs[0])]
        metrics = (*(f"exact_match_m{m}" for m in range(1, 5)), "exact_match_repeat")
        rest = [f"{row.mean(metric)[0]:.3f}" for metric in metrics]
        rank = row.rank.text if row.rank else NONE
        size = f"{row.mean('parameters')[0] / 1000:,.0f}"
        cost = f"{minutes[name]:.1f}" if name in minutes else NONE
        after_400 = cell(short.get(name, []))
        rows.append((f"`{name}`", rank, cell(row.good), *rest, after_400, cost, size))
    columns = (
        *("method", "rank", "exact match", "1 object", "2", "3", "4", "repeats"),
        *("after 400 updates", "CPU minutes", "thousand parameters"),
    )
    tau = kendall(methods, short)
    order = f"Kendall's τ of the orders after 400 and after 6,000 updates: {tau:.2f}."
    return f"{table(columns, rows)}\n\n{order}"


def orders_table(s: Runs) -> str:
    """Return the exact match of all methods by dataset, where all have run."""
    on = {dataset: methods_of(s, dataset) for dataset in (MULTISET, SET, UNIFORM)}
    first = on[MULTISET]
    complete = {dataset: methods for dataset, methods in on.items() if len(methods) == len(first)}
    rows = [
        (f"`{name}`", *(cell(methods[name]) for methods in complete.values()))
        for name in ranked_methods(s)
    ]
    taus = (f"{kendall(first, methods):.2f}" for methods in complete.values())
    rows.append(("Kendall's τ with the first order", *taus))
    return table(("method", *(f"`{dataset}`" for dataset in complete)), rows)


def cpu_minutes(methods: Mapping[str, Iterable[Record]]) -> dict[str, float]:
    """Return the mean CPU time of each method's training, in one environment.

    It is the one with the most timed runs: times of different machines cannot be compared.
    """
    seconds: dict[Environment | None, dict[str, list[float]]] = {}
    for name, runs in methods.items():
        for run in runs:
            if run.cpu_s is not None:
                here = seconds.setdefault(run.environment, {})
                here.setdefault(name, []).append(run.cpu_s)
    most = max(seconds.values(), key=lambda here: sum(map(len, here.values())), default={})
    return {name: statistics.mean(times) / 60 for name, times in most.items()}


def by_method(records: Iterable[Record], dataset: str = MULTISET) -> dict[str, list[Record]]:
    """Return the successful runs of each method on a dataset."""
    runs: dict[str, list[Record]] = {}
    for record in records:
        if (record.status, record.data_set.name) == ("ok", dataset):
            runs.setdefault(record.method, []).append(record)
    return runs


def variations_table(quick: Sequence[Record]) -> str:
    """Return the exact match of the methods on other datasets than the one of their training."""
    elsewhere = _records(RECORDS / "carried-over")
    there = [by_method(elsewhere, f"{MULTISET}-{name}") for name in VARIATIONS]
    rows = []
    for method, runs in sorted(by_method(quick).items(), key=lambda pair: -_mean(pair[1])):
        others = [cell(named.get(method, [])) for named in there]
        rows.append((f"`{method}`", cell(runs), cell(runs, "exact_match_m4"), *others))
    columns = (f"`-{name}`" for name in VARIATIONS)
    return table((f"trained on `{MULTISET}`", "the same", "4 objects", *columns), rows)


def attention_table(s: Runs) -> str:
    """Return where the glimpses fall, with and without the location reward."""
    rows = []
    for name, variants in GRID.items():
        given, without = (s.get((MULTISET, variant), []) for variant in variants)
        cells = [
            cell(runs, metric)
            for metric in ("pointing_hit", "coverage", "exact_match")
            for runs in (given, without)
        ]
        rows.append((name, *cells))
    columns = [
        f"{metric}, {reward}"
        for metric in ("pointing hit", "coverage", "exact match")
        for reward in ("with", "without")
    ]
    return table(("learns the labels from", *columns), rows)


def _records(*paths: Path) -> list[Record]:
    return list(find_records(paths).values())


def _mean(runs: Sequence[Record]) -> float:
    return statistics.mean(_exact(runs))


def _exact(runs: Sequence[Record]) -> list[float]:
    return [run.metrics["exact_match"] for run in runs]


if __name__ == "__main__":
    main()
