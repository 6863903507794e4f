"""Reproduce the paper's experiments, unattended and within a budget of time.

    python benchmarks/reproduce.py --out runs/paper --budget-minutes 9
    python benchmarks/reproduce.py --list
    python benchmarks/reproduce.py --collect runs/paper/records.tar.gz

Does the most valuable missing part of the plan (reproduction.py), each item as an `hsal-bench run`
of its own, and goes on from there at the next call. --out gets few and small files: records.tar.gz,
summary.md, curves-*.png, attempts.json and log/. What is large (data sets, activations,
checkpoints) lies in --work: kept, runs go on from their checkpoints and share one activation model;
lost, both are made anew, and where the model comes out otherwise the tables tell its runs apart.
"""

from __future__ import annotations

import argparse
import math
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from attempts import (
    Attempt,
    Clock,
    Outcome,
    Stages,
    estimate,
    follow,
    read_attempts,
    updates_kept,
    write_attempts,
)
from reproduction import (
    SCALES,
    TOY_UPDATES,
    Item,
    by_item,
    collect,
    finished,
    pack,
    records_in,
)
from reproduction_summary import plan_sheet, summary

from hsal_bench.curves import curves_picture
from hsal_bench.errors import HsalBenchError
from hsal_bench.files import locked, writable_folder, write_text
from hsal_bench.record import Record, read_record
from hsal_bench.record_files import find_records
from hsal_bench.sheets import markdown

HSAL_BENCH = (sys.executable, "-m", "hsal_bench")
FAILURES = 3
"""So many items that fail one after the other have a cause in common: the call ends."""


def main() -> int:
    """Do what the command line asks for; return the exit code."""
    # Started in the background by a shell, SIGINT would be ignored, here and in every run.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return reproduce(sys.argv[1:])
    except HsalBenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted: run the same command to resume", file=sys.stderr)
        return 130


def reproduce(arguments: Sequence[str]) -> int:
    """Return 0, or 1 if an item failed.

    Raises:
        HsalBenchError: the request or a file is not what it should be.
        KeyboardInterrupt: the user stopped it; what was done is written.
    """
    args = _arguments(arguments)
    if args.collect:
        return _collect(args.collect, args.records)
    here = Reproduction(args)
    if args.list:
        print(markdown([plan_sheet(here.plan, here.done(), here.attempts)]), end="")
        return 0
    writable_folder(here.out / "log")
    with locked(writable_folder(here.work), f"working in {here.work}"):
        return here.work_through()


