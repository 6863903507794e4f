"""Reproduce the paper's experiments: a queue of runs that can be stopped at any moment.

    python benchmarks/reproduce.py --preset S --part 1 --jobs 2
    python benchmarks/reproduce.py --preset S --part 1 --list

Runs what is missing of the plan (reproduction.py) at low priority. The same command resumes. --out
gets the runs' own folders and summary.md.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reproduction import SCALES, SVHN, Item, plan
from reproduction_board import Board
from reproduction_summary import state, summary

from hsal_bench.cluster import grid
from hsal_bench.cluster.local import Local
from hsal_bench.cluster.units import Unit
from hsal_bench.errors import HsalBenchError
from hsal_bench.files import write_text
from hsal_bench.interrupts import terminate_like_ctrl_c
from hsal_bench.locks import locked, refusing_to_wait
from hsal_bench.options import split_list
from hsal_bench.runs import request as requests
from hsal_bench.runs import requested

TOY_SIZES = ("--train", "2000", "--valid", "100", "--test", "100")
PATIENCE = 30.0
"""Seconds that the runs have to write their checkpoints before --budget-minutes are over."""
_MACHINE = ("data_dir", "threads", "device", "backbone_weights")


def main() -> int:
    """Run the command line; return the exit code."""
    terminate_like_ctrl_c()
    # Started in the background by a shell, the queue would ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # As in `hsal-bench`: torch's waiting threads leave the cores to others.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        return reproduce(sys.argv[1:])
    except HsalBenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted: run the same command to resume", file=sys.stderr)
        return 130


def reproduce(arguments: Sequence[str]) -> int:
    """Return 0, or 1 if a run failed or its record was not copied.

    Raises:
        HsalBenchError: the request or a file is invalid, a run could not be made, or another queue
            is working.
        KeyboardInterrupt: a signal stopped it.
    """
    args = _arguments(arguments)
    root = args.out or Path("runs") / args.preset
    datasets = args.datasets or root / "data"
    seeds = requests.seeds(args.seeds) if args.seeds else ()
    items = plan(args.preset, args.part, args.dataset, args.methods, seeds)
    items = _with_sources(items, args.data_dir, datasets)
    board = Board(items, root / "runs", args.records)
    if args.list:
        print(state(board, args.jobs), end="")
        return 0
    machine = {name: getattr(args, name) for name in _MACHINE if getattr(args, name) is not None}
    todo = [
        (item, item.unit(out=board.out, datasets=datasets, **machine)) for item in board.missing()
    ]
    with refusing_to_wait(), locked(root, f"running the plan in {root}"):
        if args.preset == "toy":
            _generate_toys(items, datasets)
        try:
            good = not todo or work(board, todo, args.jobs, 60.0 * args.budget_minutes)
        finally:
            board.refresh()
            problems = board.collect()
            for problem in problems:
                print(problem, file=sys.stderr)
            write_text(root / "summary.md", summary(board, args.jobs))
            done = sum(item.name in board.done for item in items)
            print(f"{done} of {len(items)} runs done; see {root / 'summary.md'}")
    return 0 if good and not problems else 1


def work(board: Board, todo: Sequence[tuple[Item, Unit]], jobs: int, seconds: float) -> bool:
    """Run units, `jobs` at a time, for some seconds; return whether none failed.

    Raises:
        HsalBenchError: at the end, if a run could not be made.
    """
    # The runs need some of the time to write their checkpoints.
    end = time.monotonic() + seconds - min(PATIENCE, seconds / 4)
    items, every = {unit.title: item for item, unit in todo}, [unit for _, unit in todo]
    requested.add(board.out, [unit.folder for unit in every])
    good, place = True, Local(jobs, background=True)
    try:
        results = grid.start(place, board.out, every)
        for title, _ in grid.followed(results, every, end):
            board.refresh()
            board.collect()
            if problem := board.problem(items[title]):
                print(f"{title}: {problem}", file=sys.stderr)
                good = False
    finally:
        place.stop()
    return good


def _with_sources(items: Sequence[Item], data_dir: Path, datasets: Path) -> list[Item]:
    """Skip SVHN with a message if neither its archives nor the dataset exist."""
    folders = (data_dir / "svhn", data_dir)
    sources = [folder / f"train{suffix}" for folder in folders for suffix in (".tar.gz", "")]
    if any(path.exists() for path in [datasets / f"{SVHN}.h5", *sources]):
        return list(items)
    left = [item for item in items if item.dataset != SVHN]
    if skipped := len(items) - len(left):
        print(f"skipped: {skipped} runs on {SVHN}: no {sources[0]}", file=sys.stderr)
    return left


def _generate_toys(items: Sequence[Item], datasets: Path) -> None:
    """Generate the small datasets, which `hsal-bench run` would generate in full size."""
    missing = {item.dataset for item in items if not (datasets / f"{item.dataset}.h5").exists()}
    if missing:
        names = [name.replace("synthetic", "mnist") for name in ("mnist-single", *sorted(missing))]
        command = ["generate", *names, "--source", "synthetic", *TOY_SIZES, "--out", str(datasets)]
        subprocess.run([sys.executable, "-m", "hsal_bench", *command], check=True)


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    presets = "S and S-per-seed: small network; P6: the paper's; paper: as it is"
    add("--preset", choices=tuple(SCALES), required=True, help=presets)
    parts = "1: Table 1; the others are in CONTRIBUTING.md  [default: all]"
    add("--part", type=split_list, default=(), metavar="N,...", help=parts)
    for name in ("dataset", "methods"):
        add(f"--{name}", type=split_list, default=(), metavar="NAME,...", help="[default: all]")
    add("--seeds", metavar="0-4", help="[default: 0-4; 0-2 in parts 3, 6 and 7]")
    add("--jobs", type=int, default=1, metavar="N", help="runs at a time  [default: 1]")
    add("--threads", type=int, default=1, metavar="N", help="threads of each  [default: 1]")
    minutes = "stop after that time  [default: none]"
    add("--budget-minutes", type=float, default=math.inf, metavar="N", help=minutes)
    folder: dict[str, Any] = {"type": Path, "metavar": "DIR"}
    add("--out", **folder, help="the queue's folder  [default: runs/PRESET]")
    add("--datasets", **folder, help="datasets and activations  [default: data in --out]")
    add("--data-dir", **folder, default=Path("data"), help="MNIST and SVHN  [default: data]")
    records = "matching records there count as done; finished ones are copied there"
    add("--records", **folder, help=records)
    add("--device", metavar="NAME", help="[default: cpu; for paper a GPU if there is one]")
    add("--backbone-weights", metavar="FILE", help="ResNet-34's first weights, or 'none'")
    add("--list", action="store_true", help="print the plan, what is done and what is left")
    args = parser.parse_args(arguments)
    for name in ("jobs", "threads", "budget_minutes"):
        value = getattr(args, name)
        if not value > 0:
            parser.error(f"--{name.replace('_', '-')} is {value}: give a number above 0")
    return args


if __name__ == "__main__":
    sys.exit(main())
