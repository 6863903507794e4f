"""Measure threads on a busy machine: an HSAL update with one thread and with all threads.

    python benchmarks/threads.py --load 0 6

Prints the median milliseconds of an update of the preset quick (64 images) next to the given number
of busy processes, and the ratio to one thread. Each setting is measured in its own process, in
turn, for several rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

WAYS = {
    "torch's default": {},
    "hsal-bench's": {"GOMP_SPINCOUNT": "1000"},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
"""How torch's threads wait for work, by the variables that are read when torch is loaded."""


def main() -> None:
    """Print the table of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--load", type=int, nargs="+", default=[0, 6], help="busy processes")
    parser.add_argument("--rounds", type=int, default=3, help="processes measured for each way")
    parser.add_argument("--seconds", type=float, default=5.0, help="of updates in each process")
    parser.add_argument("--measure", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(measure(args.measure))
        return
    print(f"{os.cpu_count()} cores; ms per update, and of one thread's")
    for load in args.load:
        with busy(load):
            found: dict[str, list[float]] = {way: [] for way in WAYS}
            for _ in range(args.rounds):
                for way, variables in WAYS.items():
                    found[way].append(measure_aside(variables, args.seconds))
        medians = {way: statistics.median(times) for way, times in found.items()}
        for way, median in medians.items():
            ratio = median / medians["one thread"]
            print(f"load {load}  {way:<16} {1000 * median:8,.0f} {ratio:6.2f}", flush=True)


def measure_aside(variables: dict[str, str], seconds: float) -> float:
    """Return the median seconds of an update in a new process with these variables."""
    command = [sys.executable, __file__, "--measure", str(seconds)]
    inherited = {
        name: text for name, text in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))
    }
    done = subprocess.run(
        command, env=inherited | variables, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def measure(seconds: float) -> float:
    """Return the median seconds of an update of HSAL-RL at the preset quick."""
    import torch
    from train import CLASSES, OBJECTS

    from hsal_bench.baselines.hsal.config import HsalConfig
    from hsal_bench.baselines.hsal.method import HsalRL
    from hsal_bench.method.contract import Batch, Setup, Task
    from hsal_bench.metrics.multiset import counts_from_labels

    shape = (192, 7, 7)
    task, setup = Task(CLASSES, OBJECTS, shape), Setup(torch.device("cpu"), 0, 10**6)
    method = HsalRL(task, HsalConfig(hidden=256), setup)
    labels = torch.randint(CLASSES, (64, OBJECTS))
    batch = Batch(torch.rand(64, *shape), counts_from_labels(labels, CLASSES), labels)
    times: list[float] = []
    while sum(times) < seconds or len(times) < 5:
        started = time.perf_counter()
        method.update(batch)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep so many processes computing while the block runs."""
    command = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(command) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