class Reproduction:
    """The plan at a scale, what is done of it, and the time left for the rest."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.clock = Clock(60.0 * args.budget_minutes)
        self.started = time.monotonic()
        self.made_now: list[Attempt] = []
        self.options: list[str] = []
        self.plan = SCALES[args.scale]
        self.out: Path = args.out or Path()
        self.work: Path = args.work or self.out / "work"
        self.archive = self.out / "records.tar.gz"
        self.committed = list(find_records([args.records]).values())
        # In both: --out may have been carried off, --work left on another machine.
        self.kept = [folder / "attempts.json" for folder in (self.out, self.work)]
        self.earlier = read_attempts(next(filter(Path.exists, self.kept), self.kept[0]))

    @property
    def attempts(self) -> list[Attempt]:
        """All attempts, of earlier calls and of this one."""
        return [*self.earlier, *self.made_now]

    def done(self) -> dict[str, Record]:
        """Return the records of the plan by item: committed, carried off, or still in --work."""
        in_work = (item.folder(self.work) / "record.json" for item in self.plan)
        made = [read_record(path) for path in in_work if path.exists()]
        carried = records_in(self.archive).values()
        return by_item([*self.committed, *carried, *made], self.plan)

    def work_through(self) -> int:
        """Do item after item until the budget is spent; return the exit code."""
        self.publish()  # an earlier call may have been killed before it could
        self.options = _options(self.args)
        while item := self.next_item():
            self.announce(item)
            self.made_now.append(self.attempt(item))
            self.publish()
        self.say_what_is_done()
        return int(any(one.outcome == "failed" for one in self.made_now))

    def next_item(self) -> Item | None:
        """Return the most valuable missing item that can be done in the time left.

        The first of a call need not fit, for a run may be longer than any budget: it goes on from
        its checkpoint. What failed in an earlier call comes last; what failed in this one, not.
        """
        if self.clock.left <= 0 or self.failing():
            return None
        failed = {one.item for one in self.made_now if one.outcome == "failed"}
        done = self.done()
        missing = [item for item in self.plan if item.name not in done.keys() | failed]
        last = {one.item: one.outcome for one in self.earlier}
        missing.sort(key=lambda item: last.get(item.name) == "failed")
        anything = self.args.partial or not self.made_now
        return next((item for item in missing if anything or self.fits(item)), None)

    def failing(self) -> bool:
        """Whether the last items have all failed."""
        return [one.outcome for one in self.made_now[-FAILURES:]] == ["failed"] * FAILURES

    def fits(self, item: Item) -> bool:
        """Whether an item has a fair chance to be done in the time left."""
        seconds = estimate(item, self.attempts, self.work)
        return seconds is None or seconds <= self.clock.left

    def announce(self, item: Item) -> None:
        """Say what comes, and how long it will probably take."""
        seconds = estimate(item, self.attempts, self.work)
        takes = "of unknown length" if seconds is None else f"about {seconds:,.0f} s"
        print(f"{item.name}: {takes}, {self.clock.left:,.0f} s left", flush=True)

    def attempt(self, item: Item) -> Attempt:
        """Run an item as far as the time allows."""
        stages, before = Stages(time.monotonic()), updates_kept(item, self.work)
        log, code = self.out / "log" / f"{item.name}.log", None
        for command in self.commands(item):
            code = follow([*HSAL_BENCH, *command], log, stages, self.clock)
            if code != 0:
                break
        stages.end(time.monotonic())
        done = bool(finished([item], self.work))
        outcome: Outcome = "done" if done else "interrupted" if code is None else "failed"
        kept = updates_kept(item, self.work)
        _say_how_it_ended(item, outcome, kept, log)
        return Attempt(item.name, outcome, kept - before, stages.seconds)

    def commands(self, item: Item) -> list[list[str]]:
        """Return the commands that make an item, without the program's name."""
        datasets = self.work / "data"
        run = ["run", "--model", item.method, "--dataset", item.data_set, "--preset", item.preset]
        run += ["--seeds", str(item.seed)]
        for setting in item.settings.split():
            run += ["--set", setting]
        if item.updates:
            run += ["--updates", str(item.updates)]
        run += ["--out", str(item.out(self.work)), "--datasets", str(datasets)]
        run += ["--data-dir", str(self.args.data_dir), *self.options]
        if self.args.scale == "paper" or (datasets / f"{item.data_set}.h5").exists():
            return [run]
        return [_toy_data(item, datasets), run]

    def publish(self) -> None:
        """Write what can be carried off: the records, the attempts and the summary."""
        pack(self.archive, finished(self.plan, self.work))
        for path in self.kept:
            write_attempts(self.attempts, path)
        done = self.done()
        text = summary(self.args.scale, self.plan, done, self.attempts)
        write_text(self.out / "summary.md", text)
        self.draw_curves(done.values())

    def draw_curves(self, records: Iterable[Record]) -> None:
        """Draw the paper's figures 5 and 6 for each data set, of the methods as they are."""
        plain: dict[str, list[Record]] = {}
        for record in records:
            if record.curve and not record.settings:
                content = record.data_set.content_sha256[:8]
                plain.setdefault(f"{record.data_set.name}-{content}", []).append(record)
        for name, of_data_set in plain.items():
            curves_picture(of_data_set, self.out / f"curves-{name}.png")

    def say_what_is_done(self) -> None:
        """Print what is done, what is missing, and what it cost."""
        done, now = self.done(), sum(one.outcome == "done" for one in self.made_now)
        failed = sum(one.outcome == "failed" for one in self.made_now)
        left, spent = self.clock.left, time.monotonic() - self.started
        if self.failing():
            print(f"{FAILURES} items in a row failed: the rest is not tried")
        elif left > 0 and len(done) + failed < len(self.plan):
            print(f"nothing missing fits the {left:,.0f} s left; --partial begins it all the same")
        print(
            f"{len(done)} of {len(self.plan)} done, {now} of them now; "
            f"{len(self.plan) - len(done)} missing, {failed} failed now; {spent:,.0f} s spent; "
            f"see {self.out / 'summary.md'}"
        )


