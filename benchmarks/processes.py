"""Measure many runs on several processes against one after another, each with one thread.

    python benchmarks/processes.py --model count-classifier --runs 15 --updates 400

Works in a temporary folder with a small drawn dataset, which is prepared first. Prints the seconds
of `hsal-bench run`, of `hsal-bench run --on local:N`, and their ratio; and the CPU time of each: on
a machine with other work, the ratio of the seconds says more about that work than about this.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time

COMMAND = [sys.executable, "-m", "hsal_bench"]
DATASET = "synthetic-multiset"


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="count-classifier", help="as for `hsal-bench run`")
    parser.add_argument("--runs", type=int, default=15, help="seeds")
    parser.add_argument("--updates", type=int, default=400, help="of each run")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--train", type=int, default=4000, help="images; valid and test: 1,000")
    arguments = parser.parse_args()
    options = [
        *("--model", arguments.model, "--dataset", DATASET, "--preset", "quick", "--device", "cpu"),
        *("--seeds", f"0-{arguments.runs - 1}", "--updates", str(arguments.updates)),
        *("--fine-tune-updates", "100", "--threads", "1"),
    ]
    with tempfile.TemporaryDirectory(prefix="processes-") as folder:
        sizes = ["--train", str(arguments.train), "--valid", "1000", "--test", "1000"]
        seconds(folder, "generate", DATASET, *sizes, "--out", "data")
        seconds(folder, "prepare", *options)
        alone = seconds(folder, "run", *options, "--out", "alone")
        place = f"local:{arguments.processes}"
        together = seconds(folder, "run", *options, "--out", "together", "--on", place)
    (serial, cpu), (parallel, parallel_cpu) = alone, together
    print(
        f"{arguments.runs} runs of {arguments.model}, {arguments.updates} updates: {serial:.1f} s "
        f"one after another, {parallel:.1f} s on {place}, ratio {parallel / serial:.2f}; "
        f"CPU time {cpu:.1f} s and {parallel_cpu:.1f} s"
    )


def seconds(folder: str, *words: str) -> tuple[float, float]:
    """Return the wall time and the CPU time of a command and its processes."""
    started, before = time.perf_counter(), _cpu_seconds()
    subprocess.run([*COMMAND, *words], cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started, _cpu_seconds() - before


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
