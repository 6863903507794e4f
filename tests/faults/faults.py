"""What happens to results when files are damaged, runs are killed, and many start at once.

    python tests/faults/faults.py --damaged 2000 --kills 200 --starts 100 --out table.md

Each trial changes a small folder, runs a command there to its end, and compares the numbers with
those of an undisturbed folder.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import shlex
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import process
import trials
from trials import FAILURES, OUTCOMES, Result
from worlds import Worlds

TRIALS = ("damaged", "kills", "starts")
Trial = tuple[str, int]
"""(kind, number): together with the seed these determine a trial."""


def trial_results(of: Worlds, trial: Trial, seed: int, at_once: int, target: str) -> list[Result]:
    """Return the results of one trial."""
    kind, number = trial
    rng = np.random.default_rng([seed, TRIALS.index(kind), number])
    folder = of.root / f"trial-{os.getpid()}"
    if kind == "damaged":
        return [trials.damaged(of, folder, rng, target)]
    if kind == "kills":
        return [trials.killed(of, folder, rng, target)]
    return trials.together(of, folder, rng, at_once)


def all_results(
    of: Worlds, wanted: Sequence[Trial], seed: int, at_once: int, target: str = "", jobs: int = 1
) -> Iterator[tuple[Trial, list[Result]]]:
    """Yield the results of trials, in `jobs` processes."""
    if jobs == 1:
        for trial in wanted:
            yield trial, trial_results(of, trial, seed, at_once, target)
        return
    of.make_all()
    global _task

    def _task(trial: Trial) -> tuple[Trial, list[Result]]:
        return trial, trial_results(of, trial, seed, at_once, target)

    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap_unordered(_in_pool, wanted)


def _in_pool(trial: Trial) -> tuple[Trial, list[Result]]:
    try:
        return _task(trial)
    except KeyboardInterrupt:  # the pool ends its processes with SIGTERM
        sys.exit(1)


def main() -> int:
    """Run the trials that the command line asks for, and print their table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in TRIALS:
        parser.add_argument(f"--{name}", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", metavar="KIND:N", help="repeat one trial, such as damaged:17")
    parser.add_argument(
        "--target", default="", help="kind of file and of damage ('best.pt: zeros'), or a stage"
    )
    parser.add_argument("--at-once", type=int, default=4, help="processes started together")
    parser.add_argument("--jobs", type=int, default=1, help="trials at a time")
    parser.add_argument(
        "--timeout", type=float, default=process.TIMEOUT, help="seconds that a command may take"
    )
    parser.add_argument("--out", type=Path, help="write the table there as Markdown")
    parser.add_argument("--show", default=",".join(FAILURES), help="outcomes to print")
    args = parser.parse_args()
    if args.only:
        kind, _, number = args.only.partition(":")
        wanted = [(kind, int(number))]
    else:
        groups = -(-args.starts // args.at_once)
        counts = {"damaged": args.damaged, "kills": args.kills, "starts": groups}
        wanted = [(kind, i) for kind, count in counts.items() for i in range(count)]
        # A run that is stopped has its share of each kind.
        wanted.sort(key=lambda trial: trial[1] / counts[trial[0]])
    process.load()
    process.TIMEOUT = args.timeout
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="faults-") as root:
        of = Worlds(Path(root))
        started = time.monotonic()
        todo = all_results(of, wanted, args.seed, args.at_once, args.target, args.jobs)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):  # the table of what was done is printed
            for trial, ends in todo:
                results += [end for end in ends if end.outcome != trials.SKIPPED]
                for result in ends:
                    if result.outcome in args.show.split(","):
                        print(shown(trial, result, args), file=sys.stderr, flush=True)
        seconds = time.monotonic() - started
    text = table(results)
    print(text + f"\n{len(results)} trials in {seconds:.0f} s")
    if args.out:
        args.out.write_text(text)
    return int(any(result.outcome in FAILURES for result in results))


def shown(trial: Trial, result: Result, args: argparse.Namespace) -> str:
    """Return a result with the end of its output and the command that repeats it."""
    last = (result.ended.text.strip().splitlines() or [""])[-1][:300]
    options = ["--seed", str(args.seed), "--only", f"{trial[0]}:{trial[1]}"]
    options += ["--target", args.target] if args.target else []
    options += ["--at-once", str(args.at_once)] if trial[0] == "starts" else []
    return (
        f"{result.outcome}: {result.label} (exit {result.ended.code}): {last}\n"
        f"    python tests/faults/faults.py {shlex.join(options)}"
    )


def table(results: Iterable[Result]) -> str:
    """Return the counts as a Markdown table with a row per kind of file or stage, and the notes."""
    rows: dict[str, Counter[str]] = {}
    notes: Counter[str] = Counter()
    for result in results:
        rows.setdefault(result.row, Counter())[result.outcome] += 1
        notes.update(result.notes)
    rows = dict(sorted(rows.items())) | {"**all**": sum(rows.values(), Counter())}
    lines = [
        "| " + " | ".join(["trial", "tried", *OUTCOMES]) + " |",
        "| :-- |" + " --: |" * (len(OUTCOMES) + 1),
    ]
    for row, counts in rows.items():
        numbers = [counts.total(), *(counts[outcome] for outcome in OUTCOMES)]
        lines.append(f"| {row} | " + " | ".join(f"{number:,}" for number in numbers) + " |")
    lines += ["", *(f"{note}: {number} trials" for note, number in notes.items())] if notes else []
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