def _say_how_it_ended(item: Item, outcome: Outcome, updates: int, log: Path) -> None:
    """Print how an attempt ended, for a failure with the last line it wrote."""
    reached = f" at update {updates:,} of {item.budget:,}" if outcome == "interrupted" else ""
    lines = log.read_text(errors="replace").splitlines() or [""]
    last = f": {lines[-1]} ({log})" if outcome == "failed" else ""
    print(f"  {outcome}{reached}{last}", flush=True)


def _options(args: argparse.Namespace) -> list[str]:
    """Return the options that all runs have in common."""
    options = ["--device", args.device] if args.device else []
    if args.scale == "toy":
        return [*options, "--fine-tune-updates", str(TOY_UPDATES)]
    if args.backbone_weights:
        return [*options, "--backbone-weights", args.backbone_weights]
    if _imagenet_is_here():
        return options
    # Settled once and for all runs: each on its own would wait for a network that may not be
    # there, and a download that succeeds half-way would part the seeds into two conditions.
    print(
        "no ImageNet weights on this machine: the activation model is trained from scratch; "
        "--backbone-weights FILE gives them"
    )
    return [*options, "--backbone-weights", "none"]


def _imagenet_is_here() -> bool:
    """Whether `hsal-bench run` finds ImageNet's weights without downloading them."""
    import torch
    from torchvision.models import ResNet34_Weights

    name = ResNet34_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
    return (Path(torch.hub.get_dir()) / "checkpoints" / name).exists()


def _toy_data(item: Item, datasets: Path) -> list[str]:
    names = ["mnist-single", item.data_set.replace("synthetic", "mnist")]
    sizes = ["--train", "600", "--valid", "60", "--test", "60"]
    return ["generate", *names, "--source", "synthetic", *sizes, "--out", str(datasets)]


def _collect(archive: Path, folder: Path) -> int:
    written, kept = collect(archive, folder)
    print(f"{len(written)} records from {archive} into {folder}")
    for name in kept:
        print(f"  kept {folder / name}, which differs: remove it to take the archive's")
    return 0


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, metavar="DIR", help="where records and summary go")
    parser.add_argument(
        "--budget-minutes", type=float, default=9.0, metavar="N", help="all the time there is"
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="where data sets, activations and checkpoints are kept  [default: work in --out]",
    )
    parser.add_argument(
        "--records",
        type=Path,
        metavar="DIR",
        default=Path("leaderboard/records"),
        help="records whose runs need not be made again; where --collect puts them",
    )
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", default=Path("data"), help="where MNIST is"
    )
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1")
    parser.add_argument(
        "--backbone-weights",
        metavar="FILE",
        help="ResNet-34 state dict, or 'none'  [default: ImageNet's if on this machine, else none]",
    )
    parser.add_argument(
        "--scale", choices=tuple(SCALES), default="paper", help="toy: the same plan, in miniature"
    )
    parser.add_argument(
        "--partial",
        action="store_true",
        help="also begin what will not be done in this call; pays where --work is kept",
    )
    parser.add_argument("--list", action="store_true", help="print the plan and what is done")
    parser.add_argument(
        "--collect", type=Path, metavar="ARCHIVE", help="put an archive's records into --records"
    )
    args = parser.parse_args(arguments)
    if not (args.out or args.list or args.collect):
        parser.error("--out is missing: name the folder where records and summary go")
    if not (math.isfinite(args.budget_minutes) and args.budget_minutes > 0):
        parser.error(f"--budget-minutes is {args.budget_minutes}: it takes a number above 0")
    return args


if __name__ == "__main__":
    sys.exit(main())
