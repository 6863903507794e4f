"""Simulate the tests over seeds: how often equal methods differ, how often unequal ones do.

    python benchmarks/seed_tests.py
    python benchmarks/seed_tests.py --tables 500 --methods 5 --seeds 3

A table has methods whose scores over seeds are normal, with one of these standard deviations:
equal; of earlier records (drawn from the 15 methods at 400 updates, 0.002 to 0.059); one
method with ten times that of the others; half of the methods with ten times that of the others.
Per test it prints the share of tables of equal methods in which any pair differs significantly
(nominal: 5 %), and the share of pairs found if half of the methods are better by four standard
deviations (of the root of the mean variance). The tests are Welch's with Holm's correction, the
same with pooled variance as in tables (`comparison.seeds`), and Tukey's. The last column is the
share of methods whose 95 % interval covers the true mean; a dash if there are too few seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats

from hsal_bench.comparison import seeds as over_seeds
from hsal_bench.comparison.seeds import SeedScores
from hsal_bench.comparison.statistics import LEVEL, holm

SIZES = ((3, 5), (5, 3), (5, 5), (8, 2), (10, 2), (15, 2), (15, 3), (15, 5))
"""Methods and seeds."""
RECORDS = (
    *(0.0054, 0.0132, 0.0081, 0.0023, 0.0169, 0.0316, 0.0157, 0.0081),
    *(0.0027, 0.0052, 0.0189, 0.0259, 0.0450, 0.0591, 0.0083),
)
GAP = 4.0
TESTS = ("Welch", "pooled", "Tukey")
SPREADS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "equal": lambda rng, methods: np.ones(methods),
    "as the records": lambda rng, methods: rng.choice(RECORDS, methods),
    "one ten times": lambda rng, methods: np.where(np.arange(methods) == 0, 10.0, 1.0),
    "half ten times": lambda rng, methods: np.where(np.arange(methods) % 2 == 0, 10.0, 1.0),
}


def main() -> None:
    """Print one row per size and spread."""
    parser = argparse.ArgumentParser(description="Simulate the tests over seeds.")
    parser.add_argument("--tables", type=int, default=2000, help="simulated per row")
    parser.add_argument("--methods", type=int, help="of one size (default: eight sizes)")
    parser.add_argument("--seeds", type=int, help="per method, with --methods")
    args = parser.parse_args()
    if (args.methods is None) != (args.seeds is None):
        parser.error("give both --methods and --seeds, or neither")
    print("| methods | seeds | spread | false alarms: " + ", ".join(TESTS) + " | found | covered |")
    print("| --: | --: | :-- | --: | --: | --: |")
    for methods, seeds in [(args.methods, args.seeds)] if args.methods else SIZES:
        for name in SPREADS:
            alarms, found, covered = simulate(methods, seeds, name, args.tables)
            shown = [", ".join(f"{100 * share:.1f}" for share in x) for x in (alarms, found)]
            interval = "—" if np.isnan(covered) else f"{100 * covered:.1f}"
            print(
                f"| {methods} | {seeds} | {name} | {' | '.join(shown)} | {interval} |", flush=True
            )


def simulate(
    methods: int, seeds: int, name: str, tables: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return per test the shares of false alarms and of pairs found, and of means covered."""
    rng = np.random.default_rng(0)
    q = float(stats.studentized_range.ppf(1 - LEVEL, methods, methods * (seeds - 1)))
    better = np.arange(methods) // 2 % 2
    a, b = np.triu_indices(methods, 1)
    unequal = better[a] != better[b]
    alarms, found, covered = np.zeros(len(TESTS)), np.zeros(len(TESTS)), []
    for _ in range(tables):
        spread = SPREADS[name](rng, methods)
        scores = rng.normal(0, spread[:, None], (methods, seeds))
        alarms += [test.any() for test in significant(scores, q)]
        covered += list(covers(scores))
        scores += GAP * np.sqrt(np.mean(spread**2)) * better[:, None]
        found += [test[unequal].mean() for test in significant(scores, q)]
    return alarms / tables, found / tables, float(np.mean(covered))


def significant(scores: np.ndarray, q: float) -> Iterator[np.ndarray]:
    """Yield for each of `TESTS` which pairs differ; q: the critical value of Tukey's test."""
    a, b = np.triu_indices(len(scores), 1)
    own = over_seeds.seed_scores(scores.tolist())
    for variances in (own, over_seeds.pooled(own, over_seeds.mean_variance(own))):
        of_a, of_b = (SeedScores(*(column[i] for column in variances)) for i in (a, b))
        yield holm(over_seeds.welch(of_a, of_b)) < LEVEL
    error = np.sqrt(np.mean(own.std**2) / scores.shape[1])
    yield np.abs(own.mean[a] - own.mean[b]) / error > q


def covers(scores: np.ndarray) -> Iterator[float]:
    """Yield whether each method's interval covers 0; NaN without an interval."""
    variance = over_seeds.mean_variance(over_seeds.seed_scores(scores.tolist()))
    for values in scores.tolist():
        low, high = over_seeds.mean_interval(values, variance)
        yield np.nan if np.isnan(low) else float(low <= 0 <= high)


if __name__ == "__main__":
    main()
