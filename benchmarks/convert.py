"""Measure the conversion of photographs to a dataset: images per second, in total and per step.

    python benchmarks/convert.py --data-dir FOLDER --collection svhn-grey --colour grey

FOLDER/svhn-grey contains train.tar.gz and test.tar.gz in SVHN's layout. The total is that of
`hsal-bench generate svhn-multiset`: start-up, indexing the archives, reading the pictures,
decoding, cropping, resizing, compressing, writing and syncing. It runs with each number of workers
in turn, and the content must be the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from generate import run, summary, timed

from hsal_bench import options
from hsal_bench.data.build import JOB_ROWS, make_part, split_jobs
from hsal_bench.data.file import open_data
from hsal_bench.data.generator import load_generator
from hsal_bench.data.schema import HASH_ROWS
from hsal_bench.data.writer import Parts, file_writer

DATA_SET = "svhn-multiset"


def main() -> None:
    """Print the measurements of the command line."""
    args = _arguments()
    rates: dict[int, list[float]] = {workers: [] for workers in args.workers}
    peaks: dict[int, int] = dict.fromkeys(args.workers, 0)
    contents, images = set(), 0
    for _ in range(args.repeats):
        for workers in args.workers:
            seconds, peak, images, content = convert(args, workers)
            rates[workers].append(images / seconds)
            peaks[workers] = max(peak, peaks[workers])
            contents.add(content)
    print(f"{args.collection}, {images:,} images of {args.resolution} x {args.resolution}, whole")
    for workers in args.workers:
        mib = f"{peaks[workers] / 2**20:,.0f} MiB"
        print(f"  {workers} workers: {summary(rates[workers])} images/s; largest process {mib}")
    first, *others = args.workers
    for workers in others:
        ratios = [a / b for a, b in zip(rates[workers], rates[first], strict=True)]
        print(f"  {workers} workers against {first}: ratio {summary(ratios)}")
    print(f"  content of all runs: {', '.join(sorted(contents))}")
    print_shares(args)
    if len(contents) != 1:
        raise SystemExit("the content depends on the number of workers")


def convert(args: argparse.Namespace, workers: int) -> tuple[float, int, int, str]:
    """Convert into an empty folder; return seconds, peak bytes, images and the content's hash."""
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        command = [sys.executable, "-m", "hsal_bench", "generate", DATA_SET, "--out", folder]
        command += ["--data-dir", str(args.data_dir.resolve()), "--workers", str(workers)]
        for name in ("collection", "resolution", "colour"):
            command += [f"--{name}", str(getattr(args, name))]
        seconds, _, peak = run(command)
        (path,) = Path(folder).glob("*.h5")
        with open_data(path) as data:
            return seconds, peak, sum(data.layout.sizes.values()), data.header.content_sha256


def print_shares(args: argparse.Namespace) -> None:
    """Print the share of each step in the time of one core, measured one after the other."""
    steps = dict.fromkeys(
        ("indexing", "reading", "decoding, resizing", "all of a job", "writing"), 0.0
    )
    generator = load_generator(DATA_SET)
    given = {name: str(getattr(args, name)) for name in ("collection", "resolution", "colour")}
    spec = options.replace(generator.defaults, given, DATA_SET)
    with timed(steps, "indexing"):
        recipe = generator.recipe(spec, args.data_dir)
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        time_steps(recipe, Path(folder) / "x.h5", steps)
    steps["compressing, hashing"] = steps.pop("all of a job") - steps["decoding, resizing"]
    total, images = sum(steps.values()), sum(recipe.layout.sizes.values())
    print("share of one core's time (starting processes apart)")
    for name, seconds in steps.items():
        print(f"  {name:<22} {seconds / total:6.1%} {images / seconds:>10,.0f} images/s")


def time_steps(recipe: Any, path: Path, steps: dict[str, float]) -> None:
    """Add the seconds of each step for the complete dataset to `steps`."""
    with Parts.open(recipe, path) as parts, file_writer(recipe.layout, path, JOB_ROWS) as writer:
        before = time.perf_counter()
        for job, maker in recipe.makers(split_jobs(recipe.layout)):
            steps["reading"] += time.perf_counter() - before
            with timed(steps, "decoding, resizing"):
                for start in range(job.start, job.stop, HASH_ROWS):
                    maker.make(job.split, start, min(start + HASH_ROWS, job.stop))
            with timed(steps, "all of a job"):
                part = make_part(recipe.layout, maker, job)
            with timed(steps, "writing"):
                parts.save(job.name, part)
            before = time.perf_counter()
        with timed(steps, "writing"):
            for job in split_jobs(recipe.layout):
                writer.add(job.split, parts.load(job.name))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where collections are")
    parser.add_argument("--collection", default="svhn", help="folder of --data-dir")
    parser.add_argument("--resolution", type=int, default=100, help="side of the stored image")
    parser.add_argument("--colour", default="rgb", help="rgb or grey")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="numbers to compare")
    parser.add_argument("--repeats", type=int, default=3, help="runs; the median is printed")
    parser.add_argument("--scratch", type=Path, help="folder for temporary files")
    return parser.parse_args()


if __name__ == "__main__":
    main()
