"""Measure the generation of datasets: images per second, in total and per step.

    python benchmarks/generate.py --data-dir data
    python benchmarks/generate.py --reference "python other.py -n 5000" --reference-images 5000

The total is that of `hsal-bench generate`: start-up, reading the glyphs, painting, compressing,
writing and syncing. A reference is any other command that generates images; both run in turn, so
that other load on the machine affects both.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hsal_bench import options
from hsal_bench.data.build import JOB_ROWS, make_part
from hsal_bench.data.generator import Rows, load_generator
from hsal_bench.data.schema import HASH_ROWS, Examples
from hsal_bench.data.writer import Parts, file_writer
from hsal_bench.generators.scenes.painting import paint
from hsal_bench.generators.scenes.sampling import Sampler

DATA_SET = "mnist-multiset"


def main() -> None:
    """Print the measurements of the command line."""
    args = _arguments()
    reference = shlex.split(args.reference) if args.reference else None
    ours, theirs, works, peaks = [], [], [], []
    for _ in range(args.repeats):
        if reference:
            theirs.append(args.reference_images / run(reference)[0])
        seconds, work, peak = generate(args)
        ours.append(images(args) / seconds)
        works.append(images(args) / work)
        peaks.append(peak)
    print(f"{DATA_SET}, {images(args):,} images, {args.workers} workers, whole process")
    print(f"  {summary(ours)} images/s; largest process {max(peaks) / 2**20:,.0f} MiB")
    print(f"  {summary(works)} images per second of processor time")
    if theirs:
        ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
        print(f"  reference {summary(theirs)} images/s; ratio {summary(ratios)}")
    print_shares(args)


def images(args: argparse.Namespace) -> int:
    """Return the number of images of all splits."""
    return args.train + args.valid + args.test


def summary(values: Sequence[float]) -> str:
    """Return median and range as text."""
    digits = 1 if max(values) < 1000 else 0
    median, low, high = (
        f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values))
    )
    return f"{median} (median of {len(values)}; {low} to {high})"


def generate(args: argparse.Namespace) -> tuple[float, float, int]:
    """Run `hsal-bench generate` in an empty folder; return the values of `run`."""
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        command = [sys.executable, "-m", "hsal_bench", "generate", DATA_SET, "--out", folder]
        command += ["--data-dir", str(args.data_dir.resolve()), "--workers", str(args.workers)]
        for name in ("source", "train", "valid", "test"):
            command += [f"--{name}", str(getattr(args, name))]
        return run(command)


def run(command: Sequence[str]) -> tuple[float, float, int]:
    """Run a command; return its seconds, those of the processor, and the peak memory in bytes.

    The second is that of all its processes together, the third that of the largest.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode} of: {shlex.join(command)}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def print_shares(args: argparse.Namespace) -> None:
    """Print the share of each step in the time of one core, measured one after the other."""
    generator = load_generator(DATA_SET)
    sizes = {"source": args.source, "train": str(8 * JOB_ROWS)}
    recipe = generator.recipe(options.replace(generator.defaults, sizes, DATA_SET), args.data_dir)
    steps = {"sampling": 0.0, "painting": 0.0, "compressing, hashing": 0.0, "writing": 0.0}
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        time_steps(recipe, Path(folder) / "x.h5", steps)
    total = sum(steps.values())
    print("share of one core's time (reading the glyphs and starting processes apart)")
    for name, seconds in steps.items():
        rate = 8 * JOB_ROWS / seconds
        print(f"  {name:<22} {seconds / total:6.1%} {rate:>10,.0f} images/s")


def time_steps(recipe: Any, path: Path, steps: dict[str, float]) -> None:
    """Add the seconds of each step for a train split of eight jobs to `steps`."""
    spec, sampler = recipe.spec, Sampler(recipe.spec, recipe.pools)
    with Parts.open(recipe, path) as parts, file_writer(recipe.layout, path, JOB_ROWS) as writer:
        for first in range(0, 8 * JOB_ROWS, JOB_ROWS):
            job = Rows("train", first, first + JOB_ROWS)
            runs = [(start, start + HASH_ROWS) for start in range(first, job.stop, HASH_ROWS)]
            with timed(steps, "sampling"):
                scenes = [sampler.sample("train", *run) for run in runs]
            with timed(steps, "painting"):
                for some in scenes:
                    paint(some, recipe.glyphs, spec.canvas, spec.clutter_size)
            made = Made({run[0]: recipe.make("train", *run) for run in runs})
            with timed(steps, "compressing, hashing"):
                part = make_part(recipe.layout, made, job)
            with timed(steps, "writing"):
                parts.save(job.name, part)
                writer.add("train", parts.load(job.name))


class Made:
    """A maker with finished runs, so that a job only compresses and hashes."""

    def __init__(self, runs: dict[int, Examples]) -> None:
        self.runs = runs

    def make(self, split: str, start: int, stop: int) -> Examples:
        """Return the run that starts at `start`."""
        return self.runs[start]


@contextmanager
def timed(steps: dict[str, float], name: str) -> Iterator[None]:
    """Add the seconds that the block takes to the step `name`."""
    start = time.perf_counter()
    yield
    steps[name] += time.perf_counter() - start


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where glyphs are")
    parser.add_argument("--source", default="mnist", help="source of glyphs")
    parser.add_argument("--train", type=int, default=60_000, help="images of the train split")
    parser.add_argument("--valid", type=int, default=5_000, help="images of the valid split")
    parser.add_argument("--test", type=int, default=10_000, help="images of the test split")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="worker processes")
    parser.add_argument("--repeats", type=int, default=3, help="runs; the median is printed")
    parser.add_argument("--scratch", type=Path, help="folder for temporary files")
    parser.add_argument("--reference", help="another command that generates images")
    parser.add_argument(
        "--reference-images", type=int, default=10_000, help="number of images of the reference"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
