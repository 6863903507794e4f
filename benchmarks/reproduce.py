"""Reproduce the paper's experiments: a queue of runs that can be stopped at any moment.

    python benchmarks/reproduce.py --preset S --part 1 --jobs 2
    python benchmarks/reproduce.py --preset S --part 1 --list

Runs the missing items of the plan (reproduction.py) at low priority, one `hsal-bench run` each. The
same command resumes. --out gets status.md, summary.md, log/ and the runs' own folders.
"""

from __future__ import annotations

import argparse
import math
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import work_queue
from reproduction import SCALES, SVHN, Item, plan
from reproduction_board import Board
from reproduction_summary import status

from hsal_bench.errors import HsalBenchError
from hsal_bench.files import writable_folder
from hsal_bench.options import split_list
from hsal_bench.runs import request as plans

TOY_SIZES = ("--train", "2000", "--valid", "100", "--test", "100")


def main() -> int:
    """Run the command line; return the exit code."""
    # Started in the background by a shell, the queue would ignore SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        return reproduce(sys.argv[1:])
    except HsalBenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted: run the same command to resume", file=sys.stderr)
        return 130


def reproduce(arguments: Sequence[str]) -> int:
    """Return 0, or 1 if a run failed.

    Raises:
        HsalBenchError: the request or a file is invalid, or another queue is working.
        KeyboardInterrupt: a signal stopped it.
    """
    args = _arguments(arguments)
    root = args.out or Path("runs") / args.preset
    datasets = args.datasets or root / "data"
    seeds = plans.seeds(args.seeds) if args.seeds else ()
    items = plan(args.preset, args.part, args.dataset, args.methods, seeds)
    items = _with_sources(items, args.data_dir, datasets)
    board = Board(items, root, datasets, args.records)
    if args.list:
        print(status(board, alive=work_queue.is_working(root)), end="")
        return 0
    for folder in (root / "log", datasets):
        writable_folder(folder)
    command = ["--datasets", str(datasets), "--data-dir", str(args.data_dir)]
    for name in ("device", "backbone_weights"):
        if value := getattr(args, name):
            command += [f"--{name.replace('_', '-')}", value]
    seconds = args.budget_minutes and 60.0 * args.budget_minutes
    queue = work_queue.Queue(board, command, args.jobs, args.threads, seconds)
    if args.preset == "toy":
        _generate_toys(items, datasets)
    good = queue.work()
    done = sum(item.name in board.done for item in items)
    print(f"{done} of {len(items)} runs done; see {root / 'summary.md'}")
    return 0 if good else 1


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
        subprocess.run([*work_queue.HSAL_BENCH, *command], check=True)


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    presets = "S: small network, 6,000 updates; P6: the paper's, 6,000 updates; paper: as it is"
    add("--preset", choices=tuple(SCALES), required=True, help=presets)
    parts = "1: Table 1; 2: losses; 3: other readings; 4: other methods  [default: all]"
    add("--part", type=split_list, default=(), metavar="N,...", help=parts)
    for name in ("dataset", "methods"):
        add(f"--{name}", type=split_list, default=(), metavar="NAME,...", help="[default: all]")
    add("--seeds", metavar="0-4", help="[default: 0-4 in part 1, 0-2 in the others]")
    add("--jobs", type=int, default=1, metavar="N", help="runs at a time  [default: 1]")
    add("--threads", type=int, default=1, metavar="N", help="threads of each  [default: 1]")
    add("--budget-minutes", type=float, metavar="N", help="stop after that time  [default: none]")
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
        if value is not None and not (math.isfinite(value) and value > 0):
            parser.error(f"--{name.replace('_', '-')} is {value}: give a number above 0")
    return args


if __name__ == "__main__":
    sys.exit(main())
